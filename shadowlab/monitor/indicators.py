"""Raw records become indicators.

In: a run folder and what was watched in it.  Out: series per path and per link, one value per window.
Never: a judgement; a value where nothing was observed (that is NaN).  Runs outside the segment.

Window k covers [k, k + 1) times ``window_ns`` and is labelled with its *end*, the first moment at which it is known.
Counters become differences between samples; a difference belongs to the window its middle lies in.  Where a counter
went back, or a flow is on another connection, counting began anew, and the new value is the difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shadowlab.model.flow import FlowSpec, Path
from shadowlab.model.kpi import KPIS, SeriesTable
from shadowlab.monitor.layout import FLAG_CLOSED, FLAG_IDLE
from shadowlab.monitor.probe_statistics import count_probes, probe_values
from shadowlab.monitor.raw_records import INFO_BYTES_NEEDED, read_probes, read_queues, read_tcp

_ESTABLISHED = 1
_NO_MIN_RTT = 0xFFFF_FFFF
"""What the kernel says before it has measured one."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class PathCounts:
    """What the localiser weighs: per window and path, shape (T, P) each."""

    times_ns: Ints
    paths: tuple[str, ...]
    probes_sent: Ints
    probes_lost: Ints
    segments_sent: Ints
    segments_retransmitted: Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class FlowCounts:
    """Segments per window and flow, shape (T, F) each: sent, and sent again because they were lost."""

    flows: tuple[str, ...]
    sent: Ints
    again: Ints


def path_table(
    folder: FilePath,
    paths: Sequence[Path],
    flows: Sequence[FlowSpec] | Sequence[Path],
    duration_ns: int,
    window_ns: int,
    *,
    turns: int = 1,
) -> SeriesTable:
    """The indicators of :data:`~shadowlab.model.kpi.KPIS` whose subject is a path.  Of flows only the ends count;
    ``turns`` is how many they took to be sampled."""
    times_ns = window_ends(duration_ns, window_ns)
    shape = (len(times_ns), len(paths))
    values = probe_values(read_probes(folder), shape, window_ns)
    values |= _flow_values(read_tcp(folder, len(flows), turns), _path_of_flows(paths, flows), shape, window_ns)
    ordered = {name: values[name] for name in KPIS if name in values}
    return SeriesTable(times_ns=times_ns, subjects=tuple(str(path) for path in paths), values=ordered)


def path_counts(
    folder: FilePath,
    paths: Sequence[Path],
    flows: Sequence[FlowSpec],
    duration_ns: int,
    window_ns: int,
    *,
    turns: int = 1,
) -> PathCounts:
    """Raw counts per window and path."""
    times_ns = window_ends(duration_ns, window_ns)
    shape = (len(times_ns), len(paths))
    sent, lost = count_probes(read_probes(folder), shape, window_ns)
    tcp = read_tcp(folder, len(flows), turns)
    rows, columns = _cells(_windows(tcp["at_ns"], window_ns), _path_of_flows(paths, flows))
    counted = _counted(tcp)
    return PathCounts(
        times_ns=times_ns,
        paths=tuple(str(path) for path in paths),
        probes_sent=sent,
        probes_lost=lost,
        segments_sent=_sum(shape, rows, columns, _differences(tcp, "data_segs_out"), counted).astype(np.int64),
        segments_retransmitted=_sum(shape, rows, columns, _retransmitted(tcp), counted).astype(np.int64),
    )


def flow_counts(
    folder: FilePath, flows: Sequence[FlowSpec], duration_ns: int, window_ns: int, *, turns: int = 1
) -> FlowCounts:
    """The same of every flow by itself: what flows count that are spread over several ways."""
    shape = (len(window_ends(duration_ns, window_ns)), len(flows))
    tcp = read_tcp(folder, len(flows), turns)
    rows, columns = _cells(_windows(tcp["at_ns"], window_ns), np.arange(len(flows)))
    counted = _counted(tcp)
    return FlowCounts(
        flows=tuple(flow.id for flow in flows),
        sent=_sum(shape, rows, columns, _differences(tcp, "data_segs_out"), counted).astype(np.int64),
        again=_sum(shape, rows, columns, _retransmitted(tcp), counted).astype(np.int64),
    )


