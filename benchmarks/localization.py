"""Localisation on made traces of a fat-tree: ours beside max-coverage, 007 and NetBouncer, on the same traces.

In: ``--traces N`` per scene (20); ``--only NAME`` scenes whose name begins so; ``--from SEED`` (the first of those
reported is 1000; settings were frozen on seeds below, which ``--from 0`` shows).  Out: one JSON line per scene and
method: F with its interval, precision, recall, how many were named per trace, the share of right kinds, and the
processor time of a search.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser

from benchmarks import report
from benchmarks.localized.fat_tree import fat_tree
from benchmarks.localized.scenes import FLOWS, SCENES, Scene, trace
from benchmarks.localized.score import Score, f_of, interval, score
from shadowlab.localize.methods import METHODS
from shadowlab.localize.settings import DEFAULTS

DEGREE = 10
FIRST_REPORTED = 1000
TARGETS = {"strong": 0.99, "weak": 0.93, "strong, skewed": 0.98, "node": 0.99, "queue": 0.96, "clean": 1.0}
SECONDS = 0.3


def main() -> None:
    """All scenes by all methods."""
    parser = ArgumentParser(prog="scripts/bench localization")
    parser.add_argument("--traces", type=int, default=20)
    parser.add_argument("--only", default="")
    parser.add_argument("--from", dest="first", type=int, default=FIRST_REPORTED)
    words = parser.parse_args()
    tree = fat_tree(DEGREE)
    for scene in SCENES:
        if not scene.name.startswith(words.only):
            continue
        scores: dict[str, list[Score]] = {name: [] for name in METHODS}
        for seed in range(words.first, words.first + words.traces):
            made = trace(scene, tree, seed)
            bad = [tree.components[one] for one in made.bad]
            for name, method in METHODS.items():
                began = time.process_time()
                found = method(made.seen, DEFAULTS)
                seconds = time.process_time() - began
                scores[name].append(score(found, bad, "queue" if scene.queue else "loss", seconds))
        for name, some in scores.items():
            _print(scene, name, some, words.first)


def _print(scene: Scene, method: str, scores: list[Score], first: int) -> None:
    ours = method == "likelihood"
    low, high = interval(scores)
    traces = len(scores)
    report(
        benchmark=f"localization: {scene.name}",
        unit="s of one core",
        values=[one.seconds for one in scores],
        target=SECONDS if ours else None,
        method=method,
        flows=FLOWS,
        seeds=[first, first + traces - 1],
        f=round(f_of(scores), 4),
        f_interval=[round(low, 4), round(high, 4)],
        f_target=TARGETS.get(scene.name) if ours else None,
        precision=round(sum(one.precision for one in scores) / traces, 4),
        recall=round(sum(one.recall for one in scores) / traces, 4),
        named=round(sum(one.named for one in scores) / traces, 3),
        right_type=round(sum(one.right_type for one in scores) / traces, 4) if ours else None,
    )


if __name__ == "__main__":
    main()
