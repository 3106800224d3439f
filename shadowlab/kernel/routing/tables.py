"""The routing tables of a namespace on Linux: its routes, its rules, and the way that a packet would take.

In: a namespace's record.  Out: plain values with the names we gave.  Never: a change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from shadowlab.errors import KernelRefusedError
from shadowlab.kernel.links import LOOPBACK, NamespaceRecord
from shadowlab.kernel.ports import ANYWHERE, MAIN_TABLE, Hop, NextHop, Route, Rule
from shadowlab.wire import routes
from shadowlab.wire.addresses import AF_INET, AF_INET6
from shadowlab.wire.netlink import Request

PROTOCOLS = {"tcp": 6, "udp": 17}
_ADDRESSES_PROTOCOL_PORTS = "55"
"""FIB_MULTIPATH_HASH_FIELD_*: both addresses (1, 2), protocol (4), both ports (16, 32)."""
HASH_FLOWS: Mapping[int, tuple[tuple[str, str], ...]] = {
    family: (
        (f"net/{folder}/fib_multipath_hash_fields", _ADDRESSES_PROTOCOL_PORTS),
        (f"net/{folder}/fib_multipath_hash_policy", "3"),
    )
    for family, folder in ((AF_INET, "ipv4"), (AF_INET6, "ipv6"))
}
"""What makes equal-cost routes hash over the fields of the packet.

Policy 1 takes the same fields, but only of packets that carry no hash yet.  Those of a TCP or connected UDP socket do
(``skb->l4_hash``), a veth does not take it off, and so all routers would choose by the sender's one random number.
"""
_NO_ROUTE = {"ENETUNREACH", "EHOSTUNREACH", "EACCES", "EINVAL"}
"""What a lookup answers for: no route; forwarding off; a prohibiting route; a black hole."""
_KINDS: Mapping[int, Literal["unicast", "blackhole"]] = {
    routes.RTN_UNICAST: "unicast",
    routes.RTN_BLACKHOLE: "blackhole",
}


def in_table(table: int) -> str:
    """`` in table 7``; nothing for the main one."""
    return "" if table == MAIN_TABLE else f" in table {table}"


def describe_route(node: str, destination: str, prefix: int, hops: Sequence[Hop], table: int = MAIN_TABLE) -> str:
    ways = " or ".join([f"via {via} dev {name}" if via is not None else f"dev {name}" for name, via in hops])
    return f"route {destination}/{prefix} {ways}{in_table(table)} in {node}"


def describe_rule(rule: Rule) -> str:
    source = f"from {rule.source} " if rule.source != ANYWHERE else ""
    destination = f"to {rule.destination} " if rule.destination != ANYWHERE else ""
    return f"{source}{destination}by table {rule.table} (priority {rule.priority})"


def route_order(route: Route) -> tuple[int, str, int]:
    """By what routes are sorted: no two of a node are equal in it."""
    return route.table, route.destination, route.prefix


def read_routes(namespace: NamespaceRecord) -> tuple[Route, ...]:
    """Every unicast route and black hole that the kernel did not make by itself."""
    bodies = namespace.netlink.dump(routes.get_routes(), f"read the routes of {namespace.node}")
    found = []
    for one in map(routes.parse_route, bodies):
        if one.kind not in _KINDS or one.cloned or one.protocol == routes.RTPROT_KERNEL:
            continue
        hops = tuple(Hop(namespace.name_of(way.ifindex), way.via) for way in one.hops if not way.dead)
        found.append(Route(one.destination, one.prefix, hops, _KINDS[one.kind], one.table))
    return tuple(sorted(found, key=route_order))


def read_rules(namespace: NamespaceRecord) -> tuple[Rule, ...]:
    """Every rule with the mark of ours."""
    bodies = namespace.netlink.dump(routes.get_rules(), f"read the rules of {namespace.node}")
    return tuple(
        sorted(
            Rule(one.source, one.destination, one.table, one.priority)
            for one in map(routes.parse_rule, bodies)
            if one.protocol == routes.RTPROT_STATIC
        )
    )


def ask_next_hop(namespace: NamespaceRecord, question: Request, tried: str) -> NextHop | None:
    """The answer to :func:`~shadowlab.wire.routes.get_route`; None for no route, a black hole, no forwarding."""
    try:
        answer = routes.parse_route(namespace.netlink.ask(question, tried).body)
    except KernelRefusedError as error:
        if error.errno_name in _NO_ROUTE:
            return None
        raise
    if answer.kind == routes.RTN_LOCAL:
        return NextHop(interface=LOOPBACK, via=None, local=True)
    if answer.kind != routes.RTN_UNICAST or not answer.hops:
        return None
    if routes.passes_through_ipv6(question) and not _forwards_ipv6(namespace, tried):
        return None
    (hop,) = answer.hops
    return NextHop(interface=namespace.name_of(hop.ifindex), via=hop.via, local=False)


def _forwards_ipv6(namespace: NamespaceRecord, tried: str) -> bool:
    return routes.parse_forwarding(namespace.netlink.ask(routes.get_forwarding_ipv6(), tried).body)
