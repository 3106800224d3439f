"""Detection, measured on made series (``benchmarks.detected.made``): speed, state, change points, false alarms, time to
detect loss; and on a copy of the Numenta benchmark if its folder is given.

    scripts/bench detection
    .venv/bin/python -m benchmarks.detection --nab FOLDER
    .venv/bin/python -m benchmarks.detection --recorded FOLDER

Seconds are those of the processor.  F is of onsets within ±2 samples of the truth, one to one, over all series
together.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import report
from benchmarks.detected import made, nab
from benchmarks.detected.pelt import segmented
from shadowlab.detect.online.reading import Online, Value
from shadowlab.detect.online.registry import ONLINE
from shadowlab.detect.panel.many import Many
from shadowlab.lab.detecting.matching import matched

S = 10**9
SEEDS = range(1000, 1040)
SERIES = 100_000
NAMES = ("panel", "steps", "level-shift", "zscore", "cusum", "page-hinkley", "ewma", "new-extreme")
FOLDERS = ("artificial", "realAWS", "realAd", "realKnown", "realTraffic", "realTweets")


def onsets(detector: Online, values: Sequence[Value]) -> list[int]:
    """The distinct onsets, in rows, of what a detector told."""
    found = set()
    for row, value in enumerate(values):
        reading = detector.observe(row * S, value)
        if reading.score >= 0.5 and reading.onset_ns is not None:
            found.add(reading.onset_ns // S)
    return sorted(found)


def speed() -> None:
    """Processor time per sample of each detector, and of the panel over many series at once."""
    values = [float(one) for one in made.round_trips(7)[0]]
    for name, kind in ONLINE.items():
        if name in ("isolation-forest", "one-class"):
            continue
        samples: list[Value] = (
            list(values)
            if kind.takes == "value"
            else [[0.0, 5.0] if row % 50 else [1.0, 5.0] for row in range(len(values))]
        )
        times = []
        for _ in range(3):
            detector = kind.fresh()
            begin = time.process_time()
            for row, value in enumerate(samples):
                detector.observe(row * S, value)
            times.append((time.process_time() - begin) / len(samples) * 1e6)
        report(benchmark="detection.streaming", unit="us/sample", values=times, target=20, detector=name)
    many, random = Many(SERIES), np.random.default_rng(1)
    moments = 100 + random.normal(0, 1, (60, SERIES))
    times = []
    for row, moment in enumerate(moments):
        begin = time.process_time()
        many.observe(row * S, moment)
        times.append(time.process_time() - begin)
    report(benchmark="detection.many", unit="s/moment", values=times[-20:], target=1, series=SERIES)
    report(benchmark="detection.many_state", unit="B/series", values=[many.bytes_per_series], target=1024)


def accuracy() -> None:
    """Change points, calm, demand over days, losses."""
    for name in NAMES:
        pairs = told = true = 0
        for seed in SEEDS:
            values, changes = made.round_trips(seed)
            found = onsets(ONLINE[name].fresh(), values.tolist())
            pairs, told, true = pairs + matched(found, changes), told + len(found), true + len(changes)
        f = 2 * pairs / (told + true)
        report(benchmark="detection.change_points", unit="F", values=[f], detector=name, told=told, true=true)
        paths(name)
        alarms = [len(onsets(ONLINE[name].fresh(), made.calm(seed, 86_400)[0].tolist())) for seed in SEEDS[:3]]
        report(benchmark="detection.false_alarms", unit="onsets/day at 1 Hz", values=alarms, detector=name)
        hit = [_hit(name, seed) for seed in SEEDS]
        share, more = (sum(one[part] for one in hit) / len(hit) for part in (0, 1))
        report(benchmark="detection.demand", unit="found", values=[share], detector=name, false_per_series=more)
    for share in (0.005, 0.02, 0.2):
        delays = []
        for seed in SEEDS:
            counts, at = made.losses(seed, share=share)
            detector = ONLINE["count-ratio"].fresh()
            over = [row for row, one in enumerate(counts.tolist()) if detector.observe(row * S, one).score >= 0.5]
            delays.append(next((row - at + 1 for row in over if row >= at), len(counts) - at))
        report(benchmark="detection.loss_delay", unit="s", values=delays, target=15, loss=share, sent_per_second=200)


def paths(name: str) -> None:
    """Change points of made paths with bursts that are none; a peer beside: PELT with a Poisson cost, offline."""
    made_paths = [made.paths(seed) for seed in SEEDS]
    if name == "pelt-poisson":
        found = [segmented(values) for values, _ in made_paths]
    else:
        found = [onsets(ONLINE[name].fresh(), values.tolist()) for values, _ in made_paths]
    pairs = sum(matched(one, changes) for one, (_, changes) in zip(found, made_paths, strict=True))
    told, true = sum(map(len, found)), sum(len(changes) for _, changes in made_paths)
    f = 2 * pairs / (told + true)
    report(benchmark="detection.paths", unit="F", values=[f], detector=name, told=told, true=true,
           target=0.65 if name in ("panel", "steps") else None)  # fmt: skip


def recorded(folder: Path) -> None:
    """The same of recorded series: CSV files with a column of labels ``cp`` and one of values ``rtt``."""
    series = []
    for path in sorted(folder.glob("*.csv")):
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file, delimiter=";"))
        changes = [row for row, one in enumerate(rows) if float(one["cp"] or 0)]
        series.append((np.array([float(one["rtt"] or "nan") for one in rows]), changes))
    for name in (*NAMES, "pelt-poisson"):
        pairs = told = true = 0
        for values, changes in series:
            found = segmented(values) if name == "pelt-poisson" else onsets(ONLINE[name].fresh(), values.tolist())
            pairs, told, true = pairs + matched(found, changes), told + len(found), true + len(changes)
        report(benchmark="detection.recorded", unit="F", values=[2 * pairs / max(told + true, 1)], detector=name,
               told=told, true=true, target=0.65 if name in ("panel", "steps") else None)  # fmt: skip


def _hit(name: str, seed: int) -> tuple[bool, int]:
    values, (at,) = made.demand(seed)
    found = onsets(ONLINE[name].fresh(), values.tolist())
    inside = [one for one in found if at - 2 <= one <= at + 12]
    return bool(inside), len(found) - len(inside)


def numenta(folder: Path) -> None:
    """The three scores, over all files and over each folder of them by itself."""
    files = nab.read_folder(folder)
    for name in ("panel", "shapes", "new-extreme", "level-shift", "zscore"):
        scores = {file.name: _scores(name, file) for file in files}
        for part in ("", *FOLDERS):
            chosen = [file for file in files if file.name.startswith(part)]
            found = nab.score(chosen, lambda file, scores=scores: scores[file.name])  # type: ignore[misc]
            for profile, target in (("standard", 70 if name == "shapes" else 60), ("low-FP", 52), ("low-FN", 65)):
                report(benchmark="detection.nab", unit=profile, values=[found[profile]], detector=name,
                       target=None if part else target, files=part or "all")  # fmt: skip


def _scores(name: str, file: nab.File) -> nab.Array:
    detector = ONLINE[name].fresh()
    return np.array([detector.observe(at, x).score for at, x in zip(file.times_ns, file.values, strict=True)])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--nab", type=Path, help="a copy of the Numenta benchmark: data/ and labels/")
    parser.add_argument("--recorded", type=Path, help="a folder of labelled CSV files, delimiter ;: rtt and cp")
    asked, _ = parser.parse_known_args()
    if asked.recorded:
        recorded(asked.recorded)
    elif asked.nab:
        numenta(asked.nab)
    else:
        speed()
        accuracy()
        paths("pelt-poisson")
