"""The summary of a run on a terminal, or as plain lines in a pipe.

In: a result and a rich console.  Out: headline, the answers, one table of cures, the fault domain.  Never: markup taken
from data, a line broken by colour codes where there is no terminal.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from shadowlab.report.choice import affected_paths
from shadowlab.report.words import moment, percent, plural

if TYPE_CHECKING:
    from rich.console import Console

    from shadowlab.model.result import RunResult

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def render_summary(result: RunResult, console: Console, report: Path | None = None) -> None:
    """Print what whoever started the run wants to know first."""
    _line(console, result.headline or result.title or result.scenario, "bold")
    if not result.provenance.valid:
        _line(console, f"VOID: {result.provenance.validity}", "bold red")
    for sentence in result.conclusions:
        _line(console, f"  {sentence}")
    _facts(result, console)
    if result.cures:
        console.print()
        if console.is_terminal:
            _cure_table(result, console)
        else:
            _cure_lines(result, console)
    if report is not None:
        console.print()
        _line(console, f"Report: {report}")


def _line(console: Console, words: str, style: str = "") -> None:
    """One line as it is: no markup, no emoji, no highlighting, broken only by a terminal's width."""
    from rich.text import Text

    console.print(Text(_clean(words), style=style), soft_wrap=not console.is_terminal)


def _clean(words: str) -> str:
    """Without what a terminal would obey."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", words)


def _facts(result: RunResult, console: Console) -> None:
    console.print()
    domain = result.fault_domain
    if domain is None:
        _line(console, "Fault domain    none found")
    else:
        where = ", ".join(one.name for one in domain.suspects) or ", ".join(domain.links)
        _line(console, f"Fault domain    {where}  ({domain.kind}, confidence {percent(domain.confidence)})")
        _line(console, f"Since           {moment(domain.onset_ns)} of {moment(result.duration_ns)}")
    affected = len(affected_paths(result))
    _line(console, f"Affected        {affected} of {plural(len(result.paths), 'path')}")
    broken = sum(not one.holds for one in result.levels_after)
    _line(console, f"Service levels  {broken} of {len(result.levels_after)} broken after the event")
    _line(console, f"Production      {result.correlation.verdict}")
    for name, met in sorted(result.expectations.items()):
        _line(console, f"Expected        {name}: {'met' if met else 'NOT MET'}", "" if met else "bold red")


def _rows(result: RunResult) -> list[tuple[str, ...]]:
    return [
        (
            str(one.rank),
            _clean(one.cure),
            percent(one.recovered),
            percent(one.broken_share),
            str(one.harm),
            _clean(one.summary),
        )
        for one in result.cures
    ]


_HEADS = ("#", "Cure", "Mended", "Still broken", "Harm", "What it does")


def _cure_table(result: RunResult, console: Console) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for index, head in enumerate(_HEADS):
        table.add_column(head, justify="right" if index in (2, 3, 4) else "left", no_wrap=index != 5)
    for row in _rows(result):
        best = row[0] == _rows(result)[0][0]
        table.add_row(*map(Text, row), style="green" if best else "")
    console.print(table)


def _cure_lines(result: RunResult, console: Console) -> None:
    """Columns under each other, two spaces apart, however long the lines get."""
    rows = [_HEADS, *_rows(result)]
    widths = [max(len(row[index]) for row in rows) for index in range(len(_HEADS) - 1)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        _line(console, "  ".join([*cells, row[-1]]))
