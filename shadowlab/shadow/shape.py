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
    RemoveNode,
    RemoveRoute,
    SetLinkState,
    SetRoute,
    ingress_device,
)

Impair = ImpairEgress | ImpairIngress
RouteKey = tuple[str, str, int]
"""Node, destination, prefix."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The network that stands.  ``impairments`` by (node, device of the queue); one that does nothing is left out."""

    nodes: Mapping[str, CreateNode] = field(default_factory=dict)
    links: Mapping[str, CreateLink] = field(default_factory=dict)
    up: frozenset[str] = frozenset()
    impairments: Mapping[tuple[str, str], Impair] = field(default_factory=dict)
    routes: Mapping[RouteKey, SetRoute] = field(default_factory=dict)

    @property
    def fabric(self) -> Fabric:
        """The addresses, names and MACs in use."""
        return Fabric(
            node_address={node.node: node.address for node in self.nodes.values()},
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
    impairments, routes = dict(start.impairments), dict(start.routes)

    def forget_routes(ends: frozenset[tuple[str, str]]) -> None:
        for key in [key for key, route in routes.items() if (route.node, route.interface) in ends]:
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
                routes[op.node, op.destination, op.prefix] = op
            case SetLinkState():
                up.discard(op.link)
                if op.up:
                    up.add(op.link)
                else:
                    forget_routes(frozenset({(op.node_a, op.name_a), (op.node_b, op.name_b)}))
            case RemoveRoute():
                routes.pop((op.node, op.destination, op.prefix), None)
            case RemoveLink():
                links.pop(op.link, None)
                up.discard(op.link)
                gone = devices_of(op)
                forget_routes(gone)
                for device in gone:
                    impairments.pop(device, None)
            case RemoveNode():
                nodes.pop(op.node, None)
    return Shape(nodes=nodes, links=links, up=frozenset(up), impairments=impairments, routes=routes)


def _ends(link: CreateLink) -> tuple[Interface, Interface]:
    a = (link.node_a, link.name_a, link.address_a, link.mac_a)
    b = (link.node_b, link.name_b, link.address_b, link.mac_b)
    return _interface(link, a, b), _interface(link, b, a)


def _interface(link: CreateLink, near: tuple[str, str, str, str], far: tuple[str, str, str, str]) -> Interface:
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
    )
