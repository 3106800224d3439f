"""Headroom on a terminal and as JSON.

In: the answer of :mod:`shadowlab.lab.ahead.headroom`.  Out: text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shadowlab.model.plain import to_plain
from shadowlab.report.ahead.rows import LEVEL_HEADS, LEVEL_RIGHT, level_rows, run_words
from shadowlab.report.text import print_line, print_table
from shadowlab.report.words import number
from shadowlab.store.folder import format_json

if TYPE_CHECKING:
    from rich.console import Console

    from shadowlab.lab.ahead.headroom import HeadroomAnswer

FORMAT = "headroom/1"
_MOST_LEVELS = 8


def headroom_json(found: HeadroomAnswer) -> str:
    """One document."""
    return format_json({"format": FORMAT, **to_plain(found)})


def render_headroom(found: HeadroomAnswer, console: Console) -> None:
    """The answer, what was tried, what breaks first."""
    print_line(console, found.headline, "bold")
    rows = [(f"{one.growth:g}", one.verdict, f"{number(one.nearness)} × the limit") for one in found.tried]
    print_table(console, ("Growth", "Verdict", "Nearest to a limit"), rows, right=(0, 2), loose=1)
    if found.first:
        console.print()
        print_line(console, f"What does not hold at {found.breaks_at:g} times:")
        print_table(console, LEVEL_HEADS, level_rows(found.first[:_MOST_LEVELS]), right=LEVEL_RIGHT, loose=6)
    console.print()
    print_line(console, run_words(found.provenance), "dim")
