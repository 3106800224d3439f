"""What a run will cost before it starts, and the one law that makes it cheaper.

In: flows, probes, the paths they take.  Out: packet-hops and expected wall time; a scaled-down network and demand.
Never: a run that is silently slow, or silently different.

The law: capacities, demands and buffers are divided by one factor, round-trip times are kept.  Utilisation, the shape
of the congestion, and queueing *time* stay; what does not is the number of packets in a window, so loss-driven TCP at a
small window reacts more coarsely.  Every scaled result says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from shadowlab.model.flow import Dialogue, FlowSpec, Path
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Direction, Network
from shadowlab.model.traffic.tcp_options import TcpOptions
from shadowlab.model.traffic.workload import Compute, Datagrams, Incast, Requests, Transfers, Workload
from shadowlab.predict.workloads import EXCHANGE_S, workload_work
from shadowlab.traffic.session import tick_of

GUEST_PACKET_HOPS_PER_S = 300_000
"""Forwarding speed of the embedded kernel, per wall second; `scripts/bench` prints this machine's (``guest``)."""

RUN_OVERHEAD_S = 1.0
"""Boot, build and start of one run."""

WRITE_HOPS = 7.5
"""What a write of less than a segment takes besides its packet, in packet-hops: 25 µs."""

_PAYLOAD_BYTES = 1448
_ACKS_PER_SEGMENT = 0.5


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Expected work of one run.  ``exchanges_s`` is the part of ``wall_s`` that exchanges take by their number, which
    no scaling changes."""

    packet_hops: float
    wall_s: float
    exchanges_s: float = 0.0


def expected_cost(
    *,
    network: Network,
    flows: Sequence[FlowSpec],
    paths: Sequence[Path],
    hops: Mapping[Path, Sequence[Direction]],
    duration_ns: int,
    probe_every_ns: int,
    workloads: Sequence[tuple[Workload, Sequence[Path]]] = (),
    compute: Mapping[str, Compute] | None = None,
) -> Cost:
    """Packet-hops of flows (data and acknowledgements) and probes (both ways) over the run.

    A paced flow sends at its rate, a greedy one at most at the smallest rate of its path divided by the greedy flows
    there; so this is an upper estimate.  ``workloads`` come with the pairs between which they exchange something.
    """
    seconds = duration_ns / 1e9
    greedy: dict[Direction, int] = {}
    for flow in flows:
        if flow.rate_bps is None:
            for direction in hops[Path(source=flow.source, target=flow.target)]:
                greedy[direction] = greedy.get(direction, 0) + 1
    total = exchanges = 0.0
    for flow in flows:
        path = hops[Path(source=flow.source, target=flow.target)]
        rate = flow.rate_bps if flow.rate_bps is not None else _fair_share(network, path, greedy)
        segments = rate / 8 / min(flow.tcp.mss or _PAYLOAD_BYTES, _PAYLOAD_BYTES) * seconds
        if flow.size_bytes is not None:
            segments = min(segments, flow.size_bytes / _PAYLOAD_BYTES)
        if flow.dialogue is None and flow.flow_class == "paced":
            small = max(0.0, seconds * 1e9 / tick_of(flow) - segments)
            segments += small
            total += small * WRITE_HOPS
        if flow.dialogue is not None:
            asked = rate / 8 / max(1.0, flow.dialogue.there.mean()) * seconds
            segments += asked  # the messages back
            exchanges += asked
        total += segments * (1 + _ACKS_PER_SEGMENT) * len(path)
    total += sum(2 * len(hops[path]) * duration_ns / probe_every_ns for path in paths)
    ways = {path: tuple(network.impairment(one) for one in way) for path, way in hops.items()}
    works = [workload_work(one, pairs, ways, compute or {}, duration_ns) for one, pairs in workloads]
    total += sum(one.packet_hops for one in works)
    exchanges_s = (exchanges + sum(one.exchanges for one in works)) * EXCHANGE_S
    return Cost(
        packet_hops=total,
        wall_s=RUN_OVERHEAD_S + total / GUEST_PACKET_HOPS_PER_S + exchanges_s,
        exchanges_s=exchanges_s,
    )


def _fair_share(network: Network, path: Sequence[Direction], greedy: Mapping[Direction, int]) -> float:
    shares = [
        rate / greedy[direction] for direction in path if (rate := network.impairment(direction).rate_bps) is not None
    ]
    return min(shares, default=1e9)


def scale_network(network: Network, factor: float) -> Network:
    """Every rate and buffer divided by ``factor``; delays, loss and metrics kept."""
    return network.with_links(
        *(
            replace(link, forward=_scale(link.forward, factor), backward=_scale(link.backward, factor))
            for link in network.links
        )
    )


def _scale(one: Impairment, factor: float) -> Impairment:
    return one.scaled(factor)


def scale_flows(flows: Sequence[FlowSpec], factor: float) -> tuple[FlowSpec, ...]:
    """Every demand divided by ``factor``: rates, sizes and window limits."""
    return tuple(
        replace(
            flow,
            rate_bps=None if flow.rate_bps is None else max(1, round(flow.rate_bps / factor)),
            size_bytes=None if flow.size_bytes is None else max(1, round(flow.size_bytes / factor)),
            pattern=tuple(replace(one, rate_bps=round(one.rate_bps / factor)) for one in flow.pattern),
            dialogue=None if flow.dialogue is None else _scale_dialogue(flow.dialogue, factor),
            tcp=_scale_tcp(flow.tcp, factor),
        )
        for flow in flows
    )


def scale_workloads(workloads: Sequence[Workload], factor: float) -> tuple[Workload, ...]:
    """Every demand divided by ``factor``: sizes and rates; arrivals, times to think and lookups, which are small
    already, are kept."""
    return tuple(_scale_workload(one, factor) for one in workloads)


def _scale_workload(one: Workload, factor: float) -> Workload:
    match one:
        case Transfers():
            return replace(one, size=one.size.scaled(1 / factor), tcp=_scale_tcp(one.tcp, factor))
        case Requests():
            request, response = one.request.scaled(1 / factor), one.response.scaled(1 / factor)
            return replace(one, request=request, response=response, tcp=_scale_tcp(one.tcp, factor))
        case Incast():
            return replace(one, response=one.response.scaled(1 / factor), tcp=_scale_tcp(one.tcp, factor))
        case Datagrams():
            return replace(one, rate_bps=max(1, round(one.rate_bps / factor)))
        case _:
            return one


def _scale_dialogue(one: Dialogue, factor: float) -> Dialogue:
    return replace(one, there=one.there.scaled(1 / factor), back=one.back.scaled(1 / factor))


def _scale_tcp(one: TcpOptions, factor: float) -> TcpOptions:
    def held(size: int | None) -> int | None:
        return None if size is None else max(2 * _PAYLOAD_BYTES, round(size / factor))

    return replace(
        one,
        window_bytes=held(one.window_bytes),
        send_buffer_bytes=held(one.send_buffer_bytes),
        pacing_bps=None if one.pacing_bps is None else max(1, round(one.pacing_bps / factor)),
    )
