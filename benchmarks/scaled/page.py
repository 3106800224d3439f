"""The table of ``docs/explanation/scaling-law.md``, from the benchmark's lines.

In: lines.  Out: the page with what lies between its two marks written anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.scaled.figures import NAMES, TITLES

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "scaling-law.md"
BEGIN, END = "<!-- made by scripts/bench scaling -->\n", "<!-- end of what scripts/bench scaling made -->\n"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:+.1f} %"


def _noise(value: float | None) -> str:
    return "–" if value is None else f"± {100 * value:.1f} %"


def tables(lines: Sequence[Mapping[str, Any]]) -> str:
    """One table for each network."""
    text = ""
    for line in lines:
        factors = [str(one) for one in line["factors"] if one != 1]
        text += f"\n**{line['network'][0].upper()}{line['network'][1:]}** ({line['seeds']} seeds)\n\n"
        text += f"| | {' | '.join(f'1/{one}' for one in factors)} | noise at full size |\n"
        text += f"| --- |{' --- |' * (len(factors) + 1)}\n"
        for name in NAMES:
            errors = [line["errors"][one][name] for one in factors]
            if any(one is not None for one in errors):
                cells = " | ".join(_percent(one) for one in errors)
                text += f"| {TITLES[name]} | {cells} | {_noise(line['noise'][name])} |\n"
    return text + "\n"


def write(lines: Sequence[Mapping[str, Any]]) -> None:
    """Between the marks."""
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(before + BEGIN + tables(lines) + END + after, encoding="utf-8")
