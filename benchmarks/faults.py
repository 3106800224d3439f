"""The campaign: seeded faults in a hidden production, found and placed by the product's own path.

    python -m benchmarks.faults --seed 2001 --topology b4 --fault random --n 5
    python -m benchmarks.faults --full               all kinds, three topologies, seeds 2001 to 2010: about an hour
    scripts/bench faults                             ten minutes of it

Prints one JSON line per case and method, and the tables at the end; ``--page`` also writes them into
docs/explanation/diagnosis.md.  A folder keeps every run: what was interrupted goes on, and what was run is judged again
without a run.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.faulted.draw import BASELINE_NS, KINDS, Case, draw
from benchmarks.faulted.judged import PANEL, judged
from benchmarks.faulted.places import TOPOLOGIES
from benchmarks.faulted.produce import known, produce
from benchmarks.faulted.score import reference_row, row_of
from benchmarks.faulted.table import tables

FIRST_REPORTED = 2001
"""Settings were frozen on seeds from 1000 to 2000."""
FULL, FEW = 10, 2
SUBSET_S = 540.0
"""After so long without ``--full`` no further batch is begun."""
BATCH = 6
BEGIN, END = "<!-- campaign -->", "<!-- /campaign -->"
PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "diagnosis.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, judge, score."""
    asked = _parse(arguments)
    rows: list[dict[str, Any]] = []
    began = time.monotonic()

    def ready(case: Case, folder: Path, shadow: Path | None) -> None:
        for row in rows_of(case, folder, shadow):
            rows.append(row)
            if not asked.quiet:
                print(json.dumps(row), flush=True)

    for first in range(0, len(asked.cases), BATCH):
        if not asked.whole and time.monotonic() - began > SUBSET_S:
            print(f"# stopped after {first} of {len(asked.cases)} cases: --full does them all", file=sys.stderr)
            break
        produce([draw(*one) for one in asked.cases[first : first + BATCH]], asked.folder, ready, only_kept=asked.kept)
    rows.sort(key=lambda one: (one["topology"], one["kind"], one["seed"], one["method"]))
    text = tables(rows)
    print(text, flush=True)
    if asked.page:
        PAGE.write_text(renewed(PAGE.read_text(), f"{_stands_on(rows)}\n\n{text}"))
    return 0


def renewed(page: str, text: str) -> str:
    """The page with the block between its marks replaced.  Raises ValueError where there is none."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE} has no {BEGIN} … {END}")
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"


def _stands_on(rows: Sequence[dict[str, Any]]) -> str:
    """How many cases of which seeds the tables are of, and whether anything was tuned on them."""
    cases = {(one["topology"], one["kind"], one["seed"]) for one in rows}
    parts = []
    for topology in sorted({one[0] for one in cases}):
        seeds = sorted({one[2] for one in cases if one[0] == topology})
        count = sum(one[0] == topology for one in cases)
        parts.append(f"{topology} {count} (seeds {', '.join(map(str, seeds))})")
    words = "None of them was looked at before the settings were frozen."
    if any(one[2] < FIRST_REPORTED for one in cases):
        words = "They are **development seeds**: what is said under the tables was mended on them."
    alone = {(one["topology"], one["kind"], one["seed"]) for one in rows if one.get("shadow") is False}
    without = f" {len(alone)} of them were judged without a shadow: it was not run." if alone else ""
    return f"{len(cases)} cases: {'; '.join(parts)}. {words}{without}"


def rows_of(case: Case, folder: Path, shadow: Path | None) -> list[dict[str, Any]]:
    """One row per detector, one per reference localiser."""
    found = judged(folder, shadow, known(case))
    truth, common = case.truth, {"topology": case.ground.name, "kind": case.truth.kind, "seed": case.seed}
    more = {
        "paths": found["paths"],
        "shadow": found["shadow"],
        "quiet_s": (truth.onset_ns - BASELINE_NS[1]) / 1e9,
        "size": dict(truth.size),
        "idle": found["carried"].get(truth.way, truth.least_bps) < truth.least_bps,
    }
    noticed = bool(found["said"][PANEL]["alerts"])
    rows = []
    for name, said in found["said"].items():
        base = {**common, "method": name, "noticed": noticed, **more}
        rows.append(row_of(base, truth, found["crossing"], said, found["full"]))
    seen = rows[0]["seen"]
    for name, named in found["references"].items():
        base = {**common, "method": name, "noticed": noticed, "seen": seen}
        rows.append(reference_row(base, truth, named))
    return rows


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=FIRST_REPORTED, help="the first; %(default)s is the first reported")
    parser.add_argument("--topology", action="append", choices=sorted(TOPOLOGIES), default=[], help="all without it")
    parser.add_argument("--fault", action="append", choices=sorted(KINDS), default=[], help="all without it")
    parser.add_argument("--n", type=int, default=0, help=f"seeds of each: {FEW}, with --full {FULL}")
    parser.add_argument("--full", action="store_true", help="do not stop after ten minutes")
    parser.add_argument("--page", action="store_true", help="also renew the tables of the documentation")
    parser.add_argument("--kept", action="store_true", help="run nothing: judge what was run before")
    parser.add_argument("--quiet", action="store_true", help="print the tables only")
    parser.add_argument("--folder", type=Path, default=Path("runs") / "faults", help="where runs are kept")
    asked = parser.parse_args(arguments)
    asked.whole = asked.full or asked.n > 0
    count = asked.n or (FULL if asked.full else FEW)
    asked.cases = [
        (topology, kind, seed)
        for seed in range(asked.seed, asked.seed + count)
        for topology in asked.topology or TOPOLOGIES
        for kind in asked.fault or KINDS
    ]
    return asked


if __name__ == "__main__":
    sys.exit(main())
