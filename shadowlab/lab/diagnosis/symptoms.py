"""Symptoms out of tables: of the incident against its baseline, of a trial against the fault-free one.

In: indicators and counts of a run or a trial.  Out: symptoms, noise, the window that tells most.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shadowlab.detect.baseline import FLOORS
from shadowlab.lab.analyse import Measured
from shadowlab.localize.ablation.symptoms import Counted, Noise, Symptoms
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.units import NS_PER_S
from shadowlab.monitor.indicators import PathCounts

Array = NDArray[np.float64]
Rows = NDArray[np.bool_]

LEVELS = ("delay_there_ms", "delay_back_ms", "latency_ms", "latency_p95_ms", "cwnd_segments", "throughput_mbps")
_MEDIANS = frozenset({"delay_there_ms", "delay_back_ms", "latency_ms"})
_FLOOR_OF = {"delay_there_ms": "latency_ms", "delay_back_ms": "latency_ms"}
"""One-way times repeat themselves as well as round trips do."""
_PROBES, _SEGMENTS = "probes lost", "segments sent again"
_LEAST_DISPERSION: Mapping[str, float] = {_PROBES: 1.0, _SEGMENTS: 2.0}
"""A lost packet may cost more than one retransmission."""
_LEAST_BLOCKS = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Watched:
    """What a run or a trial showed, second by second."""

    table: SeriesTable
    counts: PathCounts

    def rows(self, window_ns: tuple[int, int]) -> Rows:
        """The seconds in (from, to]."""
        inside: Rows = (self.table.times_ns > window_ns[0]) & (self.table.times_ns <= window_ns[1])
        return inside


def observed(measured: Measured) -> Watched:
    """Of the incident."""
    return Watched(table=measured.paths, counts=measured.counts)


def levels(one: Watched, rows: Rows) -> dict[str, Array]:
    """The mean of every level in some seconds; of the delay, which has outliers, the median.  Shape (P,)."""
    return {name: _middle(one.table.values[name][rows], name) for name in LEVELS if name in one.table.values}


def _middle(values: Array, name: str) -> Array:
    there = np.isfinite(values).any(axis=0) if len(values) else np.zeros(values.shape[1], dtype=bool)
    found = np.full(values.shape[1], np.nan)
    if there.any():
        found[there] = (np.nanmedian if name in _MEDIANS else np.nanmean)(values[:, there], axis=0)
    return found


def symptoms(one: Watched, rows: Rows, normal: Mapping[str, Array]) -> Symptoms:
    """What some seconds show, against what is normal."""
    return Symptoms(
        counts={
            name: Counted(bad=bad[rows].sum(axis=0), sent=sent[rows].sum(axis=0)) for name, bad, sent in _counts(one)
        },
        levels={name: value - normal[name] for name, value in levels(one, rows).items() if name in normal},
    )


def _counts(one: Watched) -> tuple[tuple[str, Array, Array], ...]:
    counts = one.counts
    again = np.minimum(counts.segments_retransmitted, counts.segments_sent)
    return (
        (_PROBES, counts.probes_lost.astype(np.float64), counts.probes_sent.astype(np.float64)),
        (_SEGMENTS, again.astype(np.float64), counts.segments_sent.astype(np.float64)),
    )


def noise(one: Watched, baseline_ns: tuple[int, int], length_ns: int) -> Noise:
    """How much windows of this length differ without a fault: by those that the baseline holds."""
    rows = one.rows(baseline_ns)
    spread: dict[str, Array] = {}
    blocks = _blocks(one, baseline_ns, length_ns)
    for name, middle in levels(one, rows).items():
        values = one.table.values[name]
        if len(blocks) >= _LEAST_BLOCKS:
            each = np.stack([_middle(values[some], name) for some in blocks])
            deviation = _std(each)
        else:
            deviation = _std(values[rows]) / 2  # seconds resemble their neighbours
        floor = FLOORS[_FLOOR_OF.get(name, name)]
        spread[name] = np.fmax(deviation, np.maximum(floor.absolute, floor.relative * np.nan_to_num(np.abs(middle))))
    rates, dispersion = {}, {}
    for name, bad, sent in _counts(one):
        total = max(float(sent[rows].sum()), 1.0)
        rates[name] = np.minimum(bad[rows].sum(axis=0) / np.maximum(sent[rows].sum(axis=0), 1.0), 0.5)
        rates[name] = 0.5 * rates[name] + 0.5 * float(bad[rows].sum()) / total
        dispersion[name] = max(_LEAST_DISPERSION[name], _dispersion([(bad[some].sum(axis=0)) for some in blocks]))
    return Noise(rates=rates, dispersion=dispersion, levels=spread)


def _blocks(one: Watched, baseline_ns: tuple[int, int], length_ns: int) -> list[Rows]:
    return [
        one.rows((begin, begin + length_ns))
        for begin in range(baseline_ns[0], baseline_ns[1] - length_ns + 1, length_ns)
    ]


def _std(values: Array) -> Array:
    """Sample standard deviation of each column, 0 where there are fewer than two values."""
    seen = np.isfinite(values)
    count = seen.sum(axis=0)
    mean = np.where(seen, values, 0.0).sum(axis=0) / np.maximum(count, 1)
    squares = (np.where(seen, values - mean, 0.0) ** 2).sum(axis=0)
    deviation: Array = np.sqrt(squares / np.maximum(count - 1, 1))
    return deviation


def _dispersion(counts: list[Array]) -> float:
    """The variance of a path's count over its mean, pooled over paths."""
    if len(counts) < _LEAST_BLOCKS:
        return 1.0
    stack = np.stack(counts)
    mean = stack.mean(axis=0)
    return float(stack.var(axis=0, ddof=1).sum() / mean.sum()) if mean.sum() > 0 else 1.0


def worst_window(one: Watched, span_ns: tuple[int, int], length_ns: int, affected: Collection[str]) -> tuple[int, int]:
    """Of a span the window of this length, or all that there is, in which the affected paths suffer most."""
    columns = [index for index, name in enumerate(one.table.subjects) if name in affected]
    rows = np.flatnonzero(one.rows(span_ns))
    length = min(length_ns // NS_PER_S, len(rows))
    if not columns or length < 1:
        return span_ns[0], min(span_ns[0] + length_ns, span_ns[1])
    pain = np.zeros(len(rows))
    for _, bad, sent in _counts(one):
        pain += bad[rows][:, columns].sum(axis=1) / max(float(sent[rows][:, columns].sum(axis=1).mean()), 1.0)
    delay = one.table.values["latency_ms"][rows][:, columns]
    with np.errstate(invalid="ignore", divide="ignore"):
        rise = np.nan_to_num(delay / np.nanmin(np.where(np.isfinite(delay), delay, np.inf), axis=0) - 1)
    pain += np.minimum(rise, 1.0).mean(axis=1) * 0.2
    sums = np.convolve(pain, np.ones(length), mode="valid")
    first = int(rows[int(sums.argmax())])
    end = int(one.table.times_ns[first + length - 1])
    return end - length * NS_PER_S, end
