"""Figures of a watch in Prometheus' text format: a pure function of the state and the newest cycle.

In: the state, a cycle, counters of the loop.  Out: text for ``/metrics`` or a textfile collector.
Units are seconds, bytes and ratios, as Prometheus' naming guide wants them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from shadowlab.model.watch.cycle import Cycle
from shadowlab.model.watch.state import WatchState

VERDICTS = (
    "confirmed",
    "demand moved",
    "network broke",
    "shadow drifted",
    "measurement fault",
    "unsure",
    "not compared",
)
STATES = ("good", "off", "broken", "unknown")


@dataclass(frozen=True, kw_only=True)
class Counted:
    """What the program counted since it began."""

    unreadable: int = 0
    dropped: int = 0
    reload_faults: int = 0
    otlp_dropped: int = 0


NOTHING_COUNTED = Counted()


def families(state: WatchState, cycle: Cycle, counted: Counted = NOTHING_COUNTED) -> list[Metric]:
    """Every series carries the watch's name."""
    return list(_Collected(state, cycle, counted).collect())


def metrics_text(state: WatchState, cycle: Cycle, counted: Counted = NOTHING_COUNTED) -> str:
    """One exposition."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(state, cycle, counted))
    return generate_latest(registry).decode()


class _Collected:
    def __init__(self, state: WatchState, cycle: Cycle, counted: Counted) -> None:
        self._state, self._cycle, self._counted = state, cycle, counted

    def collect(self) -> Iterator[Metric]:
        """What :mod:`prometheus_client` asks for."""
        yield from self._of_watch()
        yield from self._of_cycle()
        yield from self._of_network()

    def _counter(self, name: str, words: str, value: float) -> Metric:
        one = CounterMetricFamily(f"shadowlab_{name}", words, labels=["watch"])
        one.add_metric([self._state.name], value)
        return one

    def _gauge(self, name: str, words: str, rows: Sequence[tuple[Sequence[str], float]], *labels: str) -> Metric:
        one = GaugeMetricFamily(f"shadowlab_{name}", words, labels=["watch", *labels])
        for values, value in rows:
            one.add_metric([self._state.name, *values], value)
        return one

    def _of_watch(self) -> Iterator[Metric]:
        state = self._state
        yield self._counter("cycles", "Whole cycles.", state.cycle)
        yield self._counter("cycles_skipped", "Beginnings that went by while a cycle lasted.", state.skipped)
        yield self._counter("incidents_opened", "Incidents that were opened.", state.incidents_opened)
        yield self._counter("telemetry_unreadable", "Lines and files that were no telemetry.", self._counted.unreadable)
        yield self._counter("telemetry_dropped", "Records beyond the window's bound.", self._counted.dropped)
        yield self._counter("reloads_refused", "Watch files that were wrong on reload.", self._counted.reload_faults)
        words = "Cycles' figures that no collector got."
        yield self._counter("otlp_dropped", words, self._counted.otlp_dropped)
        for name, words, counts in (
            ("notifications_sent", "Notifications that a receiver took.", state.told),
            ("notifications_given_up", "Notifications that will not be tried again.", state.given_up),
        ):
            one = CounterMetricFamily(f"shadowlab_{name}", words, labels=["watch", "receiver"])
            for receiver, count in sorted(counts.items()):
                one.add_metric([state.name, receiver], count)
            yield one
        yield self._gauge("notifications_waiting", "In the outbox.", [((), len(state.outbox))])
        kinds = sorted({(one.kind, one.severity) for one in state.open_incidents})
        counts_of = [(kind, sum((one.kind, one.severity) == kind for one in state.open_incidents)) for kind in kinds]
        yield self._gauge("incidents_open", "Incidents that are not resolved.", counts_of, "kind", "severity")

    def _of_cycle(self) -> Iterator[Metric]:
        cycle = self._cycle
        seconds = (cycle.ended_ns - cycle.began_ns) / 1e9
        yield self._gauge("cycle_duration_seconds", "Of the newest cycle.", [((), seconds)])
        yield self._gauge("cycle_end_timestamp_seconds", "Of the newest cycle.", [((), cycle.ended_ns / 1e9)])
        stages: dict[str, float] = {}
        for one in cycle.stages:
            stages[one.name] = stages.get(one.name, 0.0) + one.wall_s
        rows = [((name,), value) for name, value in stages.items()]
        yield self._gauge("stage_duration_seconds", "Of the newest cycle's stages.", rows, "stage")
        newest = cycle.telemetry_to_ns or self._state.telemetry_ns
        yield self._gauge("telemetry_timestamp_seconds", "Of the newest record.", [((), newest / 1e9)])
        yield self._gauge("telemetry_records", "In the newest cycle's window.", [((), cycle.records)])
        yield self._gauge("telemetry_connections", "In the newest cycle's window.", [((), cycle.connections)])
        yield self._gauge("demand_bits_per_second", "Of paced flows.", [((), cycle.demand_mbps * 1e6)])
        verdicts = [((one,), float(one == cycle.verdict)) for one in VERDICTS]
        yield self._gauge("verdict", "1 for the newest cycle's verdict.", verdicts, "verdict")
        if cycle.fidelity is not None:
            words = "Difference of shadow and production over what two runs of production differ by; 1 is as good."
            yield self._gauge("fidelity_ratio", words, [((), cycle.fidelity.score)])

    def _of_network(self) -> Iterator[Metric]:
        cycle = self._cycle
        counts = [((state,), float(sum(one.state == state for one in cycle.paths))) for state in STATES]
        yield self._gauge("paths", "By state.", counts, "state")
        sides = (("production", "production"), ("shadow", "shadow"))
        for name, kpi, factor, words in (
            ("path_rtt_seconds", "srtt_ms", 1e-3, "Mean smoothed round-trip time."),
            ("path_retransmission_ratio", "retransmission_share", 1.0, "Segments sent again of those sent."),
            ("path_throughput_bits_per_second", "throughput_mbps", 1e6, "Acknowledged payload."),
        ):
            rows = [
                ((one.path, label), getattr(one, side)[kpi] * factor)
                for one in cycle.paths
                for side, label in sides
                if kpi in getattr(one, side)
            ]
            yield self._gauge(name, words, rows, "path", "side")
        used = [((one.direction, one.link), one.utilisation) for one in cycle.links]
        yield self._gauge("link_utilisation_ratio", "In the shadow, today.", used, "direction", "link")
        lost = [((one.direction, one.link), one.loss) for one in cycle.links]
        yield self._gauge("link_loss_ratio", "In the shadow, today.", lost, "direction", "link")
        suspects = [((one.direction, one.link), float(one.suspect)) for one in cycle.links]
        yield self._gauge("link_suspect", "1 for a fault domain's links.", suspects, "direction", "link")
