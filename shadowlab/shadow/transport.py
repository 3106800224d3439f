"""What flows want of the nodes they end at: what their TCP offers, and with which windows it begins.

In: flows, addresses, routes.  Out: operations for nodes, routes with initial windows, and the flows whose wish a route
cannot hold because most others by it wish otherwise.  Never: an effect.

A node is set against something (SACK, timestamps, window scaling) only if every flow that begins or ends there wishes
so: an offer can be left out for one connection, but a node that is set against it does not understand the answer
(:mod:`shadowlab.traffic.handshake`).  A node asks for ECN if every flow that begins there does.

Initial windows are metrics of a route, so the flows from one node to another share them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from shadowlab.model.fabric import Fabric, Route
from shadowlab.model.flow import FlowSpec
from shadowlab.shadow.ops import SetTransport

_OFFERS = ("sack", "timestamps", "window_scaling")
_Key = tuple[str, str]
"""Node, destination address."""


@dataclass(frozen=True, kw_only=True)
class Transport:
    """``windows``: initial (cwnd, rwnd) in segments by (node, destination address), 0 for the kernel's own.
    ``differing``: what flows wish that their route does not give them, in words."""

    settings: tuple[SetTransport, ...] = ()
    windows: Mapping[_Key, tuple[int, int]]
    differing: Mapping[str, str]


def plan_transport(flows: Sequence[FlowSpec], fabric: Fabric) -> Transport:
    """What the flows want together; of initial windows what most flows of a route wish (of equally many the least)."""
    cwnds: dict[_Key, Counter[int]] = {}
    rwnds: dict[_Key, Counter[int]] = {}
    for flow in flows:
        there, back = _ends(flow, fabric)
        for wishes, key, wish in (
            (cwnds, there, flow.tcp.initial_cwnd_segments),
            (rwnds, back, flow.tcp.initial_rwnd_segments),
        ):
            if wish is not None:
                wishes.setdefault(key, Counter())[wish] += 1
    cwnd = {key: _most_wished(wishes) for key, wishes in cwnds.items()}
    rwnd = {key: _most_wished(wishes) for key, wishes in rwnds.items()}
    differing = {}
    for flow in flows:
        there, back = _ends(flow, fabric)
        words = [
            f"{name} {wish}, its route gives {held}"
            for name, wish, held in (
                ("initial cwnd", flow.tcp.initial_cwnd_segments, cwnd.get(there, 0)),
                ("initial rwnd", flow.tcp.initial_rwnd_segments, rwnd.get(back, 0)),
            )
            if wish is not None and wish != held
        ]
        if words:
            differing[flow.id] = "; ".join(words)
    return Transport(
        settings=tuple(_settings(flows)),
        windows={key: (cwnd.get(key, 0), rwnd.get(key, 0)) for key in sorted({*cwnd, *rwnd})},
        differing=differing,
    )


def with_windows(routes: Sequence[Route], transport: Transport) -> tuple[Route, ...]:
    """The routes with the initial windows.  A destination that only a wider route leads to gets one of its own, by the
    same hops; one that no route leads to gets none."""
    held = list(routes)
    by_node: dict[str, list[int]] = {}
    for index, route in enumerate(routes):
        by_node.setdefault(route.node, []).append(index)
    for (node, destination), (cwnd, rwnd) in transport.windows.items():
        address = ip_address(destination)
        found = [
            index for index in by_node.get(node, ()) if routes[index].via and _leads_to(routes[index], destination)
        ]
        exact = [index for index in found if routes[index].prefix == address.max_prefixlen]
        for index in exact:
            held[index] = routes[index]._replace(initial_cwnd=cwnd, initial_rwnd=rwnd)
        common = [index for index in found if not routes[index].source]
        if common and not any(index in exact for index in common):
            best = routes[max(common, key=lambda index: routes[index].prefix)]
            held.append(
                best._replace(
                    destination=destination, prefix=address.max_prefixlen, initial_cwnd=cwnd, initial_rwnd=rwnd
                )
            )
    return tuple(held)


def keeping_windows(routes: Sequence[Route], before: Iterable[Route]) -> tuple[Route, ...]:
    """New routes with the initial windows that routes of the same destinations had ``before``."""
    known = {
        (one.node, one.destination, one.prefix): (one.initial_cwnd, one.initial_rwnd)
        for one in before
        if one.initial_cwnd or one.initial_rwnd
    }
    if not known:
        return tuple(routes)
    return tuple(
        one._replace(initial_cwnd=windows[0], initial_rwnd=windows[1])
        if (windows := known.get((one.node, one.destination, one.prefix)))
        else one
        for one in routes
    )


def _ends(flow: FlowSpec, fabric: Fabric) -> tuple[_Key, _Key]:
    """(source, the target's address), (target, the source's address)."""
    at = fabric.node_address6 if flow.ipv6 and fabric.node_address6 else fabric.node_address
    return (flow.source, at[flow.target]), (flow.target, at[flow.source])


def _most_wished(wishes: Counter[int]) -> int:
    return min(wishes, key=lambda wish: (-wishes[wish], wish))


def _settings(flows: Sequence[FlowSpec]) -> Iterable[SetTransport]:
    ending: dict[str, list[FlowSpec]] = {}
    beginning: dict[str, list[FlowSpec]] = {}
    for flow in flows:
        beginning.setdefault(flow.source, []).append(flow)
        for node in (flow.source, flow.target):
            ending.setdefault(node, []).append(flow)
    for node, some in sorted(ending.items()):
        offers = {name: any(getattr(flow.tcp, name) is not False for flow in some) for name in _OFFERS}
        own = beginning.get(node, ())
        asks = bool(own) and all(flow.tcp.ecn for flow in own)
        if asks or not all(offers.values()):
            yield SetTransport(node=node, ecn=asks, **offers)


def _leads_to(route: Route, destination: str) -> bool:
    return (":" in route.destination) == (":" in destination) and ip_address(destination) in ip_network(
        f"{route.destination}/{route.prefix}", strict=False
    )
