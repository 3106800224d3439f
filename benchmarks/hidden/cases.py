"""One case of the bench, and its rows once they are known.

In: what is wanted of which seed.  Out: rows.  Never: a case run twice by the same code.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benchmarks.hidden.book import Book
from benchmarks.hidden.calendar import calendar
from benchmarks.hidden.incidents import ALWAYS, IN_TURN, incidents, kinds_of
from benchmarks.hidden.produce import Grounds, grounds
from benchmarks.hidden.stages import held_out_control, held_out_time, links, make_case, replication
from benchmarks.hidden.table import Row
from benchmarks.hidden.what_if import counterfactuals

STAGES = ("held-out", "counterfactuals", "incidents")
"""Beside replication, without which there is none; the calendar is asked for by name."""
CALENDAR = "calendar"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """``edits`` None means all that a case has; ``folder`` is the book's."""

    seed: int
    load: float
    family: str
    repeats: int
    edits: int | None
    all_incidents: bool
    stages: tuple[str, ...]
    folder: Path

    @property
    def name(self) -> str:
        """For people."""
        return f"seed {self.seed} at {self.load:.0%}"


def rows_of(wanted: Wanted) -> tuple[list[Row], list[str], str]:
    """Its rows, what failed inside production, and in words what it took."""
    began, ground = time.monotonic(), grounds()
    path = wanted.folder / "cases" / f"{_key(wanted, ground)}.json"
    if path.exists():
        known = json.loads(path.read_text())
        return known["rows"], known["failures"], "was there"
    book = Book(folder=wanted.folder, grounds=ground)
    case = make_case(book, wanted.seed, wanted.load, repeats=wanted.repeats, family=wanted.family)
    rows = [*replication(book, case), *links(case)]
    if "held-out" in wanted.stages:
        rows += [*held_out_time(case), *held_out_control(book, case)]
    if "counterfactuals" in wanted.stages:
        rows += counterfactuals(book, case, wanted.edits)
    if "incidents" in wanted.stages:
        kinds = (*ALWAYS, *IN_TURN) if wanted.all_incidents else kinds_of(wanted.seed)
        rows += incidents(book, case, kinds)
    if CALENDAR in wanted.stages:
        rows += calendar(book, case)
    failures = sorted({f"production: {one}" for one in book.failures})
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(f".{os.getpid()}")
    beside.write_text(json.dumps({"rows": rows, "failures": failures}))
    beside.rename(path)
    words = f"{case.hidden.family}, {time.monotonic() - began:.0f} s, {book.made} runs made, {book.found} found"
    return rows, failures, words


def _key(wanted: Wanted, ground: Grounds) -> str:
    asked = repr((wanted.seed, wanted.load, wanted.family, wanted.repeats, wanted.edits, wanted.all_incidents,
                  wanted.stages, ground.production.key, ground.shadow.description))  # fmt: skip
    return hashlib.sha256(asked.encode() + _code()).hexdigest()[:20]


@cache
def _code() -> bytes:
    """Of the bench and of the product."""
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for root in (here, here.parents[1] / "shadowlab"):
        for path in sorted(root.rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.digest()
