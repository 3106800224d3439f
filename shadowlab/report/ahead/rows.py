"""The rows of an answer's tables, the same on the terminal and on the page.

In: an answer.  Out: rows of text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from shadowlab.model.kpi import KPIS
from shadowlab.predict.sweep.answer import Answer, LinkWorst, Provenance, VariantAnswer
from shadowlab.predict.sweep.estimate import Interval, Prediction
from shadowlab.report.words import NOTHING, number, percent, plural

LEVEL_HEADS = ("Service level", "Where", "Limit", "Predicted", "95 % interval", "Change", "Verdict")
LEVEL_RIGHT = (2, 3, 4, 5)
LINK_HEADS = ("Link", "Now", "Worst", "Dropped", "Worst case")
LINK_RIGHT = (1, 2, 3)
VARIANT_HEADS = ("Variant", "Verdict", "Broken", "Unsure", "Cut off", "Nearest to a limit", "Runs")
VARIANT_RIGHT = (2, 3, 4, 5, 6)


def level_rows(some: Sequence[Prediction]) -> list[tuple[str, ...]]:
    """One for each service level and where it was promised."""
    return [
        (
            one.level,
            one.subject,
            _value(one.limit, one.kpi),
            NOTHING if one.predicted is None else _value(one.predicted.mean, one.kpi),
            NOTHING if one.predicted is None else _interval(one.predicted, one.kpi),
            _change(one),
            one.verdict,
        )
        for one in some
    ]


def _value(value: float, kpi: str) -> str:
    unit = KPIS[kpi].unit
    if unit == "fraction":
        return percent(value)
    return f"{number(value)} {unit}" if unit != "ratio" else number(value)


def _interval(one: Interval, kpi: str) -> str:
    if one.low is None or one.high is None:
        return "one run"
    return f"{_value(max(one.low, 0.0), kpi)} – {_value(one.high, kpi)}"


def _change(one: Prediction) -> str:
    if one.difference is None:
        return NOTHING
    interval = one.difference
    words = f"{'+' if interval.mean > 0 else ''}{_value(interval.mean, one.kpi)}"
    sure = interval.low is not None and interval.high is not None and (interval.low > 0 or interval.high < 0)
    return words if sure or interval.mean == 0 or interval.low is None else f"({words})"


def link_rows(links: Sequence[LinkWorst]) -> list[tuple[str, ...]]:
    """One for each direction."""
    return [(one.direction, percent(one.before), percent(one.worst), percent(one.loss), one.cause) for one in links]


def variant_rows(answer: Answer) -> list[tuple[str, ...]]:
    """One for each variant, worst first, the baseline before them."""
    some = sorted(answer.variants, key=lambda one: (-one.nearness, -one.broken, one.name))
    return [_variant_row(one) for one in (answer.baseline, *some)]


def _variant_row(one: VariantAnswer) -> tuple[str, ...]:
    near = one.nearness
    return (
        one.name,
        one.verdict,
        str(one.broken),
        str(one.unsure),
        str(len(one.cut)),
        "cut off" if math.isinf(near) and one.cut else f"{number(near)} × the limit" if one.predictions else NOTHING,
        str(one.runs),
    )


def run_words(one: Provenance) -> str:
    """What an answer stands on, in one line."""
    scaled = f"; {one.scale_reason}" if one.scale_reason else ""
    return f"{plural(one.runs, 'run')} of {one.seconds:g} s each, {one.clock} clock, {one.kernel}{scaled}"
