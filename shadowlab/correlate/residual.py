"""Production as a series on the run's clock, and what is left of it when the shadow's is taken away.

In: connections, the shadow's series.  Out: tables of one row per window.  Never: a value between two records that are
further apart than :data:`MOST_GAP` windows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from shadowlab.model.kpi import SeriesTable
from shadowlab.model.telemetry import TcpRecord
from shadowlab.model.units import NS_PER_MS, NS_PER_S
from shadowlab.telemetry.attach import Connection

KPIS = ("srtt_ms", "retransmission_share", "throughput_mbps")
"""What records tell and a shadow measures as well."""
MOST_GAP = 3


def production_series(
    connections: Sequence[Connection],
    *,
    scale: float = 1.0,
    offsets: Mapping[str, int] | None = None,
    step_ns: int | None = None,
) -> SeriesTable:
    """One row per window of ``step_ns`` (without it: the usual time between records, at least a second), labelled with
    its end, counted from the first record.

    ``offsets`` are taken from the times of an instance's records; rates are divided by ``scale``.
    """
    known = offsets or {}
    spans = [
        [record.at_ns - known.get(record.instance, 0) for record in records]
        for one in connections
        for records in (one.sender_records, one.receiver_records)
        if records
    ]
    if not spans:
        return SeriesTable(times_ns=np.empty(0, dtype=np.int64), subjects=(), values={})
    first, last = min(one[0] for one in spans), max(one[-1] for one in spans)
    if step_ns is None:
        gaps = [b - a for one in spans for a, b in pairwise(one)]
        step_ns = max(NS_PER_S, round(float(np.median(gaps)))) if gaps else NS_PER_S
    count = max(1, (last - first) // step_ns)
    edges = first + np.arange(count + 1, dtype=np.int64) * step_ns
    by_path: dict[str, list[Connection]] = {}
    for one in connections:
        by_path.setdefault(str(one.path), []).append(one)
    subjects = tuple(sorted(by_path))
    values = {name: np.full((count, len(subjects)), np.nan) for name in KPIS}
    for column, path in enumerate(subjects):
        own = by_path[path]
        values["srtt_ms"][:, column] = _srtt(own, edges, known)
        moved, sent, again = (_counted(own, edges, known, name, step_ns) for name in _COUNTERS)
        values["throughput_mbps"][:, column] = moved * 8 * NS_PER_S / step_ns / 1e6 / scale
        with np.errstate(divide="ignore", invalid="ignore"):
            values["retransmission_share"][:, column] = np.where(sent > 0, again / sent, np.nan)
    return SeriesTable(times_ns=edges[1:] - first, subjects=subjects, values=values)


def residuals(production: SeriesTable, shadow: SeriesTable, *, lag_ns: int = 0) -> SeriesTable:
    """Production − shadow in production's windows, of the paths that both know; the shadow's values are means over the
    same window, shifted by ``lag_ns``."""
    subjects = tuple(one for one in production.subjects if one in shadow.subjects)
    kpis = [name for name in KPIS if name in production.values and name in shadow.values]
    times = production.times_ns
    step_ns = int(np.median(np.diff(times))) if len(times) > 1 else NS_PER_S
    found = {name: np.full((len(times), len(subjects)), np.nan) for name in kpis}
    for row, end_ns in enumerate(times + lag_ns):
        inside = (shadow.times_ns > end_ns - step_ns) & (shadow.times_ns <= end_ns)
        if not inside.any():
            continue
        for name in kpis:
            for column, path in enumerate(subjects):
                theirs = shadow.values[name][inside, shadow.subjects.index(path)]
                if np.isfinite(theirs).any():
                    ours = production.values[name][row, production.subjects.index(path)]
                    found[name][row, column] = ours - float(np.nanmean(theirs))
    return SeriesTable(times_ns=times, subjects=subjects, values=found)


_COUNTERS = ("bytes_acked", "data_segments_out", "retransmits_total")
_AT_RECEIVER = {"bytes_acked": "bytes_received"}


def _moments(records: Sequence[TcpRecord], offsets: Mapping[str, int]) -> NDArray[np.float64]:
    return np.array([record.at_ns - offsets.get(record.instance, 0) for record in records], dtype=np.float64)


def _srtt(
    connections: Sequence[Connection], edges: NDArray[np.int64], offsets: Mapping[str, int]
) -> NDArray[np.float64]:
    """The mean of the senders' smoothed RTTs in each window."""
    total, count = np.zeros(len(edges) - 1), np.zeros(len(edges) - 1)
    for one in connections:
        known = [record for record in one.sender_records if record.srtt_ns is not None]
        rows = np.searchsorted(edges, _moments(known, offsets), side="left") - 1
        for row, record in zip(rows, known, strict=True):
            if 0 <= row < len(total) and record.srtt_ns is not None:
                total[row] += record.srtt_ns / NS_PER_MS
                count[row] += 1
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(count > 0, total / count, np.nan))


def _counted(
    connections: Sequence[Connection],
    edges: NDArray[np.int64],
    offsets: Mapping[str, int],
    name: str,
    step_ns: int,
) -> NDArray[np.float64]:
    """How much a counter of all the path's connections rose in each window; between two records it rises evenly."""
    total = np.full(len(edges) - 1, np.nan)
    for one in connections:
        records, field = one.sender_records, name
        if name in _AT_RECEIVER and sum(getattr(record, name) is not None for record in records) < 2:
            records, field = one.receiver_records, _AT_RECEIVER[name]
        known = [record for record in records if getattr(record, field) is not None]
        if len(known) < 2:
            continue
        moments = _moments(known, offsets)
        counts = np.array([getattr(record, field) for record in known], dtype=np.float64)
        at_edges = np.interp(edges.astype(np.float64), moments, counts)
        rose = np.diff(at_edges)
        covered = (edges[1:] > moments[0]) & (edges[:-1] < moments[-1])
        after = np.clip(np.searchsorted(moments, edges[1:].astype(np.float64)), 1, len(moments) - 1)
        covered &= moments[after] - moments[after - 1] <= MOST_GAP * step_ns
        total = np.where(covered, np.nan_to_num(total) + rose, total)
    return total
