"""What a run of the scaling benchmark came to.

In: a run folder and its result.  Out: a few figures that the law claims to keep, each by place (path or workload).
Never: a figure of the first seconds, when long transfers still start.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.scaled.networks import SECONDS, WARM_S
from shadowlab.lab.recorded.folder import RAW_FOLDER
from shadowlab.model.result import RunResult
from shadowlab.monitor.raw_records import read_probes
from shadowlab.store.reader import read_records
from shadowlab.store.recorder import ENDING

Figures = Mapping[str, Mapping[str, float]]
"""By figure, by place."""
TITLES = {
    "goodput": "goodput",
    "rtt_p50": "RTT p50",
    "rtt_p95": "RTT p95",
    "queueing": "mean queueing delay",
    "loss": "loss of links",
    "retransmissions": "retransmission share",
    "completion_p50": "completion time p50",
    "slowdown_p50": "slowdown p50",
    "slowdown_p99": "slowdown p99",
}
NAMES = tuple(TITLES)
_MANY = 100
_LEAST = {"queueing": 1e6, "loss": 1e-3, "retransmissions": 1e-3, "goodput": 1e4}
"""Below this (ns, fraction, bit/s) at full size a relative error says nothing."""


def figures(folder: Path, result: RunResult) -> Figures:
    """Goodput in bit/s at full size; times in ns; shares."""
    factor = result.scaling.factor
    probes = read_probes(folder / RAW_FOLDER)
    probes = probes[(probes["round_trip_ns"] > 0) & (probes["sent_ns"] >= WARM_S * 10**9)]
    found: dict[str, dict[str, float]] = {name: {} for name in NAMES}
    for number, path in enumerate(result.paths):
        times = probes["round_trip_ns"][probes["path"] == number]
        if len(times):
            found["rtt_p50"][str(path)] = float(np.percentile(times, 50))
            found["rtt_p95"][str(path)] = float(np.percentile(times, 95))
            found["queueing"][str(path)] = float(times.mean() - times.min())
    for one in result.path_summaries if result.flows else ():
        found["goodput"][one.path] = one.before.get("throughput_mbps", np.nan) * 1e6 * factor
        found["retransmissions"][one.path] = one.before.get("retransmission_share", np.nan)
    found["goodput"] |= _goodput_of_workloads(folder, result, factor)
    found["loss"] = {one.direction: one.loss_before for one in result.link_summaries}
    for workload in result.workloads:
        if workload.outcomes.get("ok", 0) > _MANY:
            for name in ("slowdown_p50", "slowdown_p99"):
                found[name][workload.workload] = workload.before[name]
            found["completion_p50"][workload.workload] = workload.before["completion_p50_ms"]
    return found


def _goodput_of_workloads(folder: Path, result: RunResult, factor: float) -> dict[str, float]:
    """Of the long transfers together; where there are none, of the short ones."""
    if not result.workloads:
        return {}
    columns = read_records(folder / RAW_FOLDER / f"exchanges{ENDING}")
    longs = [number for number, one in enumerate(result.workloads) if one.workload.startswith("long")]
    chosen = np.isin(columns["workload"], longs or list(range(len(result.workloads))))
    return {"long" if longs else "short": float(columns["sent_bytes"][chosen].sum()) * 8 * factor / SECONDS}


def error(one: Figures, reference: Figures, name: str) -> float | None:
    """Median over the places of the relative error; None where there is nothing to compare."""
    least = _LEAST.get(name, 0.0)
    errors = [
        one[name][place] / value - 1
        for place, value in reference[name].items()
        if place in one[name] and value > least and np.isfinite(value) and np.isfinite(one[name][place])
    ]
    return statistics.median(errors) if errors else None


def mean(values: Sequence[float | None]) -> float | None:
    """Of those that are known."""
    known = [one for one in values if one is not None]
    return statistics.fmean(known) if known else None
