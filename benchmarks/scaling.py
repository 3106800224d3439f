"""The error of the scaling law: the same networks at full size and with all rates divided, seed by seed.

In: ``--factors=3,10,30``, ``--seeds=3``, ``--only=TEXT`` for the networks with that in their name, ``--page`` to write
the tables of ``docs/explanation/scaling-law.md`` (all networks only), ``--lines=FILE`` to write them from what a run
printed.  Out: one JSON line per network: by factor and figure the mean over the seeds of the relative error against
full size with the same seed (each the median over paths, links or workloads), and as noise the mean distance of two
full-size runs of different seeds.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.repeated.worker import in_silence
from benchmarks.scaled import page
from benchmarks.scaled.figures import NAMES, Figures, error, figures, mean
from benchmarks.scaled.networks import NETWORKS, SECONDS
from shadowlab.errors import CannotRunError
from shadowlab.lab.execute import choose_place

FACTORS = (3, 10, 30)
Key = tuple[int, int]


def main() -> int:
    parser = ArgumentParser(prog="scripts/bench scaling")
    parser.add_argument("--factors", default=",".join(map(str, FACTORS)))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--page", action="store_true")
    parser.add_argument("--lines", type=Path)
    words = parser.parse_args()
    if words.lines:
        page.write([json.loads(line) for line in words.lines.read_text(encoding="utf-8").splitlines()])
        return 0
    try:
        place = choose_place("embedded", "virtual")
    except CannotRunError as trouble:
        print(f"scaling: {trouble}", file=sys.stderr)
        return 3
    factors = [1, *map(int, words.factors.split(","))]
    lines = []
    for network in NETWORKS:
        if words.only in network:
            line = _measure(network, factors, range(1, words.seeds + 1))
            lines.append(line | {"kernel": place.description})
            print(json.dumps(lines[-1]), flush=True)
    if words.page:
        page.write(lines)
    return 0


def _measure(network: str, factors: Sequence[int], seeds: Sequence[int]) -> dict[str, Any]:
    found: dict[Key, Figures] = {}
    walls: dict[int, float] = {}
    with (
        tempfile.TemporaryDirectory(prefix="scaling-") as name,
        ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool,
    ):

        def run(key: Key) -> tuple[Key, Figures, float]:
            factor, seed = key
            folder = Path(name) / f"{factor}-{seed}"
            folder.mkdir()
            started = time.monotonic()
            outcome = in_silence(NETWORKS[network](folder), folder / "out", seed=seed, scale=float(factor))
            print(f"scaling: {network}, 1/{factor}, seed {seed}", file=sys.stderr, flush=True)
            return key, figures(outcome.folder, outcome.result), time.monotonic() - started

        for (factor, seed), one, wall_s in pool.map(run, itertools.product(factors, seeds)):
            found[factor, seed] = one
            walls[factor] = walls.get(factor, 0.0) + wall_s / len(seeds)
    pairs = list(itertools.combinations(seeds, 2))
    return {
        "benchmark": "scaling law: relative error against full size",
        "network": network,
        "factors": list(factors),
        "seeds": len(seeds),
        "network_s": SECONDS,
        "errors": {
            str(factor): {
                what: _rounded(mean([error(found[factor, seed], found[1, seed], what) for seed in seeds]))
                for what in NAMES
            }
            for factor in factors
        },
        "noise": {
            what: _rounded(mean([_distance(found[1, a], found[1, b], what) for a, b in pairs])) for what in NAMES
        },
        "wall_s": {str(factor): round(value, 1) for factor, value in walls.items()},
        "load_average": round(os.getloadavg()[0], 1),
    }


def _distance(one: Figures, other: Figures, what: str) -> float | None:
    found = error(one, other, what)
    return None if found is None else abs(found)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


if __name__ == "__main__":
    sys.exit(main())
