"""What leads from the network that stands to the one that is wanted, and nothing else.

In: two shapes.  Out: changes, each an operation with its reason, in the order in which they must be executed.
Never: an effect; never a change to what is the same in both.

The order loses no packet that need not be lost: what is new comes first, then routes move over to it, and only then
goes what nobody is led over any more.  A link or node that must be made anew (another end, another address) goes
first, for the new one carries its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network, ip_network

from shadowlab.model.impairment import Impairment
from shadowlab.shadow.ops import (
    CreateLink,
    ImpairEgress,
    Op,
    RemoveLink,
    RemoveNeighbour,
    RemoveNode,
    RemoveRoute,
    SetLinkState,
    SetRoute,
    way_words,
)
from shadowlab.shadow.shape import Impair, Shape, devices_of, shape_of

Prefix = IPv4Network | IPv6Network


@dataclass(frozen=True, kw_only=True)
class Change:
    """One operation and why it is needed."""

    op: Op
    reason: str

    def describe(self) -> str:
        return f"{self.op.describe()} ({self.reason})"


def diff(live: Shape, wanted: Shape) -> tuple[Change, ...]:
    """The changes after which ``live`` is ``wanted``: ``shape_of(ops, live) == wanted``.  Empty if it is so already.

    Routes that the kernel forgets when a link goes down or away are set again where they are still wanted.
    """
    first = tuple(_made_anew(live, wanted))
    standing = shape_of((change.op for change in first), live)
    built = (
        *_nodes(standing, wanted),
        *_links(standing, wanted),
        *_neighbours(standing, wanted),
        *_impairments(standing, wanted),
    )
    switched = tuple(_states(standing, wanted))
    standing = shape_of((change.op for change in (*built, *switched)), standing)
    removed = tuple(_gone(standing, wanted))
    left = shape_of((change.op for change in removed if isinstance(change.op, RemoveLink)), standing)
    routes = (*_stale_rules(live, wanted), *_routes(standing, wanted), *_stale_routes(left, wanted))
    return (*first, *built, *switched, *routes, *_stale_neighbours(left, wanted), *removed)


def _made_anew(live: Shape, wanted: Shape) -> Iterator[Change]:
    nodes = {name for name, node in live.nodes.items() if wanted.nodes.get(name, node) != node}
    for name, link in live.links.items():
        want = wanted.links.get(name)
        moved = sorted(nodes & {link.node_a, link.node_b})
        if want is not None and want != link:
            yield Change(op=_remove_link(link), reason=f"to be made anew: {_difference(link, want)}")
        elif moved:
            yield Change(op=_remove_link(link), reason=f"its end {moved[0]} is to be made anew")
    for name in live.nodes:
        if name in nodes:
            yield Change(op=RemoveNode(node=name), reason=f"to be made anew: {_node_difference(live, wanted, name)}")


def _difference(have: CreateLink, want: CreateLink) -> str:
    if (have.node_a, have.node_b) != (want.node_a, want.node_b):
        return f"its ends are {want.node_a} and {want.node_b} on the map"
    if have.offload != want.offload:
        return f"segmentation offload {'on' if want.offload else 'off'}"
    return f"MTU {want.mtu}" if have.mtu != want.mtu else "its addresses or names differ"


def _node_difference(live: Shape, wanted: Shape, name: str) -> str:
    have, want = live.nodes[name], wanted.nodes[name]
    if have.ipv6 != want.ipv6:
        return f"IPv6 {'on' if want.ipv6 else 'off'}"
    if have.hash_seed != want.hash_seed:
        return f"equal-cost multipath {'on' if want.hash_seed else 'off'}"
    return "its address or kind differs from the map"


def _neighbours(live: Shape, wanted: Shape) -> Iterator[Change]:
    for key, want in wanted.neighbours.items():
        if live.neighbours.get(key) != want:
            yield Change(op=want, reason="new on its segment")


def _nodes(live: Shape, wanted: Shape) -> Iterator[Change]:
    for name, node in wanted.nodes.items():
        if name not in live.nodes:
            yield Change(op=node, reason="new on the map")


def _links(live: Shape, wanted: Shape) -> Iterator[Change]:
    for name, link in wanted.links.items():
        if name not in live.links:
            yield Change(op=link, reason="new on the map")


def _impairments(live: Shape, wanted: Shape) -> Iterator[Change]:
    """In place: packets in a queue stay, and what is to be without is set to nothing rather than taken away."""
    for key, want in wanted.impairments.items():
        have = live.impairments.get(key)
        if have is None or (have.impairment, have.direction) != (want.impairment, want.direction):
            words = have.impairment.describe() if have is not None else "nothing"
            yield Change(op=want, reason=f"it is {words}" if have is not None else "new on the map")
    kept = {key for link in wanted.links.values() for key in devices_of(link)}
    for key, have in live.impairments.items():
        if key not in wanted.impairments and key in kept:
            yield Change(op=_without(have), reason="the map wants none")


def _without(op: Impair) -> Impair:
    if isinstance(op, ImpairEgress):
        return replace(op, impairment=Impairment())
    return replace(op, impairment=Impairment())


def _states(live: Shape, wanted: Shape) -> Iterator[Change]:
    for name, link in wanted.links.items():
        if (name in live.up) != (name in wanted.up):
            up = name in wanted.up
            op = SetLinkState(
                link=name, node_a=link.node_a, name_a=link.name_a, node_b=link.node_b, name_b=link.name_b, up=up
            )
            yield Change(op=op, reason=f"it is {'down' if up else 'up'}")


def _routes(live: Shape, wanted: Shape) -> Iterator[Change]:
    for key, want in wanted.routes.items():
        have = live.routes.get(key)
        if have != want:
            yield Change(op=want, reason=_route_reason(have))


def _route_reason(have: SetRoute | None) -> str:
    if have is None:
        return "there is none"
    if not have.via:
        return "it is a black hole"
    return f"it leads {way_words(have.hops, have.weights)}"


def _stale_routes(live: Shape, wanted: Shape) -> Iterator[Change]:
    """Those that do not go by themselves with their link or node."""
    prefixes: dict[str, list[Prefix]] = {}
    for key, have in live.routes.items():
        if key in wanted.routes or have.node not in wanted.nodes or have.source:
            continue
        if not prefixes:
            for route in wanted.routes.values():
                prefixes.setdefault(route.node, []).append(_prefix(route))
        gone = _prefix(have)
        others = (one for one in prefixes.get(have.node, ()) if one.version == gone.version)
        other = next((one for one in others if _overlap(one, gone)), None)
        reason = f"its hosts are led by {other} now" if other else "the map leads nobody there"
        yield Change(op=_remove_route(have), reason=reason)


def _prefix(route: SetRoute) -> Prefix:
    return ip_network((route.destination, route.prefix))


def _overlap(one: Prefix, other: Prefix) -> bool:
    length = min(one.prefixlen, other.prefixlen)
    return (int(one.network_address) ^ int(other.network_address)) >> (one.max_prefixlen - length) == 0


def _stale_rules(live: Shape, wanted: Shape) -> Iterator[Change]:
    """Routes of a source: they have a rule, which does not go with any link.  Before new ones, which may take over
    their table."""
    for key, have in live.routes.items():
        if have.source and key not in wanted.routes and wanted.nodes.get(have.node) == live.nodes.get(have.node):
            yield Change(op=_remove_route(have), reason="the map makes no exception there")


def _remove_route(have: SetRoute) -> RemoveRoute:
    return RemoveRoute(
        node=have.node, destination=have.destination, prefix=have.prefix, source=have.source, table=have.table
    )


def _stale_neighbours(live: Shape, wanted: Shape) -> Iterator[Change]:
    for key, have in live.neighbours.items():
        if key not in wanted.neighbours:
            op = RemoveNeighbour(node=have.node, interface=have.interface, address=have.address)
            yield Change(op=op, reason="not on its segment any more")


def _gone(live: Shape, wanted: Shape) -> Iterator[Change]:
    for name, link in live.links.items():
        if name not in wanted.links:
            yield Change(op=_remove_link(link), reason="not on the map")
    for name in live.nodes:
        if name not in wanted.nodes:
            yield Change(op=RemoveNode(node=name), reason="not on the map")


def _remove_link(link: CreateLink) -> RemoveLink:
    return RemoveLink(link=link.link, node_a=link.node_a, name_a=link.name_a, node_b=link.node_b, name_b=link.name_b)
