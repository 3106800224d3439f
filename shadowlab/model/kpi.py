"""The indicators: their names, units, and which way is bad.

In: nothing.  Out: the registry, and the frozen series of one subject.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Subject = Literal["path", "link", "flow", "service", "instance"]
"""A service is what workloads with one service name belong to; an instance is a node with a compute model."""


@dataclass(frozen=True, kw_only=True)
class Kpi:
    """An indicator.  ``bad`` says which direction harms a service; None means that neither does by itself.

    ``judged``: detectors look at it.  What tells the same as another, more finely or by fewer samples, is only shown:
    each further indicator that is judged adds its own false alarms.  ``smoothed``: each value is a running mean
    already, so neighbours are no independent witnesses of a small change.
    """

    name: str
    unit: str
    subject: Subject
    bad: Literal["up", "down"] | None
    meaning: str
    judged: bool = True
    smoothed: bool = False


def _of_probes(name: str, meaning: str, unit: str = "ms") -> Kpi:
    return Kpi(name=name, unit=unit, subject="path", bad="up", meaning=meaning, judged=False)


def _of_flows(name: str, unit: str, meaning: str, bad: Literal["up", "down"] = "up") -> Kpi:
    return Kpi(name=name, unit=unit, subject="path", bad=bad, meaning=meaning, judged=False)


def _of_service(name: str, unit: str, meaning: str, bad: Literal["up", "down"] = "up") -> Kpi:
    return Kpi(name=name, unit=unit, subject="service", bad=bad, meaning=meaning, judged=False)


def _of_instance(name: str, unit: str, meaning: str) -> Kpi:
    return Kpi(name=name, unit=unit, subject="instance", bad="up", meaning=meaning, judged=False)


KPIS: Mapping[str, Kpi] = {
    kpi.name: kpi
    for kpi in (
        Kpi(name="latency_ms", unit="ms", subject="path", bad="up", meaning="median round-trip time of the probes"),
        Kpi(
            name="latency_p95_ms", unit="ms", subject="path", bad="up", meaning="95th percentile of the round-trip time"
        ),
        Kpi(
            name="jitter_ms",
            unit="ms",
            subject="path",
            bad="up",
            meaning="mean absolute difference of successive round-trip times",
        ),
        Kpi(name="loss", unit="fraction", subject="path", bad="up", meaning="probes that did not come back"),
        _of_probes("latency_p99_ms", "99th percentile of the round-trip time"),
        _of_probes("latency_max_ms", "longest round-trip time"),
        _of_probes("delay_there_ms", "median one-way time of the probes from source to target"),
        _of_probes("delay_there_p95_ms", "95th percentile of it"),
        _of_probes("delay_there_p99_ms", "99th percentile of it"),
        _of_probes("delay_there_max_ms", "longest of it"),
        _of_probes("delay_back_ms", "median one-way time of the answers from target to source"),
        _of_probes("delay_back_p95_ms", "95th percentile of it"),
        _of_probes("delay_back_p99_ms", "99th percentile of it"),
        _of_probes("delay_back_max_ms", "longest of it"),
        _of_probes("jitter_there_ms", "mean absolute difference of successive one-way times there"),
        _of_probes("jitter_back_ms", "mean absolute difference of successive one-way times back"),
        _of_probes("loss_there", "probes that did not reach the target", "fraction"),
        _of_probes("loss_back", "answers that did not come back, of the probes that reached the target", "fraction"),
        Kpi(
            name="throughput_mbps",
            unit="Mbit/s",
            subject="path",
            bad="down",
            meaning="bytes delivered by the path's flows",
        ),
        Kpi(
            name="retransmission_share",
            unit="fraction",
            subject="path",
            bad="up",
            meaning="retransmitted share of the data segments of the path's flows, needless ones (DSACK) left out",
        ),
        Kpi(
            name="srtt_ms",
            unit="ms",
            subject="path",
            bad="up",
            meaning="mean smoothed RTT of the path's flows",
            smoothed=True,
        ),
        Kpi(
            name="cwnd_segments",
            unit="segments",
            subject="path",
            bad="down",
            meaning="mean congestion window of the path's flows",
        ),
        _of_flows("flow_goodput_mbps", "Mbit/s", "bytes that the applications of the path's flows received", "down"),
        _of_flows("queueing_ms", "ms", "mean of smoothed RTT less least RTT (of the last 5 min) of the path's flows"),
        _of_flows("reordering", "fraction", "reorderings that senders saw, per data segment of the path's flows"),
        _of_flows("flow_fairness", "fraction", "Jain's index of the bytes delivered by the path's flows", "down"),
        _of_flows("flow_failures", "connections", "connections of the path's flows that could not be made, or died"),
        Kpi(
            name="link_throughput_mbps",
            unit="Mbit/s",
            subject="link",
            bad=None,
            meaning="bytes sent into the direction",
        ),
        Kpi(name="link_utilisation", unit="fraction", subject="link", bad="up", meaning="throughput over rate"),
        Kpi(
            name="link_loss",
            unit="fraction",
            subject="link",
            bad="up",
            meaning="packets that the direction dropped: in its queue or on its line",
        ),
        Kpi(
            name="link_line_loss",
            unit="fraction",
            subject="link",
            bad="up",
            meaning="packets lost by chance, where they are told from those that found the queue full",
        ),
        Kpi(
            name="link_marks",
            unit="fraction",
            subject="link",
            bad="up",
            meaning="packets sent that the direction's queue discipline marked (ECN) instead of dropping them",
        ),
        Kpi(
            name="link_queue_packets",
            unit="packets",
            subject="link",
            bad="up",
            meaning="packets that wait; where one netem is all of the direction, those in flight as well",
        ),
        Kpi(
            name="link_backlog_bytes",
            unit="bytes",
            subject="link",
            bad="up",
            meaning="bytes that wait or are being sent; where one netem is all of the direction, those in flight too",
            judged=False,
        ),
        Kpi(
            name="link_backlog_ms",
            unit="ms",
            subject="link",
            bad="up",
            meaning="the time that these bytes take at the direction's rate",
            judged=False,
        ),
        _of_service("completion_p50_ms", "ms", "median time that completed exchanges took"),
        _of_service("completion_p95_ms", "ms", "95th percentile of it"),
        _of_service("completion_p99_ms", "ms", "99th percentile of it"),
        _of_service("slowdown_p50", "ratio", "median of completion time over the time on the idle path"),
        _of_service("slowdown_p99", "ratio", "99th percentile of it"),
        _of_service("failures", "fraction", "exchanges that ended without success: failed, refused or timed out"),
        _of_service("connection_failures", "fraction", "exchanges whose connection could not be made, or died"),
        _of_service("goodput_mbps", "Mbit/s", "payload of completed exchanges and of datagrams received", "down"),
        _of_service("fairness", "fraction", "Jain's index of the goodput of its pairs of nodes", "down"),
        _of_service("datagram_loss", "fraction", "datagrams that did not come though later ones did"),
        _of_service("datagram_delay_ms", "ms", "mean one-way delay of the datagrams"),
        _of_service("datagram_jitter_ms", "ms", "smoothed interarrival jitter of the datagrams (RFC 3550)"),
        _of_service("datagram_reordering", "fraction", "datagrams that came after a later one (RFC 4737)"),
        _of_instance("instance_utilisation", "fraction", "share of the workers' time that they were busy"),
        _of_instance("instance_queue", "requests", "mean number of requests that waited"),
        _of_instance("instance_wait_ms", "ms", "mean time that requests waited for their service to begin"),
        _of_instance("instance_refusals", "fraction", "requests that found the queue full"),
    )
}


@dataclass(frozen=True, kw_only=True, eq=False)
class SeriesTable:
    """Indicators of many subjects over time.

    ``times_ns`` has shape (T,); ``subjects`` has S names in a fixed order; each value array has shape (T, S), NaN where
    nothing was observed.
    """

    times_ns: NDArray[np.int64]
    subjects: tuple[str, ...]
    values: Mapping[str, NDArray[np.float64]]

    def column(self, kpi: str, subject: str) -> NDArray[np.float64]:
        """The series of one subject, shape (T,).  Raises KeyError or ValueError for what is not there."""
        column: NDArray[np.float64] = self.values[kpi][:, self.subjects.index(subject)]
        return column
