"""What a list of operations amounts to: the network as it stands after them.

In: operations, in the order in which they were executed.  Out: a shape, the same for the same end whatever the way;
and the fabric it uses.  Never: an effect, and nothing read from a kernel.

A plan's shape is what is wanted, a ledger's is what is there; the two are compared by :mod:`shadowlab.shadow.diff`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from shadowlab.model.fabric import Fabric, Interface
from shadowlab.model.impairment import Impairment
from shadowlab.shadow.ops import (
    CreateLink,
    CreateNode,
    ImpairEgress,
    ImpairIngress,
    Op,
    RemoveLink,
    RemoveNeighbour,
    RemoveNode,
    RemoveRoute,
    SetLinkState,
    SetNeighbour,
    SetRoute,
    SetTransport,
    ingress_device,
)

Impair = ImpairEgress | ImpairIngress
RouteKey = tuple[str, str, int, str]
"""Node, destination, prefix, source."""
NeighbourKey = tuple[str, str, str]
"""Node, interface, address."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The network that stands.  ``impairments`` by (node, device of the queue); one that does nothing is left out."""

    nodes: Mapping[str, CreateNode] = field(default_factory=dict)
    links: Mapping[str, CreateLink] = field(default_factory=dict)
    up: frozenset[str] = frozenset()
    impairments: Mapping[tuple[str, str], Impair] = field(default_factory=dict)
    routes: Mapping[RouteKey, SetRoute] = field(default_factory=dict)
    neighbours: Mapping[NeighbourKey, SetNeighbour] = field(default_factory=dict)
    transport: Mapping[str, SetTransport] = field(default_factory=dict)

    @property
    def fabric(self) -> Fabric:
        """The addresses, names and MACs in use."""
        return Fabric(
            node_address={node.node: node.address for node in self.nodes.values()},
            node_address6={node.node: node.address6 for node in self.nodes.values() if node.ipv6},
            interfaces=tuple(end for link in self.links.values() for end in _ends(link)),
        )


EMPTY = Shape()


def does_nothing(impairment: Impairment) -> bool:
    """Whether packets pass unharmed.  A buffer alone is nothing: without a rate nothing waits in it."""
    neutral = Impairment()
    return replace(impairment, queue_packets=neutral.queue_packets, mtu=neutral.mtu) == neutral


def device_of(op: Impair) -> str:
    """The interface whose queue an impairment is."""
    return op.device if isinstance(op, ImpairIngress) else op.interface


def devices_of(link: CreateLink | RemoveLink) -> frozenset[tuple[str, str]]:
    """The (node, device) that go when a link goes."""
    ends = ((link.node_a, link.name_a), (link.node_b, link.name_b))
    return frozenset(ends) | {(node, ingress_device(name)) for node, name in ends}


def shape_of(ops: Iterable[Op], start: Shape = EMPTY) -> Shape:
    """``start`` after ``ops``."""
    nodes, links, up = dict(start.nodes), dict(start.links), set(start.up)
    impairments, routes, neighbours = dict(start.impairments), dict(start.routes), dict(start.neighbours)
    transport = dict(start.transport)

    def forget_routes(ends: frozenset[tuple[str, str]], *, by_any: bool) -> None:
        """Those by these interfaces.  One that has further hops outlives an interface that is down.  Of one that is
        gone IPv4 loses every route with a hop there, IPv6 the hop."""
        for key, route in tuple(routes.items()):
            left = tuple(hop for hop in route.hops if (route.node, hop[1]) not in ends)
            if left == route.hops or (left and not by_any):
                continue
            if left and ":" in route.destination:
                kept = [
                    weight
                    for hop, weight in zip(route.hops, route.weights, strict=False)
                    if (route.node, hop[1]) not in ends
                ]
                weights = tuple(kept) if len(set(kept)) > 1 else ()
                routes[key] = replace(route, via=left[0][0], interface=left[0][1], others=left[1:], weights=weights)
            else:
                del routes[key]

    for op in ops:
        match op:
            case CreateNode():
                nodes[op.node] = op
            case CreateLink():
                links[op.link] = op
            case ImpairEgress() | ImpairIngress():
                impairments.pop((op.node, device_of(op)), None)
                if not does_nothing(op.impairment):
                    impairments[op.node, device_of(op)] = op
            case SetRoute():
                routes[op.node, op.destination, op.prefix, op.source] = op
            case SetLinkState():
                up.discard(op.link)
                if op.up:
                    up.add(op.link)
                else:
                    forget_routes(frozenset({(op.node_a, op.name_a), (op.node_b, op.name_b)}), by_any=False)
            case RemoveRoute():
                routes.pop((op.node, op.destination, op.prefix, op.source), None)
            case SetTransport():
                transport[op.node] = op
            case SetNeighbour():
                neighbours[op.node, op.interface, op.address] = op
            case RemoveNeighbour():
                neighbours.pop((op.node, op.interface, op.address), None)
            case RemoveLink():
                links.pop(op.link, None)
                up.discard(op.link)
                gone = devices_of(op)
                forget_routes(gone, by_any=True)
                for neighbour in [one for one in neighbours if one[:2] in gone]:
                    del neighbours[neighbour]
                for device in gone:
                    impairments.pop(device, None)
            case RemoveNode():
                nodes.pop(op.node, None)
                transport.pop(op.node, None)
                for route in [key for key in routes if key[0] == op.node]:
                    del routes[route]  # black holes, which no link takes along
            case _:
                pass
    return Shape(
        nodes=nodes,
        links=links,
        up=frozenset(up),
        impairments=impairments,
        routes=routes,
        neighbours=neighbours,
        transport=transport,
    )


def _ends(link: CreateLink) -> tuple[Interface, Interface]:
    a = (link.node_a, link.name_a, link.address_a, link.mac_a, link.address6_a)
    b = (link.node_b, link.name_b, link.address_b, link.mac_b, link.address6_b)
    return _interface(link, a, b), _interface(link, b, a)


def _interface(link: CreateLink, near: tuple[str, ...], far: tuple[str, ...]) -> Interface:
    return Interface(
        node=near[0],
        name=near[1],
        link=link.link,
        peer=far[0],
        peer_name=far[1],
        address=near[2],
        peer_address=far[2],
        prefix=link.prefix,
        mac=near[3],
        peer_mac=far[3],
        address6=near[4],
        peer_address6=far[4],
        prefix6=link.prefix6,
    )