def link_table(
    folder: FilePath,
    directions: Sequence[str],
    rates_bps: Sequence[int | None],
    duration_ns: int,
    window_ns: int,
    *,
    lines: Sequence[tuple[int, bool]] = (),
) -> SeriesTable:
    """The indicators whose subject is a link.  ``directions`` and their rates are in the order the observer had their
    queues; a direction without a rate has no utilisation.  After the queues it had the delay lines: for each the index
    of its direction, and whether packets cross it before the queue rather than behind it."""
    times_ns = window_ends(duration_ns, window_ns)
    shape = (len(times_ns), len(directions))
    both = read_queues(folder, len(directions) + len(lines))
    queues, line = both[:, : len(directions)], both[:, len(directions) :]
    rows, columns = _cells(_windows(queues["at_ns"], window_ns), np.arange(len(directions)))
    covered_s = _covered_s(queues["at_ns"], shape[0], window_ns)

    def total(values: Floats) -> Floats:
        return _sum(shape, rows, columns, values, np.ones(values.shape, dtype=bool))

    def of_lines(field: str, chosen: Sequence[bool]) -> Floats:
        """A counter of the chosen delay lines, each in the column of its direction."""
        some = [number for number, one in enumerate(chosen) if one]
        there = np.array([lines[number][0] for number in some], dtype=np.int64)
        cells = _cells(_windows(queues["at_ns"], window_ns), there)
        growth = _grown(line, field)[:, some]
        return _sum(shape, *cells, growth, np.ones(growth.shape, dtype=bool))

    every, before = [True] * len(lines), [first for _, first in lines]
    has_line = np.isin(np.arange(len(directions)), [index for index, _ in lines])
    sent, dropped = total(_grown(queues, "sent_packets")), total(_grown(queues, "drops"))
    lost, by_chance = of_lines("drops", every), total(_grown(queues, "losses"))
    held = total(queues["queued_packets"][1:].astype(np.float64))
    held_bytes = total(queues["queued_bytes"][1:].astype(np.float64))
    samples = total(np.ones((max(len(queues) - 1, 0), len(directions))))
    with np.errstate(invalid="ignore", divide="ignore"):
        line_loss = np.where(by_chance.any(axis=0), _share(by_chance, by_chance + sent, samples), np.nan)
        line_loss = np.where(has_line, _share(lost, lost + of_lines("sent_packets", every), samples), line_loss)
        megabits = total(_grown(queues, "sent_bytes")) * 8e-6 / covered_s[:, None]
        rates = np.array([np.nan if rate is None else rate * 1e-6 for rate in rates_bps])
        values = {
            "link_throughput_mbps": megabits,
            # What is lost behind the wire has taken its time there.
            "link_utilisation": megabits / rates[None, :] * np.where(sent > 0, 1 + by_chance / sent, 1.0),
            "link_loss": _share(dropped + lost, dropped + sent + of_lines("drops", before), samples),
            "link_line_loss": line_loss,
            "link_marks": _share(total(_grown(queues, "marks")), sent, samples),
            "link_queue_packets": held / samples,
            "link_backlog_bytes": held_bytes / samples,
            "link_backlog_ms": held_bytes / samples * 8e-3 / rates[None, :],
        }
    return SeriesTable(times_ns=times_ns, subjects=tuple(directions), values=values)


def _grown(queues: NDArray[Any], field: str) -> Floats:
    """Growth of a counter of every queue from sample to sample, shape (S - 1, Q)."""
    return _since(queues[field], np.zeros((max(len(queues) - 1, 0), queues.shape[1]), dtype=bool))


def _share(part: Floats, whole: Floats, samples: Floats) -> Floats:
    """The share, unknown where nothing was sampled.  A silent link loses nothing: 0, not unknown."""
    share: Floats = np.where(samples > 0, np.where(whole > 0, part / whole, 0.0), np.nan)
    return share


