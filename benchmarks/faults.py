"""The campaign: seeded faults in a hidden production, found and placed by the product's own path.

    python -m benchmarks.faults --seed 2000 --topology b4 --fault random --n 5
    python -m benchmarks.faults --full               all kinds, three topologies, seeds 2000 to 2009: about an hour
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
from benchmarks.truth.page import replaced

FIRST_REPORTED = 2000
"""Settings were frozen on seeds from 1000 to 1999."""
FULL, FEW = 10, 2
SUBSET_S = 540.0
"""After so long without ``--full`` no further batch is begun."""
BATCH = 6
PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "diagnosis.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, judge, score."""
    asked = _parse(arguments)
    rows: list[dict[str, Any]] = []
    began = time.monotonic()

    def ready(case: Case, folder: Path, shadow: Path) -> None:
        for row in rows_of(case, folder, shadow):
            rows.append(row)
            if not asked.quiet:
                print(json.dumps(row), flush=True)

    for first in range(0, len(asked.cases), BATCH):
        if not asked.whole and time.monotonic() - began > SUBSET_S:
            print(f"# stopped after {first} of {len(asked.cases)} cases: --full does them all", file=sys.stderr)
            break
        produce([draw(*one) for one in asked.cases[first : first + BATCH]], asked.folder, ready)
    rows.sort(key=lambda one: (one["topology"], one["kind"], one["seed"], one["method"]))
    text = tables(rows)
    print(text, flush=True)
    if asked.page:
        PAGE.write_text(replaced(PAGE.read_text(), "campaign", text))
    return 0


def rows_of(case: Case, folder: Path, shadow: Path) -> list[dict[str, Any]]:
    """One row per detector, one per reference localiser."""
    found = judged(folder, shadow, known(case))
    truth, common = case.truth, {"topology": case.ground.name, "kind": case.truth.kind, "seed": case.seed}
    more = {"paths": found["paths"], "quiet_s": (truth.onset_ns - BASELINE_NS[1]) / 1e9, "size": dict(truth.size)}
    noticed = bool(found["said"][PANEL]["alerts"])
    rows = []
    for name, said in found["said"].items():
        base = {**common, "method": name, "noticed": noticed, **more}
        rows.append(row_of(base, truth, found["crossing"], said))
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
