"""What workloads will cost.

In: workloads, the ways between their nodes.  Out: expected packet-hops and exchanges.  Never: a draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shadowlab.model.flow import Path
from shadowlab.model.impairment import Impairment
from shadowlab.model.traffic.distribution import Distribution
from shadowlab.model.traffic.workload import (
    Arrivals,
    Compute,
    Datagrams,
    Incast,
    Lookups,
    Requests,
    Transfers,
    Workload,
)

EXCHANGE_S = 300e-6
"""Wall time that the engine takes for an exchange, beside forwarding its packets: opening, closing, keeping its record.
Measured in the embedded kernel: 5069 transfers of 10 kB over two hops took 410 us of a core each, forwarding
included."""

_PAYLOAD_BYTES = 1448
_PER_SEGMENT = 1.5
"""A segment and half an acknowledgement."""
_OPEN_AND_CLOSE = 7.0
"""Packets of a connection that carry nothing."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """Expected: packet-hops, and exchanges (each has a cost of its own)."""

    packet_hops: float
    exchanges: float


def workload_work(
    one: Workload,
    pairs: Sequence[Path],
    ways: Mapping[Path, Sequence[Impairment]],
    compute: Mapping[str, Compute],
    duration_ns: int,
) -> Work:
    """Of one workload in a run.  ``pairs`` are those between which it exchanges something, ``ways`` the impairments on
    the way of some of them at least; all others are taken to be like these on average.  An upper estimate: users of a
    closed loop are taken to be answered at the speed of light, and instances to serve everybody at once."""
    known = [ways[pair] for pair in pairs if pair in ways]
    if not known or not isinstance(one, Transfers | Requests | Incast | Datagrams | Lookups):
        return Work(packet_hops=0.0, exchanges=0.0)
    hops = sum(map(len, known)) / len(known)
    seconds = max(0, min(one.end_ns or duration_ns, duration_ns) - one.begin_ns) / 1e9
    match one:
        case Transfers():
            exchanges = _arrivals(one.arrivals, seconds)
            packets = exchanges * (_OPEN_AND_CLOSE + _segments(one.size) * _PER_SEGMENT)
        case Requests():
            each = (_segments(one.request) + _segments(one.response)) * _PER_SEGMENT
            if one.arrivals is not None:
                exchanges = _arrivals(one.arrivals, seconds)
            else:
                round_trip_s = 2 * sum(hop.delay_ns for way in known for hop in way) / len(known) / 1e9
                served = [compute[node].service_ns.mean() / 1e9 for node in one.servers if node in compute]
                busy_s = sum(served) / len(served) if served else 0.0
                users = len(one.clients) * one.connections
                exchanges = users * seconds / max(1e-6, one.think_ns.mean() / 1e9 + round_trip_s + busy_s)
            renewed = exchanges / one.requests_per_connection if one.requests_per_connection else 0.0
            packets = exchanges * each + renewed * _OPEN_AND_CLOSE
        case Incast():
            rounds = seconds / (one.every_ns / 1e9)
            exchanges = (rounds if one.rounds is None else min(rounds, one.rounds)) * len(one.workers)
            packets = exchanges * (_segments(one.response) + 1) * _PER_SEGMENT
        case Datagrams():
            on = 1.0
            if one.on_ns is not None and one.off_ns is not None:
                on = one.on_ns.mean() / max(1.0, one.on_ns.mean() + one.off_ns.mean())
            exchanges = packets = one.rate_bps / 8 / (sum(one.sizes) / len(one.sizes)) * seconds * on
        case Lookups():
            exchanges = _arrivals(one.arrivals, seconds)
            packets = 2 * exchanges
    return Work(packet_hops=packets * hops, exchanges=exchanges)


def _arrivals(one: Arrivals, seconds: float) -> float:
    match one.process:
        case "listed":
            return float(sum(at_ns < seconds * 1e9 for at_ns in one.at_ns))
        case "empirical":
            return seconds * 1e9 / one.gap_ns.mean() if one.gap_ns is not None else 0.0
        case "on-off" if one.on_ns is not None and one.off_ns is not None:
            on = one.on_ns.mean() / max(1.0, one.on_ns.mean() + one.off_ns.mean())
            return one.rate_per_s * seconds * on
        case _:
            return one.rate_per_s * seconds


def _segments(size: Distribution) -> float:
    """On average: the last one is half full."""
    return max(1.0, size.mean() / _PAYLOAD_BYTES + 0.5)