def window_ends(duration_ns: int, window_ns: int) -> Ints:
    """The labels of all whole windows of a run, shape (T,)."""
    if window_ns <= 0:
        raise ValueError(f"a window must be longer than nothing, got {window_ns} ns")
    return np.arange(1, duration_ns // window_ns + 1, dtype=np.int64) * window_ns


def _flow_values(tcp: NDArray[Any], path_of: Ints, shape: tuple[int, int], window_ns: int) -> dict[str, Floats]:
    rows, columns = _cells(_windows(tcp["at_ns"], window_ns), path_of)
    counted = _counted(tcp)
    covered_s = _covered_s(tcp["at_ns"], shape[0], window_ns)
    observed = _sum(shape, rows, columns, np.ones(counted.shape), counted)
    acked = _sum(shape, rows, columns, _differences(tcp, "bytes_acked"), counted)
    sent = _sum(shape, rows, columns, _differences(tcp, "data_segs_out"), counted)
    again = _sum(shape, rows, columns, _retransmitted(tcp), counted)
    later = tcp[1:]
    alive = (later["state"] == _ESTABLISHED) & (later["info_bytes"] >= INFO_BYTES_NEEDED)
    alive &= (later["flags"] == 0) & (later["srtt_us"] > 0)
    count = _sum(shape, rows, columns, np.ones(alive.shape), alive)
    srtt = _sum(shape, rows, columns, later["srtt_us"] * 1e-3, alive)
    cwnd = _sum(shape, rows, columns, later["cwnd"].astype(np.float64), alive)
    timed = alive & (later["min_rtt_us"] < _NO_MIN_RTT) & (later["srtt_us"] >= later["min_rtt_us"])
    waited = (later["srtt_us"].astype(np.float64) - later["min_rtt_us"]) * 1e-3
    queueing = _sum(shape, rows, columns, waited, timed)
    timed_count = _sum(shape, rows, columns, np.ones(timed.shape), timed)
    reordered = _sum(shape, rows, columns, _differences(tcp, "reord_seen"), counted)
    received = _sum(shape, rows, columns, _grown(tcp, "received_bytes"), counted)
    lost = np.maximum(later["attempt"].astype(np.int64) - tcp["attempt"][:-1], 0).astype(np.float64)
    failures = _sum(shape, rows, columns, lost, (later["flags"] & FLAG_IDLE) == 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "throughput_mbps": np.where(observed > 0, acked * 8e-6 / covered_s[:, None], np.nan),
            "retransmission_share": again / np.where(sent > 0, sent, np.nan),
            "srtt_ms": srtt / np.where(count > 0, count, np.nan),
            "cwnd_segments": cwnd / np.where(count > 0, count, np.nan),
            "flow_goodput_mbps": np.where(observed > 0, received * 8e-6 / covered_s[:, None], np.nan),
            "queueing_ms": queueing / np.where(timed_count > 0, timed_count, np.nan),
            "reordering": reordered / np.where(sent > 0, sent, np.nan),
            "flow_fairness": _fairness(_differences(tcp, "bytes_acked"), counted, rows[:, :1], path_of, shape),
            "flow_failures": np.where(observed > 0, failures, np.nan),
        }


def _fairness(
    delivered: Floats, counted: NDArray[np.bool_], windows: Ints, path_of: Ints, shape: tuple[int, int]
) -> Floats:
    """Jain's index among the flows of a path that were there, by what each delivered in the window; NaN for fewer than
    two of them, or nothing delivered (Jain, Chiu, Hawe: DEC-TR-301, 1984)."""
    flows = len(path_of)
    by_flow = (shape[0], flows)
    rows, columns = np.broadcast_arrays(windows, np.arange(flows)[None, :])
    shares = _sum(by_flow, rows, columns, delivered, counted)
    there = _sum(by_flow, rows, columns, np.ones(counted.shape), counted) > 0
    rows, columns = _cells(np.arange(shape[0]), path_of)
    count = _sum(shape, rows, columns, np.ones(by_flow), there)
    whole, squares = (_sum(shape, rows, columns, one, there) for one in (shares, shares**2))
    fair: Floats = whole**2 / np.where((count > 1) & (squares > 0), count * squares, np.nan)
    return fair


def _path_of_flows(paths: Sequence[Path], flows: Sequence[FlowSpec] | Sequence[Path]) -> Ints:
    """The path index of each flow, -1 for a flow of no path, shape (F,)."""
    index = {path: number for number, path in enumerate(paths)}
    return np.array([index.get(Path(source=flow.source, target=flow.target), -1) for flow in flows], dtype=np.int64)


def _windows(at_ns: NDArray[Any], window_ns: int) -> Ints:
    """The window of each interval between samples, by its middle, shape (S - 1,)."""
    moments = at_ns[:, 0].astype(np.int64) if at_ns.size else np.zeros(0, dtype=np.int64)
    windows: Ints = (moments[1:] + moments[:-1]) // 2 // window_ns
    return windows


def _covered_s(at_ns: NDArray[Any], windows: int, window_ns: int) -> Floats:
    """Seconds of each window that lie between samples; NaN where there are none, shape (T,)."""
    covered = np.zeros(windows)
    if at_ns.size:
        rows = _windows(at_ns, window_ns)
        inside = rows < windows
        np.add.at(covered, rows[inside], np.diff(at_ns[:, 0])[inside] * 1e-9)
    return np.where(covered > 0, covered, np.nan)


def _cells(windows: Ints, subjects: Ints) -> tuple[Ints, Ints]:
    """Row and column of every (interval, source) in a table, shape (S - 1, F) each."""
    rows, columns = np.broadcast_arrays(windows[:, None], subjects[None, :])
    return rows, columns


def _sum(shape: tuple[int, int], rows: Ints, columns: Ints, values: Floats, chosen: NDArray[np.bool_]) -> Floats:
    """Sums of the chosen values per cell; what lies outside the table is left out."""
    table = np.zeros(shape)
    chosen = chosen & (rows < shape[0]) & (columns >= 0)
    np.add.at(table, (rows[chosen], columns[chosen]), values[chosen])
    return table


def _counted(tcp: NDArray[Any]) -> NDArray[np.bool_]:
    """Intervals in which a flow was there: begun by their end, and not closed at their beginning.

    A flow whose connection failed is there: it delivers nothing.  One of a kernel that knows too little is not.
    """
    begun = (tcp["flags"][1:] & FLAG_IDLE) == 0
    ended = (tcp["flags"][:-1] & FLAG_CLOSED) != 0
    known = (tcp["info_bytes"][1:] == 0) | (tcp["info_bytes"][1:] >= INFO_BYTES_NEEDED)
    counted: NDArray[np.bool_] = begun & ~ended & known
    return counted


def _differences(tcp: NDArray[Any], field: str) -> Floats:
    return _since(tcp[field], tcp["attempt"][1:] != tcp["attempt"][:-1])


def _retransmitted(tcp: NDArray[Any]) -> Floats:
    """Retransmissions from sample to sample that a loss explains, shape (S - 1, F).

    A tail-loss probe that meets a delayed acknowledgement is sent in vain; the receiver says so (DSACK) a round trip
    later.  So what counts is each new maximum of all retransmissions less those reported needless.
    """
    net = np.cumsum(_differences(tcp, "total_retrans") - _differences(tcp, "dsack_dups"), axis=0)
    peaks = np.maximum.accumulate(np.vstack([np.zeros((1, net.shape[1])), net]), axis=0)
    growth: Floats = np.diff(peaks, axis=0)
    return growth


def _since(counter: NDArray[Any], again: NDArray[np.bool_]) -> Floats:
    """Growth of a counter from sample to sample, shape (S - 1, F); ``again`` marks where counting began anew."""
    new = counter[1:].astype(np.float64)
    old = counter[:-1].astype(np.float64)
    growth: Floats = np.where(again | (new < old), new, new - old)
    return growth
