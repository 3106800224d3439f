"""What the exchanges of a run came to: series per service and instance, summaries, against the idle network.

In: the folder a run left behind, what was prepared.  Out: tables and summaries.  Never: a verdict.
"""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shadowlab.lab.prepare import Prepared
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.network import Network
from shadowlab.model.traffic.completion import KINDS, OUTCOMES
from shadowlab.model.traffic.summary import HeatMap, Histogram, InstanceSummary, WorkloadSummary
from shadowlab.model.traffic.workload import Datagrams, Workload, service_of
from shadowlab.monitor.exchanges.indicators import (
    FAILED,
    OK,
    Exchanged,
    figures,
    instance_table,
    read_exchanges,
    service_table,
)
from shadowlab.monitor.exchanges.unloaded import INITIAL_WINDOW, IdlePair
from shadowlab.monitor.void_windows import LATE_NS, read_punctual, without_void
from shadowlab.store.reader import Records
from shadowlab.topology.routing import intended_way

HEAT_ROWS = 60
"""A heat map has at most so many windows, of whole seconds."""
_PER_DECADE = 10
_MS = 1e6
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class ExchangeMeasures:
    """Of one run."""

    services: SeriesTable
    instances: SeriesTable
    exchanged: Exchanged


def measure_exchanges(
    folder: Path, prepared: Prepared, duration_ns: int, window_ns: int, late_ns: int = LATE_NS
) -> ExchangeMeasures:
    """Derive everything from the raw records of a run of ``duration_ns``; what was later than ``late_ns`` is void."""
    nodes = sorted(prepared.fabric.node_address)
    idle = _Idle(prepared.network, prepared.workloads, nodes)
    windows = duration_ns // window_ns
    void = read_punctual(folder, windows, window_ns, late_ns).void
    exchanged = read_exchanges(folder, idle.unloaded_ns)
    if void.any():  # what ended in a void window was not observed
        window = np.clip(exchanged.end_ns // window_ns, 0, windows - 1)
        exchanged = exchanged.chosen(~void[window])
    numbers = {nodes.index(node): node for node in prepared.scenario.compute}
    services = [service_of(one) for one in prepared.workloads]
    return ExchangeMeasures(
        services=without_void(service_table(folder, exchanged, services, duration_ns, window_ns), void),
        instances=without_void(instance_table(folder, numbers, duration_ns, window_ns), void),
        exchanged=exchanged,
    )


def workload_summaries(prepared: Prepared, measures: ExchangeMeasures) -> tuple[WorkloadSummary, ...]:
    """One for each workload with exchanges or a stream, in the scenario's order."""
    scenario = prepared.scenario
    last = max((event.settled_ns for event in scenario.events), default=scenario.baseline_ns[1])
    windows = {
        "whole": (0, scenario.duration_ns),
        "before": scenario.baseline_ns,
        "after": (last, scenario.duration_ns),
    }
    found = []
    for index, one in enumerate(prepared.workloads):
        service = service_of(one)
        if not service:
            continue
        own = measures.exchanged.chosen(measures.exchanged.workload == index)
        good = own.chosen(own.outcome == OK)
        indicators = {
            name: _stream(measures.services, service, *window) if isinstance(one, Datagrams) else _in(own, *window)
            for name, window in windows.items()
        }
        completion_ms = good.completion_ns / _MS
        found.append(
            WorkloadSummary(
                workload=one.name,
                kind=type(one).__name__.lower(),
                service=service,
                outcomes={name: int((own.outcome == number).sum()) for number, name in enumerate(OUTCOMES)},
                **indicators,
                completion_ms=_histogram(completion_ms),
                slowdown=_histogram(good.slowdown[~np.isnan(good.slowdown)]),
                heat_map=_heat_map(good.end_ns, completion_ms, scenario.duration_ns),
                failed_by=_reasons(own.errno[own.outcome == FAILED]),
            )
        )
    return tuple(found)


def instance_summaries(prepared: Prepared, measures: ExchangeMeasures) -> tuple[InstanceSummary, ...]:
    """One for each instance with a compute model, in the scenario's order."""
    scenario, table = prepared.scenario, measures.instances
    last = max((event.settled_ns for event in scenario.events), default=scenario.baseline_ns[1])
    return tuple(
        InstanceSummary(
            node=node,
            workers=compute.workers,
            before=_means(table, node, *scenario.baseline_ns),
            after=_means(table, node, last, scenario.duration_ns),
        )
        for node, compute in scenario.compute.items()
    )


def _reasons(numbers: NDArray[np.int64]) -> dict[str, int]:
    """How many there are of each, by name, the most frequent first."""
    counts = Counter(errno.errorcode.get(int(one), str(one)) if one else "closed" for one in numbers)
    return dict(sorted(counts.items(), key=lambda one: (-one[1], one[0])))


def _in(some: Exchanged, from_ns: int, to_ns: int) -> dict[str, float]:
    return figures(some.chosen((some.end_ns > from_ns) & (some.end_ns <= to_ns)), max(1, to_ns - from_ns) / 1e9)


def _stream(table: SeriesTable, service: str, from_ns: int, to_ns: int) -> dict[str, float]:
    found = _means(table, service, from_ns, to_ns)
    return {name: value for name, value in found.items() if name.startswith("datagram") or name == "goodput_mbps"}


def _means(table: SeriesTable, subject: str, from_ns: int, to_ns: int) -> dict[str, float]:
    rows = (table.times_ns > from_ns) & (table.times_ns <= to_ns)
    column = table.subjects.index(subject)
    found = {name: values[rows, column] for name, values in table.values.items()}
    return {name: float(np.nanmean(one)) for name, one in found.items() if not np.isnan(one).all()}


def _edges(values: Floats) -> Floats:
    if not values.size:
        return np.empty(0)
    least = np.floor(np.log10(max(values.min(), 1e-6)) * _PER_DECADE)
    most = np.floor(np.log10(max(values.max(), 1e-6)) * _PER_DECADE) + 1
    edges: Floats = 10 ** (np.arange(least, most + 1) / _PER_DECADE)
    # Rounding may leave the extreme values just outside.
    edges[0], edges[-1] = min(edges[0], values.min()), max(edges[-1], values.max())
    return edges


def _histogram(values: Floats) -> Histogram:
    edges = _edges(values)
    counts = np.histogram(values, bins=edges)[0] if values.size else np.empty(0)
    return Histogram(edges=tuple(map(float, edges)), counts=tuple(map(int, counts)))


def _heat_map(end_ns: NDArray[np.int64], completion_ms: Floats, duration_ns: int) -> HeatMap:
    seconds = -(-duration_ns // (HEAT_ROWS * 10**9))
    window_ns = seconds * 10**9
    edges = _edges(completion_ms)
    if not completion_ms.size:
        return HeatMap(window_ns=window_ns, edges=(), counts=())
    rows = -(-duration_ns // window_ns)
    counts, _, _ = np.histogram2d(
        end_ns.astype(np.float64), completion_ms, bins=[np.arange(rows + 1) * float(window_ns), edges]
    )
    return HeatMap(
        window_ns=window_ns,
        edges=tuple(map(float, edges)),
        counts=tuple(tuple(int(one) for one in row) for row in counts),
    )


class _Idle:
    """The idle network: what every pair of nodes that exchanged something could do alone on it."""

    def __init__(self, network: Network, workloads: Sequence[Workload], nodes: Sequence[str]) -> None:
        self._network = network
        self._workloads = workloads
        self._nodes = nodes

    def unloaded_ns(self, records: Records) -> Floats:
        """Of every record, how long its exchange takes on the idle path; NaN where there is none."""
        found = np.full(len(records), np.nan)
        if not len(records):
            return found
        keys = np.stack([records[name].astype(np.int64) for name in ("workload", "source", "target")])
        unique, places = np.unique(keys, axis=1, return_inverse=True)
        places = places.reshape(-1)
        for number, (workload, source, target) in enumerate(unique.T):
            pair = self._pair(int(workload), int(source), int(target))
            if pair is not None:
                rows = places == number
                found[rows] = _unloaded(pair, {name: one[rows] for name, one in records.numbers.items()})
        return found

    def _pair(self, workload: int, source: int, target: int) -> IdlePair | None:
        one = self._workloads[workload]
        there, back = (
            intended_way(self._network, *ends)
            for ends in (
                (self._nodes[source], self._nodes[target]),
                (self._nodes[target], self._nodes[source]),
            )
        )
        if there.fault or back.fault:
            return None
        tcp = getattr(one, "tcp", None)
        return IdlePair(
            there=tuple(self._network.impairment(each) for each in there.directions),
            back=tuple(self._network.impairment(each) for each in back.directions),
            ipv6=bool(getattr(one, "ipv6", False)),
            mss=tcp.mss if tcp is not None else None,
            initial_window=(tcp.initial_cwnd_segments if tcp is not None else None) or INITIAL_WINDOW,
        )


def _unloaded(pair: IdlePair, records: Mapping[str, NDArray[np.int64]]) -> Floats:
    sent, received = (records[name].astype(np.float64) for name in ("sent_bytes", "received_bytes"))
    kind = KINDS[int(records["kind"][0])]
    if kind == "transfer":
        return pair.transfer_ns(sent)
    if kind == "lookup":
        return pair.lookup_ns(sent, received) + records["service_ns"]
    return pair.request_ns(sent, received, records["reused"] == 0) + records["service_ns"]
