"""Is the shadow true?  Production that is hidden, copied from its telemetry, and compared.

    python -m benchmarks.twin --seed 1..20           every case, some minutes each
    python -m benchmarks.twin --seed 7 --few         one load, two repeats, the replication stage

Prints one JSON line per result and a table at the end.  A folder keeps every run: what was interrupted goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.hidden.book import Book
from benchmarks.hidden.calendar import calendar
from benchmarks.hidden.incidents import incidents
from benchmarks.hidden.network import FAMILIES
from benchmarks.hidden.page import write_page
from benchmarks.hidden.produce import grounds
from benchmarks.hidden.stages import held_out_control, held_out_time, links, make_case, replication
from benchmarks.hidden.table import table
from benchmarks.hidden.what_if import counterfactuals

LOADS = (0.3, 0.5, 0.7, 0.9)
EDITED, USUAL = (0.5, 0.7), 0.5
"""The loads at which map and demand are edited, and that of the calendar."""
STAGES = ("held-out", "counterfactuals", "incidents", "calendar")
"""Beside replication, without which there is none."""
REPEATS = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cases."""
    asked = _parse(arguments)
    ground = grounds()
    book = Book(folder=asked.folder, grounds=ground)
    rows = [json.loads(line) for path in asked.read for line in path.read_text().splitlines() if line.startswith("{")]
    for seed in asked.seed if not asked.read else ():
        for load in asked.loads:
            began = time.monotonic()
            case = make_case(book, seed, load, repeats=asked.repeats, family=asked.family)
            found = [*replication(book, case), *links(case)]
            if "held-out" in asked.stages:
                found += [*held_out_time(case), *held_out_control(book, case)]
            if "counterfactuals" in asked.stages and load in EDITED:
                found += counterfactuals(book, case)
            if "incidents" in asked.stages and load == USUAL:
                found += incidents(book, case)
            if "calendar" in asked.stages and load == USUAL:
                found += calendar(book, case)
            for one in found:
                print(json.dumps(one), flush=True)
            rows += found
            print(
                f"# seed {seed} ({case.hidden.family}) at {load:.0%}: {time.monotonic() - began:.0f} s, "
                f"{book.made} runs made, {book.found} found",
                file=sys.stderr,
                flush=True,
            )
    print(table(rows, ground), flush=True)
    if asked.page:
        write_page(rows, ground)
    for failure in sorted(set(book.failures)):
        print(f"# production: {failure}", file=sys.stderr)
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.twin", description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=_seeds, default=[1], metavar="N|A..B", help="which productions")
    parser.add_argument("--loads", type=_loads, default=LOADS, metavar="PERCENT,…", help="30,50,70,90 without it")
    parser.add_argument("--family", choices=sorted(FAMILIES), default="", help="instead of the seed's own")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="runs of production for its noise")
    parser.add_argument("--stages", type=_stages, default=STAGES, metavar="NAME,…", help=f"of {', '.join(STAGES)}")
    parser.add_argument("--read", type=Path, action="append", default=[], metavar="FILE",
                        help="run nothing: the table of lines that were printed before")  # fmt: skip
    parser.add_argument("--page", action="store_true", help="also renew the figures of the documentation")
    parser.add_argument("--few", action="store_true", help="half load, two repeats, replication only: minutes")
    parser.add_argument("--folder", type=Path, default=Path("runs") / "twin", help="where runs are kept")
    asked = parser.parse_args(arguments)
    if asked.few:
        asked.loads, asked.repeats, asked.stages = (0.5,), 2, ()
    return asked


def _seeds(text: str) -> list[int]:
    first, _, last = text.partition("..")
    return list(range(int(first), int(last or first) + 1))


def _stages(text: str) -> list[str]:
    names = [one for one in text.split(",") if one]
    for one in names:
        if one not in STAGES:
            raise argparse.ArgumentTypeError(f"{one!r} is none of {', '.join(STAGES)}")
    return names


def _loads(text: str) -> list[float]:
    return [float(one) / 100 for one in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
