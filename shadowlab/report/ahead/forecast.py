"""Forecasts on a terminal and as JSON.

In: forecasts of demand, what the network makes of them.  Out: text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from shadowlab.lab.ahead.foresee import Foresight, duration_words, violation_words
from shadowlab.model.plain import to_plain
from shadowlab.report.ahead.rows import run_words
from shadowlab.report.text import print_line, print_table
from shadowlab.report.words import NOTHING, number, percent
from shadowlab.store.folder import format_json

if TYPE_CHECKING:
    from rich.console import Console

    from shadowlab.predict.forecast.backtest import Forecast

FORMAT = "forecast/1"
_HEADS = ("Demand", "Now", "Ahead", "Expected", "80 % interval", "Model", "Off by")
_ROWS = 4
_MOST_VIOLATIONS = 12


def forecast_json(found: Sequence[Forecast], ahead: Foresight | None) -> str:
    """One document."""
    demand = [
        {
            "series": one.name,
            "model": one.model,
            "now": one.now,
            "times": one.times_s.tolist(),
            "quantiles": {f"{quantile:g}": values.tolist() for quantile, values in one.quantiles.items()},
            "scores": dict(one.scores),
            "coverage": one.coverage,
            "folds": one.folds,
            "notes": list(one.notes),
        }
        for one in found
    ]
    return format_json({"format": FORMAT, "demand": demand, "network": None if ahead is None else to_plain(ahead)})


def render_foresight(ahead: Foresight, console: Console) -> None:
    """What breaks, the soonest first."""
    print_line(console, ahead.headline, "bold")
    for one in ahead.violations[1:_MOST_VIOLATIONS]:
        print_line(console, f"  {violation_words(one)}")
    if len(ahead.violations) > _MOST_VIOLATIONS:
        print_line(console, f"  and {len(ahead.violations) - _MOST_VIOLATIONS} more: --json has them all", "dim")
    for words in ahead.broken_now[:_MOST_VIOLATIONS]:
        print_line(console, f"  broken already: {words}", "red")
    print_line(console, run_words(ahead.provenance), "dim")


def render_forecasts(found: Sequence[Forecast], horizon_s: float, console: Console) -> None:
    """The demand of each series at a few moments."""
    rows = []
    for one in found:
        off = one.scores.get(one.model, math.nan)
        for index in range(_ROWS):
            seconds = horizon_s * (index + 1) / _ROWS
            first = index == 0
            rows.append(
                (
                    one.name if first else "",
                    number(one.now) if first else "",
                    duration_words(seconds),
                    number(one.at(seconds, 0.5)),
                    f"{number(one.at(seconds, 0.1))} – {number(one.at(seconds, 0.9))}",
                    one.model if first else "",
                    (percent(off) if math.isfinite(off) else NOTHING) if first else "",
                )
            )
    print_table(console, _HEADS, rows, right=(1, 3, 4, 6), loose=0)
    for one in found:
        for note in one.notes:
            print_line(console, f"{one.name}: {note}", "dim")
