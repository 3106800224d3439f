"""Is the shadow true?  Production that is hidden, copied from its telemetry, and compared.

    python -m benchmarks.twin --seed 1..20           a case per seed, at 30, 50, 70 and 90 percent in turn
    python -m benchmarks.twin --seed 1..20 --full    every seed at every load, all edits, all kinds of incident
    python -m benchmarks.twin --seed 7 --few         half load, two repeats, the replication stage: a minute

Prints one JSON line per result and a table at the end.  A folder keeps every case and every run: what was interrupted
goes on.  Cases are shared out over two processes, each on a core of its own.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmarks.hidden.cases import CALENDAR, STAGES, Wanted, rows_of
from benchmarks.hidden.network import FAMILIES
from benchmarks.hidden.page import write_page
from benchmarks.hidden.produce import grounds
from benchmarks.hidden.table import Row, table
from shadowlab.errors import ShadowLabError

LOADS = (0.3, 0.5, 0.7, 0.9)
REPEATS, ALL_REPEATS = 3, 5
EDITS = 3
"""Of a case, unless all are asked for."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cases."""
    asked = _parse(arguments)
    ground = grounds()
    rows = [json.loads(line) for path in asked.read for line in path.read_text().splitlines() if line.startswith("{")]
    failures: list[str] = []
    for found, told in _run(_wanted(asked), asked.jobs) if not asked.read else ():
        for one in found:
            print(json.dumps(one), flush=True)
        rows += found
        failures += told
    rows.sort(key=lambda row: (row["seed"], row["load"]))
    if rows:
        print(table(rows, ground), flush=True)
    if asked.page and rows:
        write_page(rows, ground)
    for failure in sorted(set(failures)):
        print(f"# {failure}", file=sys.stderr)
    return 1 if any(one.startswith(_LOST) for one in failures) else 0


_LOST = "no result of "


def _wanted(asked: argparse.Namespace) -> list[Wanted]:
    return [
        Wanted(seed=seed, load=load, family=asked.family, repeats=asked.repeats, edits=asked.edits,
               all_incidents=asked.full or asked.all_incidents, stages=tuple(asked.stages), folder=asked.folder)
        for seed in asked.seed
        for load in asked.loads or (LOADS[seed % len(LOADS)],)
    ]  # fmt: skip


def _run(wanted: Sequence[Wanted], jobs: int) -> Iterator[tuple[list[Row], list[str]]]:
    """Each case in a process of its own, which ends with it, so that memory is bounded; the rows of one as it ends."""
    cores = sorted(os.sched_getaffinity(0))
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed} of {task.total} cases"),
        TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True),
    ) as progress:  # fmt: skip
        bar = progress.add_task("twin", total=len(wanted))
        pools = [
            ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), max_tasks_per_child=1,
                                initializer=os.sched_setaffinity, initargs=(0, {cores[number % len(cores)]}))
            for number in range(max(1, jobs))
        ]  # fmt: skip
        try:
            yield from _shared_out(pools, wanted, progress.console.print, lambda: progress.advance(bar))
        finally:
            for pool in pools:
                pool.shutdown(cancel_futures=True)


def _shared_out(
    pools: Sequence[ProcessPoolExecutor],
    wanted: Sequence[Wanted],
    say: Callable[[str], None],
    advance: Callable[[], None],
) -> Iterator[tuple[list[Row], list[str]]]:
    """The next case goes to the pool that is free: a pool is a core."""
    waiting = iter(wanted)
    going: dict[Any, tuple[ProcessPoolExecutor, Wanted]] = {}

    def hand_out(pool: ProcessPoolExecutor) -> None:
        one = next(waiting, None)
        if one is not None:
            going[pool.submit(rows_of, one)] = (pool, one)

    for pool in pools:
        hand_out(pool)
    while going:
        done = next(as_completed(going))
        pool, one = going.pop(done)
        hand_out(pool)
        advance()
        try:
            found, failures, words = done.result()
        except (ShadowLabError, BrokenExecutor, ArithmeticError, LookupError, OSError, ValueError) as error:
            say(f"{one.name}: {type(error).__name__}: {error}")
            yield [], [f"{_LOST}{one.name}: {error}"]
            continue
        say(f"{one.name}: {words}")
        yield found, failures


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.twin", description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=_seeds, default=[1], metavar="N|A..B", help="which productions")
    parser.add_argument("--loads", type=_loads, metavar="PERCENT,…", help="of every seed; without it one each, in turn")
    parser.add_argument("--family", choices=sorted(FAMILIES), default="", help="instead of the seed's own")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="runs of production for its noise")
    parser.add_argument("--edits", type=int, default=EDITS, help="of map and demand, per case")
    parser.add_argument("--all-incidents", action="store_true", help="all five kinds in every case, not three of them")
    parser.add_argument(
        "--stages",
        type=_stages,
        default=STAGES,
        metavar="NAME,…",
        help=f"of {', '.join(STAGES)} (the default) and {CALENDAR}",
    )
    parser.add_argument("--full", action="store_true",
                        help=f"every load, {ALL_REPEATS} repeats, all edits and incidents: some hours")  # fmt: skip
    parser.add_argument("--few", action="store_true", help="half load, two repeats, replication only: a minute")
    parser.add_argument("--read", type=Path, action="append", default=[], metavar="FILE",
                        help="run nothing: the table of lines that were printed before")  # fmt: skip
    parser.add_argument("--page", action="store_true", help="also renew the figures of the documentation")
    parser.add_argument("--folder", type=Path, default=Path("runs") / "twin", help="where cases and runs are kept")
    parser.add_argument("--jobs", type=int, default=2, help="cases at a time")
    asked = parser.parse_args(arguments)
    if asked.few:
        asked.loads, asked.repeats, asked.stages = (0.5,), 2, ()
    if asked.full:
        asked.loads, asked.repeats, asked.edits = asked.loads or LOADS, ALL_REPEATS, None
    return asked


def _seeds(text: str) -> list[int]:
    first, _, last = text.partition("..")
    return list(range(int(first), int(last or first) + 1))


def _stages(text: str) -> list[str]:
    names = [one for one in text.split(",") if one]
    for one in names:
        if one not in (*STAGES, CALENDAR):
            raise argparse.ArgumentTypeError(f"{one!r} is none of {', '.join((*STAGES, CALENDAR))}")
    return names


def _loads(text: str) -> list[float]:
    return [float(one) / 100 for one in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
