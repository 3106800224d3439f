"""Determinism: how many runs of the same jobs gave the same bytes, on a busy machine.

In: ``--rounds=N`` (each runs every job once), ``--jobs=NAME,…`` (else every shape), ``--seed=N``.
Out: one JSON line: runs, how many were identical to the first of their job in every byte of ``result.json``, the series
and the raw records, and which files of which job were not.  Exit code 1 if one was not.

Every round is one process under circumstances of its own, drawn from a stated seed: folder, user (as root), hash seed,
environment, time zone, process ids, processor, open files, stack limit, umask, byte code.  One loop per core computes
beside all of it, and is ended with it.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from argparse import ArgumentParser
from pathlib import Path

from benchmarks import report
from benchmarks.repeated.circumstances import PLAIN, Line, busy_machine, differing, drawn, have_byte_code, run_jobs
from benchmarks.repeated.jobs import JOBS, SINGLE
from shadowlab.errors import CannotRunError
from shadowlab.lab.execute import choose_place

ROUNDS = 6
"""Of the 21 shapes one plain, five compared: 105 comparisons."""


def main() -> int:
    parser = ArgumentParser(prog="scripts/bench repeat")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--jobs", default=",".join(SINGLE))
    parser.add_argument("--seed", type=int, default=7)
    words = parser.parse_args()
    names = words.jobs.split(",")
    if unknown := sorted(set(names) - set(JOBS)):
        parser.error(f"no such job: {', '.join(unknown)}; there are {', '.join(JOBS)}")
    try:
        place = choose_place("embedded", "virtual")
    except CannotRunError as error:
        print(f"repeat: {error}", file=sys.stderr)
        return 3
    have_byte_code()
    chance = random.Random(words.seed)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="repeat-") as name, busy_machine():
        top = Path(name)
        top.chmod(0o755)
        reference = _round(names, top / "0", None, words.seed)
        compared: dict[str, list[list[str]]] = {job: [] for job in names}
        for number in range(1, words.rounds):
            for one, other in zip(reference, _round(names, top / str(number), chance, words.seed), strict=True):
                compared[str(one["job"])].append(differing(one, other))
            done = sum(map(len, compared.values()))
            print(f"repeat: {done} runs compared, {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    same = {job: sum(not one for one in some) for job, some in compared.items()}
    runs = sum(map(len, compared.values()))
    report(
        benchmark="same seed, same job: runs identical to the first",
        unit="share",
        values=[sum(same.values()) / runs] if runs else [float("nan")],
        target=1.0,
        identical=sum(same.values()),
        compared=runs,
        jobs=len(names),
        files_each={str(one["job"]): len(_files(one)) for one in reference},
        differing={job: sorted({file for one in some for file in one}) for job, some in compared.items() if any(some)},
        void=[one["job"] for one in reference if not one["valid"]],
        kernel=place.description,
        both_users=os.geteuid() == 0,
        wall_s=round(time.monotonic() - started),
        load_average=round(os.getloadavg()[0], 1),
    )
    return int(sum(same.values()) != runs)


def _files(one: Line) -> list[str]:
    files = one["files"]
    return sorted(files) if isinstance(files, dict) else []


def _round(names: list[str], top: Path, chance: random.Random | None, seed: int) -> list[Line]:
    top.mkdir()
    return run_jobs(names, top, PLAIN if chance is None else drawn(chance), seed=seed)


if __name__ == "__main__":
    sys.exit(main())
