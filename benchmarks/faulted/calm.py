"""Long fault-free recordings: how often detectors alert while nothing is broken.

    python -m benchmarks.faulted.calm --topology b4 --seed 1000 --minutes 10

In: topologies, seeds, how long.  Out: one JSON line per recording and detector: alerts by indicator, and the path-days
that they fell in; a rate a day per hundred paths with its interval of 95 %.  Never: a fault.

The campaign's cases last a minute, which says nothing about a day.  Here the same networks run longer, under demand
that steps up and down each half a minute to a minute and a half, within what their links carry.  No shadow helps: only
production's own baseline says what is usual.  With ``--with-shadow`` a shadow of the same demand, steps and all, under
another seed of chance, says what a sound network does today.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.faulted.draw import BASELINE_NS, SECOND, Case, draw
from benchmarks.faulted.intervals import rate_interval
from benchmarks.faulted.judged import DETECTORS
from benchmarks.faulted.places import TOPOLOGIES
from benchmarks.faulted.produce import OTHER_CHANCE, known, produce
from shadowlab.correlate.fault_free import fault_free
from shadowlab.detect.baseline import learn, widened
from shadowlab.detect.registry import DETECTORS as DETECTING
from shadowlab.lab.analyse import measure
from shadowlab.lab.events.event import Event

STEP_S = (30.0, 90.0)
FACTORS = (0.6, 1.3)
"""Of the demand that the baseline saw."""
DAY_S = 86_400.0
RUNS = Path("runs") / "faults"


def calm(topology: str, seed: int, duration_ns: int, *, steps: bool = True) -> Case:
    """A case without a fault that lasts ``duration_ns``, with steps of the demand or without.  Raises KeyError for an
    unknown topology."""
    quiet = draw(topology, "quiet", seed)
    chance = random.Random(f"calm {topology} {seed}")
    events, at = [], BASELINE_NS[1] / SECOND + chance.uniform(*STEP_S)
    while steps and at < duration_ns / SECOND - STEP_S[0]:
        events.append(Event(at_ns=round(at * SECOND), kind="demand", factor=chance.uniform(*FACTORS)))
        at += chance.uniform(*STEP_S)
    return replace(quiet, name=f"{topology} calm {seed}", events=tuple(events), duration_ns=duration_ns)


def demanded(case: Case) -> Case:
    """Its shadow: the demand of the day, another chance."""
    return replace(case, seed=case.seed + OTHER_CHANCE)


def rows_of(case: Case, folder: Path, shadow: Path | None = None) -> Iterator[dict[str, Any]]:
    """What each detector says of a recording."""
    prepared = known(case)
    table = measure(folder, prepared, case.duration_ns).paths
    baseline = learn(table, from_ns=BASELINE_NS[0], to_ns=BASELINE_NS[1])
    if shadow is not None:
        asked = measure(shadow, prepared, case.duration_ns).paths
        baseline = widened(baseline, fault_free(asked, from_ns=BASELINE_NS[0], to_ns=case.duration_ns))
    path_s = len(table.subjects) * (case.duration_ns - BASELINE_NS[1]) / SECOND
    for name in DETECTORS:
        found = DETECTING[name].detect(table, baseline)
        by_kpi = dict(sorted(Counter(one.leading_kpi for one in found).items()))
        yield {
            "case": case.name,
            "steps": len(case.events),
            "detector": name,
            "shadow": shadow is not None,
            "alerts": len(found),
            "by_kpi": by_kpi,
            "path_days": round(path_s / DAY_S, 4),
        }


def total(rows: Sequence[dict[str, Any]], detector: str) -> dict[str, Any]:
    """A day per hundred paths."""
    own = [one for one in rows if one["detector"] == detector]
    alerts, days = sum(one["alerts"] for one in own), sum(one["path_days"] for one in own) / 100
    low, high = rate_interval(alerts, days)
    return {
        "detector": detector,
        "alerts": alerts,
        "path_days": round(100 * days, 3),
        "a_day_per_100_paths": round(alerts / days, 1),
        "interval": [round(low, 1), round(high, 1)],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Record what was not recorded before, judge all of it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faulted.calm", description=__doc__.partition("\n")[0])
    parser.add_argument("--topology", action="append", choices=sorted(TOPOLOGIES), default=[], help="all without it")
    parser.add_argument("--seed", type=int, default=2001, help="the first; those below 2000 are for development")
    parser.add_argument("--with-shadow", action="store_true", help="a shadow of the day's demand says what is usual")
    parser.add_argument("--n", type=int, default=1, help="seeds")
    parser.add_argument("--minutes", type=float, default=10.0, help="of each recording")
    parser.add_argument("--still", action="store_true", help="demand does not change")
    parser.add_argument("--kept", action="store_true", help="run nothing: judge what was recorded before")
    parser.add_argument("--folder", type=Path, default=RUNS, help="where runs are kept")
    asked = parser.parse_args(arguments)
    rows: list[dict[str, Any]] = []

    shadows: dict[str, Path] = {}

    def ready(case: Case, folder: Path, _: Path | None) -> None:
        for row in rows_of(case, folder, shadows.get(case.name)):
            rows.append(row)
            print(json.dumps(row), flush=True)

    cases = [
        calm(topology, seed, round(asked.minutes * 60) * SECOND, steps=not asked.still)
        for seed in range(asked.seed, asked.seed + asked.n)
        for topology in asked.topology or sorted(TOPOLOGIES)
    ]
    if asked.with_shadow:
        produce(
            [demanded(case) for case in cases],
            asked.folder,
            lambda case, folder, _: shadows.__setitem__(case.name, folder),
            only_kept=asked.kept,
            with_shadow=False,
        )
    produce(cases, asked.folder, ready, only_kept=asked.kept, with_shadow=False)
    for name in DETECTORS if rows else ():
        print(json.dumps(total(rows, name)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
