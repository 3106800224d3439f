"""The routing tables of a namespace on Linux: its routes, its rules, and the way that a packet would take.

In: a namespace's record.  Out: plain values with the names we gave.  Never: a change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

from shadowlab.errors import KernelRefusedError
from shadowlab.kernel.links import LOOPBACK, NamespaceRecord
from shadowlab.kernel.ports import ANYWHERE, MAIN_TABLE, Flow, Hop, InitialWindows, NextHop, Route, Rule
from shadowlab.wire import routes
from shadowlab.wire.addresses import AF_INET, AF_INET6, family_of
from shadowlab.wire.flow_hash import flow_hash, mixed, place_of
from shadowlab.wire.netlink import Request
from shadowlab.wire.routes import HopState, RouteState

HASH_SEED = "net/ipv4/fib_multipath_hash_seed"
"""Of both families; since Linux 6.11."""
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
    ways = " or ".join(
        [
            (f"via {via} " if via is not None else "") + f"dev {name}" + (f" weight {weight}" if weight != 1 else "")
            for name, via, weight in hops
        ]
    )
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
        hops = tuple(Hop(namespace.name_of(way.ifindex), way.via, way.weight) for way in one.hops if not way.dead)
        windows = InitialWindows(one.initial_cwnd, one.initial_rwnd)
        found.append(Route(one.destination, one.prefix, hops, _KINDS[one.kind], one.table, windows))
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


class Question(NamedTuple):
    """Where would a packet go: one of the node's own (``arrived_by`` 0), or one that came in by that interface."""

    destination: str
    source: str
    arrived_by: int
    flow: Flow | None

    @property
    def ports(self) -> tuple[int, int, int] | None:
        """The flow as IP protocol, source port, destination port."""
        return None if self.flow is None else (PROTOCOLS[self.flow.protocol], *self.flow[1:])

    @property
    def is_answered_wrongly(self) -> bool:
        """Whether a lookup hashes a flow otherwise than the packets of it are: see :mod:`shadowlab.wire.flow_hash`."""
        ipv6 = family_of(self.destination) == AF_INET6
        return self.flow is not None and self.source != "" and ipv6 == (self.arrived_by != 0)

    def request(self, *, whole_route: bool = False) -> Request:
        return routes.get_route(self.destination, self.source, self.arrived_by, self.ports, whole_route=whole_route)


def ask_next_hop(
    namespace: NamespaceRecord, question: Question, read_seed: Callable[[], int], tried: str
) -> NextHop | None:
    """The kernel's answer; None for no route, a black hole, no forwarding.

    ``read_seed``: the seed of the hash, 0 if it is the kernel's secret.
    """
    try:
        answer = routes.parse_route(namespace.netlink.ask(question.request(), tried).body)
    except KernelRefusedError as error:
        if error.errno_name in _NO_ROUTE:
            return None
        raise
    if answer.kind == routes.RTN_LOCAL:
        return NextHop(interface=LOOPBACK, via=None, local=True)
    if answer.kind != routes.RTN_UNICAST or not answer.hops:
        return None
    if question.arrived_by and family_of(question.destination) == AF_INET6 and not _forwards_ipv6(namespace, tried):
        return None
    (hop,) = answer.hops
    if question.is_answered_wrongly:
        hop = _hop_of_packets(namespace, question, hop, read_seed, tried)
    return NextHop(interface=namespace.name_of(hop.ifindex), via=hop.via, local=False)


def _hop_of_packets(
    namespace: NamespaceRecord, question: Question, told: HopState, read_seed: Callable[[], int], tried: str
) -> HopState:
    """The hop that the flow's packets take, where the lookup ``told`` another hash's.  Computed, and only believed if
    the same computation gives what was told."""
    whole = routes.parse_route(namespace.netlink.ask(question.request(whole_route=True), tried).body)
    if len(whole.hops) < 2 or question.ports is None:
        return told
    seed = read_seed()
    if not seed:
        why = f"of these packets the kernel tells it only under a seed of ours ({HASH_SEED})"
        raise KernelRefusedError(tried=f"{tried}, equal-cost for {question.flow}", errno_name="EOPNOTSUPP", why=why)
    hops = [hop for hop in _in_order(namespace, whole) if not hop.dead]
    plain = flow_hash(question.source, question.destination, question.ports, seed)
    weights = [hop.weight for hop in hops]
    of_transit, of_own = (hops[place_of(hashed, weights)] for hashed in (mixed(plain), plain))
    of_packets, of_lookup = (of_transit, of_own) if question.arrived_by else (of_own, of_transit)
    if of_lookup[:2] != told[:2]:
        why = f"this kernel hashes flows in a way of its own: {told} instead of {of_lookup}"
        raise KernelRefusedError(tried=tried, errno_name="EOPNOTSUPP", why=why)
    return of_packets


def _in_order(namespace: NamespaceRecord, whole: RouteState) -> tuple[HopState, ...]:
    """The ways of a route in the order in which the kernel divides the hashes among them.

    Asked for one route of IPv6 it begins with the way that it chose; in a dump it does not.
    """
    if family_of(whole.destination) != AF_INET6:
        return whole.hops
    key = (whole.destination, whole.prefix, whole.table)
    if key not in namespace.ways:
        bodies = namespace.netlink.dump(routes.get_routes(), f"read the routes of {namespace.node}")
        states = map(routes.parse_route, bodies)
        namespace.ways = {(one.destination, one.prefix, one.table): one.hops for one in states if len(one.hops) > 1}
    return namespace.ways.get(key, whole.hops)


def _forwards_ipv6(namespace: NamespaceRecord, tried: str) -> bool:
    return routes.parse_forwarding(namespace.netlink.ask(routes.get_forwarding_ipv6(), tried).body)


def hash_seed(read: Callable[[], str]) -> int:
    """What :data:`HASH_SEED` is set to; 0: this kernel has none."""
    try:
        return int(read())
    except KernelRefusedError as error:
        if error.errno_name == "ENOENT":
            return 0
        raise
