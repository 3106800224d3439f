"""One measured figure beside its target.

In: plain values.  Out: a frozen outcome, its JSON line, and the summary of many.  Never: a target moved to a result.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

START, SUMMARY = "fidelity: start", "fidelity: summary"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """``measured`` is the figure that is held against ``target``, in ``unit``: an error or a deviation, mostly, and
    then ``met`` when it does not exceed the target.  Without a target it is only reported.

    ``group`` names the quantity, ``cell`` where in the grid.  ``seen`` and ``wished`` are what was measured and what
    was expected, in words or numbers; ``note`` says why there is no target here, or why it is
    missed: a miss with a note is known and documented, one without is a finding.
    """

    group: str
    cell: str
    measured: float
    unit: str
    target: float | None = None
    seen: float | str | None = None
    wished: float | str | None = None
    samples: int = 0
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        return None if self.target is None else bool(abs(self.measured) <= self.target)

    def line(self, **more: object) -> dict[str, object]:
        """The JSON line."""
        return {
            "benchmark": f"fidelity: {self.group}",
            **asdict(self),
            "measured": float(self.measured),
            "met": self.met,
            **more,
        }


def read_lines(text: str) -> tuple[list[Outcome], dict[str, object]]:
    """The outcomes and the summary that a run printed; of a cell that stands there twice, the later."""
    names = {one.name for one in fields(Outcome)}
    found: dict[tuple[str, str, int], Outcome] = {}
    seen: Counter[tuple[str, str]] = Counter()
    end: dict[str, object] = {}
    for line in filter(lambda line: line.startswith("{"), text.splitlines()):
        held = json.loads(line)
        if held["benchmark"] == START:
            seen.clear()
        elif held["benchmark"] == SUMMARY:
            end = held
        elif names <= held.keys():
            one = Outcome(**{name: held[name] for name in names})
            key = (one.group, one.cell)
            found[*key, seen[key]] = one
            seen[key] += 1
    return list(found.values()), end


def summary(outcomes: Sequence[Outcome]) -> list[dict[str, object]]:
    """For each group its worst cell against the target, how many cells have one, and how many missed it."""
    groups: dict[str, list[Outcome]] = {}
    for one in outcomes:
        groups.setdefault(one.group, []).append(one)
    lines: list[dict[str, object]] = []
    for group, members in groups.items():
        held = [one for one in members if one.target is not None]
        worst = max(held or members, key=lambda one: abs(one.measured) / (one.target or 1.0))
        lines.append(
            {
                "benchmark": f"fidelity: {group}, worst cell",
                "group": group,
                "cell": worst.cell,
                "measured": worst.measured,
                "unit": worst.unit,
                "target": worst.target,
                "cells": len(held),
                "only_reported": len(members) - len(held),
                "missed": [one.cell for one in held if not one.met],
                "met": all(one.met for one in held) if held else None,
            }
        )
    return lines
