"""A network becomes a list of operations, and so does every change to it.

In: a network, its fabric, its routes.  Out: operations, in the order in which they must be executed.
Never: an effect; never a decision about addresses or routes, which ``topology`` took.

Where a direction is impaired: at its router's egress; but if it leaves an instance, where it *arrives*, through an IFB.
netem on the originating host's own interface would take the packet from its socket, which defeats TCP small queues,
and would report an overflow to TCP as a local refusal instead of losing a packet.
"""

from __future__ import annotations

from collections.abc import Sequence

from shadowlab.model.fabric import Fabric, Interface, Route
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Direction, Link, Network
from shadowlab.shadow.ops import (
    CreateLink,
    CreateNode,
    ImpairEgress,
    ImpairIngress,
    Op,
    SetLinkState,
    SetRoute,
    ingress_device,
)

__all__ = ["build_plan", "change_impairment", "ingress_device", "link_state_ops", "route_ops"]

DEFAULT_MTU = 1500


def build_plan(network: Network, fabric: Fabric, routes: Sequence[Route], *, mtu: int = DEFAULT_MTU) -> tuple[Op, ...]:
    """Everything from nothing: nodes, links, impairments, then links up, then routes.

    Impairments come before a link goes up: attaching a queueing discipline to a running interface costs half as much
    again.  Routes come last: the kernel takes none by an interface that is down.
    """
    return (
        *(_create_node(network, fabric, node.id) for node in network.nodes),
        *(_create_link(fabric, link, mtu) for link in network.links),
        *(
            change_impairment(fabric, network, direction, network.impairment(direction))
            for direction in network.directions
            if _leaves_router(network, direction) or _impairs(network.impairment(direction))
        ),
        *(op for link in network.links for op in link_state_ops(fabric, link, up=True)),
        *map(_set_route, routes),
    )


def change_impairment(
    fabric: Fabric, network: Network, direction: Direction, impairment: Impairment
) -> ImpairEgress | ImpairIngress:
    """Give ``direction`` this impairment, where it is to be placed.  Raises KeyError for one that is not in the map."""
    interface = fabric.by_direction[direction]
    if _leaves_router(network, direction):
        return ImpairEgress(
            node=interface.node, interface=interface.name, direction=str(direction), impairment=impairment
        )
    return ImpairIngress(
        node=interface.peer, interface=interface.peer_name, direction=str(direction), impairment=impairment
    )


def link_state_ops(fabric: Fabric, link: Link, *, up: bool, routes: Sequence[Route] = ()) -> tuple[Op, ...]:
    """Take a link down or up.

    The kernel forgets the routes by a link that goes down.  Up again, those of ``routes`` that go by it are installed
    (leave it empty where routing converges by itself, later).
    """
    a, b = (fabric.by_direction[direction] for direction in link.directions)
    switch = SetLinkState(link=link.id, node_a=a.node, name_a=a.name, node_b=b.node, name_b=b.name, up=up)
    ends = {(a.node, a.name), (b.node, b.name)}
    return (switch, *(_set_route(route) for route in routes if up and (route.node, route.interface) in ends))


def route_ops(old: Sequence[Route], new: Sequence[Route]) -> tuple[SetRoute, ...]:
    """What leads from the routes ``old`` to ``new``: only what differs.

    A destination that ``new`` does not reach any more keeps its old route: there is no better one.
    """
    held = set(old)
    return tuple(_set_route(route) for route in new if route not in held)


def _create_node(network: Network, fabric: Fabric, node: str) -> CreateNode:
    return CreateNode(node=node, address=fabric.node_address[node], forwards=network.nodes_by_id[node].kind == "router")


def _create_link(fabric: Fabric, link: Link, mtu: int) -> CreateLink:
    a: Interface
    b: Interface
    a, b = (fabric.by_direction[direction] for direction in link.directions)
    return CreateLink(
        link=link.id,
        node_a=a.node,
        name_a=a.name,
        address_a=a.address,
        mac_a=a.mac,
        node_b=b.node,
        name_b=b.name,
        address_b=b.address,
        mac_b=b.mac,
        prefix=a.prefix,
        mtu=mtu,
    )


def _set_route(route: Route) -> SetRoute:
    return SetRoute(
        node=route.node,
        destination=route.destination,
        prefix=route.prefix,
        via=route.via,
        interface=route.interface,
    )


def _leaves_router(network: Network, direction: Direction) -> bool:
    return network.nodes_by_id[direction.source].kind == "router"


def _impairs(impairment: Impairment) -> bool:
    """Whether it does anything.  A buffer alone does not: without a rate nothing ever waits in it."""
    return bool(impairment.delay_ns or impairment.jitter_ns or impairment.loss or impairment.rate_bps is not None)
