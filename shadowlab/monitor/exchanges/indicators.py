"""Indicators of services and instances, from raw records.

In: a run's raw folder, the names of the workloads' services and of the instances, a way to tell an exchange's unloaded
time.  Out: series per service and per instance, one value per window; summaries per workload.
Never: a value where nothing was observed (that is NaN).  Runs outside the segment.

An exchange belongs to the window in which it *ends*; one that never ends shows in no window, and in the summaries as
unfinished.  Windows are those of :mod:`shadowlab.monitor.indicators`: labelled with their end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath

import numpy as np
from numpy.typing import NDArray

from shadowlab.model.kpi import SeriesTable
from shadowlab.model.traffic.completion import OUTCOMES
from shadowlab.monitor.indicators import window_ends
from shadowlab.store.reader import Records, read_records
from shadowlab.store.recorder import ENDING

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

OK, FAILED, UNFINISHED = (OUTCOMES.index(one) for one in ("ok", "failed", "unfinished"))
SERVICE_KPIS = (
    "completion_p50_ms",
    "completion_p95_ms",
    "completion_p99_ms",
    "slowdown_p50",
    "slowdown_p99",
    "failures",
    "connection_failures",
    "goodput_mbps",
    "fairness",
    "datagram_loss",
    "datagram_delay_ms",
    "datagram_jitter_ms",
    "datagram_reordering",
)
INSTANCE_KPIS = ("instance_utilisation", "instance_queue", "instance_wait_ms", "instance_refusals")


@dataclass(frozen=True, kw_only=True, eq=False)
class Exchanged:
    """All exchanges of a run, one element each, shape (N,); ``slowdown`` is NaN where none can be told."""

    workload: Ints
    source: Ints
    target: Ints
    outcome: Ints
    end_ns: Ints
    completion_ns: Ints
    slowdown: Floats
    payload_bytes: Ints
    waited_ns: Ints
    errno: Ints

    def chosen(self, rows: NDArray[np.bool_]) -> Exchanged:
        """Some of them."""
        return Exchanged(**{name: values[rows] for name, values in vars(self).items()})


def read_exchanges(folder: FilePath, unloaded_ns: Callable[[Records], Floats]) -> Exchanged:
    """``unloaded_ns`` tells of all records, in their order, how long each takes on the idle path (NaN: unknown)."""
    found = read_records(folder / f"exchanges{ENDING}")
    completion_ns = found["end_ns"] - found["start_ns"]
    with np.errstate(divide="ignore", invalid="ignore"):
        slowdown = completion_ns / unloaded_ns(found)
    return Exchanged(
        workload=found["workload"].astype(np.int64),
        source=found["source"].astype(np.int64),
        target=found["target"].astype(np.int64),
        outcome=found["outcome"].astype(np.int64),
        end_ns=found["end_ns"],
        completion_ns=completion_ns,
        slowdown=np.where(found["outcome"] == OK, slowdown, np.nan),
        payload_bytes=(found["sent_bytes"] + found["received_bytes"]).astype(np.int64),
        waited_ns=found["waited_ns"],
        errno=found["errno"].astype(np.int64),
    )


def figures(some: Exchanged, seconds: float) -> dict[str, float]:
    """Every indicator that these exchanges, of ``seconds`` of the run, have a value of."""
    ended = some.chosen(some.outcome != UNFINISHED)
    good = ended.chosen(ended.outcome == OK)
    found: dict[str, float] = {}
    if len(ended.outcome):
        found["failures"] = float(np.mean(ended.outcome != OK))
        found["connection_failures"] = float(np.mean(ended.outcome == FAILED))
        found["goodput_mbps"] = float(good.payload_bytes.sum()) * 8 / seconds / 1e6
    if len(good.outcome):
        for percent in (50, 95, 99):
            found[f"completion_p{percent}_ms"] = float(np.percentile(good.completion_ns, percent)) / 1e6
        known = good.slowdown[~np.isnan(good.slowdown)]
        if known.size:
            found |= {f"slowdown_p{percent}": float(np.percentile(known, percent)) for percent in (50, 99)}
        _, pairs = np.unique(np.stack([good.source, good.target]), axis=1, return_inverse=True)
        if pairs.max() > 0:
            found["fairness"] = jain(np.bincount(pairs.reshape(-1), weights=good.payload_bytes).astype(np.float64))
    return found


def jain(shares: Floats) -> float:
    """Jain's index: 1 when all have the same, 1/n when one has all (Jain, Chiu, Hawe: DEC-TR-301, 1984)."""
    squares = float((shares**2).sum())
    return float(shares.sum()) ** 2 / (len(shares) * squares) if squares else float("nan")


