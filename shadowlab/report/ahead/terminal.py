"""An answer on a terminal, or as plain lines in a pipe.

In: an answer, a rich console.  Out: the headline, what was changed, the tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shadowlab.report.ahead.rows import (
    LEVEL_HEADS,
    LEVEL_RIGHT,
    LINK_HEADS,
    LINK_RIGHT,
    VARIANT_HEADS,
    VARIANT_RIGHT,
    level_rows,
    link_rows,
    run_words,
    variant_rows,
)
from shadowlab.report.text import clean, print_line, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from shadowlab.predict.sweep.answer import Answer

MOST_LEVELS = 12
MOST_LINKS = 8
MOST_VARIANTS = 30
_STYLES = {"breaks": "red", "cut off": "red", "no result": "red", "unsure": "yellow"}


def render_answer(answer: Answer, console: Console) -> None:
    """One variant with its service levels; several as a table, with the levels of the worst."""
    print_line(console, answer.headline, "bold")
    single = answer.variants[0] if len(answer.variants) == 1 else None
    for change in single.changes if single else ():
        print_line(console, f"  {change}")
    if not answer.promised:
        print_line(console, "  no service level was promised: less than 1 % lost and 2 % sent again is taken for good")
    if single is None and answer.variants:
        _shown(console, VARIANT_HEADS, variant_rows(answer), VARIANT_RIGHT, MOST_VARIANTS, "variants", 1)
    worst = single or max(answer.variants, key=lambda one: (one.nearness, one.broken), default=answer.baseline)
    if single is None and answer.variants:
        console.print()
        print_line(console, f"Service levels of the worst variant, {worst.name}:")
    for fault in worst.faults:
        print_line(console, f"  a run showed nothing: {fault}", "red")
    _shown(console, LEVEL_HEADS, level_rows(worst.predictions), LEVEL_RIGHT, MOST_LEVELS, "service levels", 6)
    if any(one.difference is not None and one.difference.mean for one in worst.predictions):
        print_line(console, "A change in brackets may be chance.", "dim")
    _shown(console, LINK_HEADS, link_rows(answer.links), LINK_RIGHT, MOST_LINKS, "directions", -1)
    console.print()
    print_line(console, run_words(answer.provenance), "dim")


def _shown(
    console: Console,
    heads: Sequence[str],
    rows: Sequence[tuple[str, ...]],
    right: Sequence[int],
    most: int,
    what: str,
    verdict: int,
) -> None:
    if not rows:
        return
    some = [tuple(clean(cell) for cell in row) for row in rows[:most]]
    styles = [_STYLES.get(row[verdict], "") if verdict >= 0 else "" for row in some]
    print_table(console, heads, some, right=right, loose=0 if verdict == 1 else len(heads) - 1, styles=styles)
    if len(rows) > most:
        print_line(console, f"and {len(rows) - most} more {what}: --json has them all", "dim")
