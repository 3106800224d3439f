"""What can be said without running anything: closed formulas, and shares of a fluid.

In: a network, traffic, what telemetry said of losses.  Out: figures in the form of a run's.

Formulas: round-trip times are those of the idle way; a greedy flow has the rate of Mathis, Semke, Mahdavi and Ott
(1997) at the retransmission share it had, at most the least rate of its way; a short exchange takes the time of slow
start on the idle way.  Fluid: the same, but greedy flows share what others leave, max-min fair (Bertsekas and
Gallager, Data Networks, 6.5.2), and a short exchange gets the share that one more flow would get.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.hidden.measured import Seen
from benchmarks.hidden.workload import Traffic, utilisation
from shadowlab.model.network import Direction, Network
from shadowlab.model.traffic.distribution import Distribution
from shadowlab.model.traffic.workload import Requests, Transfers
from shadowlab.monitor.exchanges.unloaded import IdlePair
from shadowlab.topology.routing import intended_way

_MSS = 1448
_PAYLOAD_SHARE = 0.94
_UNLIMITED_BPS = 1e9
_QUANTILES = (0.5, 0.99)


def formulas(network: Network, traffic: Traffic, losses: Mapping[str, float]) -> Seen:
    """``losses``: retransmission share by path, as telemetry had it."""
    found = _shorts(network, traffic, {})
    for flow in traffic.flows:
        pair = f"{flow.source}→{flow.target}"
        ways = _ways(network, flow.source, flow.target)
        if ways is None:
            continue
        rtt_s = _rtt_s(network, ways)
        loss = losses.get(pair, 0.0)
        least = min((network.impairment(one).rate_bps or _UNLIMITED_BPS for one in ways[0]), default=_UNLIMITED_BPS)
        rate = least * _PAYLOAD_SHARE
        if loss > 0:
            rate = min(rate, _MSS * 8 / rtt_s * math.sqrt(1.5 / loss))
        found[pair] = _of_flow(flow.rate_bps, flow.tcp.window_bytes, rate, rtt_s) | {"retransmission_share": loss}
    return Seen(values=found)


def fluid(network: Network, traffic: Traffic) -> Seen:
    """Max-min fair shares."""
    room = {
        one: max(0.02, 1 - used) * (network.impairment(one).rate_bps or _UNLIMITED_BPS) * _PAYLOAD_SHARE
        for one, used in utilisation(network, [*traffic.flows, *traffic.workloads]).items()
    }
    greedy = {}
    for flow in traffic.flows:
        ways = _ways(network, flow.source, flow.target)
        if ways is not None and flow.flow_class != "paced":
            greedy[flow.id] = (ways[0], _cap(flow.tcp.window_bytes, _rtt_s(network, ways)))
            for one in ways[0]:
                room.setdefault(one, (network.impairment(one).rate_bps or _UNLIMITED_BPS) * _PAYLOAD_SHARE)
    rates = _max_min(greedy, dict(room))
    crossing: dict[Direction, int] = {}
    for way, _ in greedy.values():
        for one in way:
            crossing[one] = crossing.get(one, 0) + 1
    found = _shorts(network, traffic, {one: bps / (crossing.get(one, 0) + 1) for one, bps in room.items()})
    for flow in traffic.flows:
        ways = _ways(network, flow.source, flow.target)
        if ways is not None:
            pair, rtt_s = f"{flow.source}→{flow.target}", _rtt_s(network, ways)
            found[pair] = _of_flow(flow.rate_bps, None, rates.get(flow.id, 0.0), rtt_s) | {"retransmission_share": 0.0}
    return Seen(values=found)


def _of_flow(paced_bps: int | None, window: int | None, rate: float, rtt_s: float) -> dict[str, float]:
    goodput = float(paced_bps) if paced_bps else min(rate, _cap(window, rtt_s))
    return {"goodput_mbps": goodput / 1e6, "srtt_p50_ms": rtt_s * 1e3, "srtt_p95_ms": rtt_s * 1e3}


def _cap(window: int | None, rtt_s: float) -> float:
    return window * 8 / rtt_s if window else float("inf")


def _ways(network: Network, a: str, b: str) -> tuple[Sequence[Direction], Sequence[Direction]] | None:
    there, back = intended_way(network, a, b), intended_way(network, b, a)
    return None if there.fault or back.fault else (there.directions, back.directions)


def _rtt_s(network: Network, ways: tuple[Sequence[Direction], Sequence[Direction]]) -> float:
    there, back = (
        sum(
            network.impairment(one).delay_ns / 1e9 + size * 8 / (network.impairment(one).rate_bps or _UNLIMITED_BPS)
            for one in way
        )
        for way, size in zip(ways, (1538, 90), strict=True)
    )
    return max(1e-5, there + back)


def _shorts(network: Network, traffic: Traffic, shares: Mapping[Direction, float]) -> dict[str, dict[str, float]]:
    found = {}
    for one in traffic.workloads:
        if isinstance(one, Transfers):
            source, target, size = one.sources[0], one.targets[0], one.size
        elif isinstance(one, Requests):
            source, target, size = one.servers[0], one.clients[0], one.response
        else:
            continue
        ways = _ways(network, source, target)
        if ways is None:
            continue
        there, back = ([network.impairment(each) for each in way] for way in ways)
        pair = IdlePair(there=tuple(there), back=tuple(back))
        sizes = np.array([_quantile(size, share) for share in _QUANTILES])
        asked = isinstance(one, Requests)
        idle = (
            IdlePair(there=tuple(back), back=tuple(there)).request_ns(np.full(2, 300.0), sizes, np.full(2, True))
            if asked
            else pair.transfer_ns(sizes)
        )
        share = min((shares[each] for each in ways[0] if each in shares), default=_UNLIMITED_BPS)
        times = np.maximum(idle / 1e6, 2e3 * _rtt_s(network, ways) + sizes * 8e3 / share)
        found[f"{source}→{target} short"] = {"completion_p50_ms": float(times[0]), "completion_p99_ms": float(times[1])}
    return found


def _quantile(size: Distribution, share: float) -> float:
    return max(1.0, size.quantile(share))


def _max_min(flows: Mapping[str, tuple[Sequence[Direction], float]], room: dict[Direction, float]) -> dict[str, float]:
    """Progressive filling: all grow together until a direction is full or a flow has all it can take."""
    rates = dict.fromkeys(flows, 0.0)
    growing = set(flows)
    while growing:
        users: dict[Direction, int] = {}
        for name in growing:
            for one in flows[name][0]:
                users[one] = users.get(one, 0) + 1
        step = min(
            [room[one] / count for one, count in users.items()] + [flows[name][1] - rates[name] for name in growing]
        )
        for name in growing:
            rates[name] += step
        for one, count in users.items():
            room[one] -= step * count
        full = {one for one in users if room[one] <= 1e-3}
        growing = {name for name in growing if not full & set(flows[name][0]) and flows[name][1] - rates[name] > 1e-3}
    return rates