def service_table(
    folder: FilePath,
    exchanged: Exchanged,
    services: Sequence[str],
    duration_ns: int,
    window_ns: int,
) -> SeriesTable:
    """``services`` names that of each workload, in their order; empty for those without exchanges.  Fairness is among
    the pairs that completed something in the window."""
    subjects = tuple(dict.fromkeys(one for one in services if one))
    times_ns = window_ends(duration_ns, window_ns)
    values = {name: np.full((len(times_ns), len(subjects)), np.nan) for name in SERVICE_KPIS}
    column = np.array([subjects.index(one) if one else -1 for one in services], dtype=np.int64)
    if len(exchanged.workload):
        windows = exchanged.end_ns // window_ns
        cells = windows * len(subjects) + column[exchanged.workload]
        order = np.argsort(cells, kind="stable")
        starts = np.flatnonzero(np.diff(cells[order], prepend=-1))
        for start, end in zip(starts, [*starts[1:], len(order)], strict=True):
            window, subject = divmod(int(cells[order[start]]), len(subjects))
            if window < len(times_ns):
                rows = np.sort(order[start:end])
                some = Exchanged(**{name: one[rows] for name, one in vars(exchanged).items()})
                for name, value in figures(some, window_ns / 1e9).items():
                    values[name][window, subject] = value
    _add_streams(values, folder, column, len(times_ns), window_ns)
    return SeriesTable(times_ns=times_ns, subjects=subjects, values=values)


def instance_table(folder: FilePath, nodes: Mapping[int, str], duration_ns: int, window_ns: int) -> SeriesTable:
    """``nodes`` gives the name of each instance by its number in the records."""
    times_ns = window_ends(duration_ns, window_ns)
    subjects = tuple(nodes.values())
    values = {name: np.full((len(times_ns), len(subjects)), np.nan) for name in INSTANCE_KPIS}
    records = read_records(folder / f"instances{ENDING}")
    for place, number in enumerate(nodes):
        at_ns, change = _changes(records, records["node"] == number, len(times_ns), window_ns)
        if not len(at_ns):
            continue
        passed = change["at_ns"]
        workers = change["workers_now"]
        with np.errstate(divide="ignore", invalid="ignore"):
            values["instance_utilisation"][at_ns, place] = change["busy_ns"] / (passed * workers)
            values["instance_queue"][at_ns, place] = change["queue_ns"] / passed
            values["instance_wait_ms"][at_ns, place] = change["waited_ns"] / change["begun"] / 1e6
            values["instance_refusals"][at_ns, place] = change["refused"] / change["arrived"]
    return SeriesTable(times_ns=times_ns, subjects=subjects, values=values)


def _add_streams(values: Mapping[str, Floats], folder: FilePath, column: Ints, windows: int, window_ns: int) -> None:
    records = read_records(folder / f"streams{ENDING}")
    for number in np.unique(records["workload"]):
        rows = records["workload"] == number
        at, change = _changes(records, rows, windows, window_ns)
        subject = column[number]
        with np.errstate(divide="ignore", invalid="ignore"):
            expected = change["received"] + change["missing"]
            values["datagram_loss"][at, subject] = np.maximum(change["missing"], 0) / expected
            values["datagram_delay_ms"][at, subject] = change["delay_ns"] / change["received"] / 1e6
            values["datagram_reordering"][at, subject] = change["reordered"] / change["received"]
            goodput = change["received_bytes"] * 8 / (change["at_ns"] / 1e9) / 1e6
        values["datagram_jitter_ms"][at, subject] = change["jitter_ns_now"] / 1e6
        values["goodput_mbps"][at, subject] = np.nan_to_num(values["goodput_mbps"][at, subject]) + goodput


def _changes(records: Records, rows: NDArray[np.bool_], windows: int, window_ns: int) -> tuple[Ints, dict[str, Floats]]:
    """The windows at whose ends there are samples, and by how much every column differs from the sample before.

    What is no count (``jitter_ns``, ``workers``) is given as it is, under its name and ``_now``.  The last sample at
    or shortly after the end of a window speaks for it; where samples are rarer than windows, the difference stands in
    the window of the later one.
    """
    taken = {name: one[rows].astype(np.float64) for name, one in records.numbers.items()}
    ends = np.arange(windows + 1) * window_ns + window_ns // 4
    chosen = np.searchsorted(taken["at_ns"], ends, side="right") - 1
    moved = np.flatnonzero((chosen[1:] > chosen[:-1]) & (chosen[:-1] >= 0))
    later = chosen[moved + 1]
    return moved, {name: one[later] - one[chosen[moved]] for name, one in taken.items()} | {
        f"{name}_now": taken[name][later] if name in taken else np.zeros(len(moved))
        for name in ("jitter_ns", "workers")
    }
