"""A network becomes a list of operations, and so does every change to it.

In: a network, its fabric, its routes.  Out: operations, in the order in which they must be executed.
Never: an effect; never a decision about addresses or routes, which ``topology`` took.

Where a direction is impaired: at its router's egress, or its segment's (the port of the bridge); but if it leaves an
instance, where it *arrives*, through an IFB.  netem on the originating host's own interface would take the packet from
its socket, which defeats TCP small queues, and would report an overflow to TCP as a local refusal instead of losing a
packet.

A direction with a queue discipline has two devices (``Impairment.split``), one netem or one shaper on each: several
netems in one tree are refused by recent kernels when one of them duplicates.  The shaper stands where a plain netem
would, so the backlog is where the bottleneck is and is watched there.  The delay line stands at the other end:

- The direction leaves a router: on the arrival's IFB, *behind* the shaper.  It keeps the rate, and nothing waits in it;
  but the credit that any shaper holds lets a packet through at once that on a wire would take its time.  So departures
  are those of a wire to the nanosecond.
- The direction leaves an instance: on the instance's own interface, *before* the shaper, without a rate.  The two
  reasons against it do not hold for a delay line: a veth takes the packet from its socket at once in any case, a buffer
  that never binds never overflows, and netem's losses are not told to the sender.  Here a packet that finds the link
  idle arrives by its own length on the wire too early.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import permutations

from shadowlab.model.fabric import Fabric, Interface, Route
from shadowlab.model.impairment import DEFAULT_MTU, Impairment
from shadowlab.model.network import Direction, Link, Network
from shadowlab.shadow.ops import (
    CreateLink,
    CreateNode,
    ImpairEgress,
    ImpairIngress,
    Op,
    RemoveRoute,
    SetLinkState,
    SetNeighbour,
    SetRoute,
    SetTransport,
    ingress_device,
)

__all__ = ["build_plan", "impair_ops", "ingress_device", "link_state_ops", "route_ops"]


def build_plan(
    network: Network, fabric: Fabric, routes: Sequence[Route], transport: Sequence[SetTransport] = ()
) -> tuple[Op, ...]:
    """Everything from nothing: nodes and what their TCP offers, links, impairments, then links up, then routes.

    Impairments come before a link goes up: attaching a queueing discipline to a running interface costs half as much
    again.  Routes come last: the kernel takes none by an interface that is down.
    """
    return (
        *(_create_node(network, fabric, node.id) for node in network.nodes),
        *transport,
        *(_create_link(fabric, link) for link in network.links),
        *_neighbours(fabric),
        *(
            op
            for direction in network.directions
            if _leaves_router(network, direction) or _impairs(network.impairment(direction))
            for op in impair_ops(fabric, network, direction, network.impairment(direction))
        ),
        *(op for link in network.links if link.up for op in link_state_ops(fabric, link, up=True)),
        *map(_set_route, routes),
    )


def impair_ops(
    fabric: Fabric, network: Network, direction: Direction, impairment: Impairment
) -> tuple[ImpairEgress | ImpairIngress, ...]:
    """Give ``direction`` this impairment, where it is to be placed; ``network`` says what it has now.

    Raises KeyError for a direction that is not in the map, ValueError for an impairment that contradicts itself."""
    impairment.check()
    from_router = _leaves_router(network, direction)
    queue, line = _at_source, _at_arrival
    if not from_router:
        queue, line = line, queue
    if impairment.split:
        delay_line = impairment.delay_line(serialise=from_router)
        return line(fabric, direction, delay_line), queue(fabric, direction, impairment.queue_part())
    plain = queue(fabric, direction, impairment)
    if network.impairment(direction).split:  # its delay line is to do nothing more
        return plain, line(fabric, direction, Impairment())
    return (plain,)


def _at_source(fabric: Fabric, direction: Direction, impairment: Impairment) -> ImpairEgress | ImpairIngress:
    one = fabric.by_direction[direction]
    return ImpairEgress(node=one.node, interface=one.name, direction=str(direction), impairment=impairment)


def _at_arrival(fabric: Fabric, direction: Direction, impairment: Impairment) -> ImpairEgress | ImpairIngress:
    one = fabric.by_direction[direction]
    return ImpairIngress(node=one.peer, interface=one.peer_name, direction=str(direction), impairment=impairment)


def link_state_ops(fabric: Fabric, link: Link, *, up: bool, routes: Sequence[Route] = ()) -> tuple[Op, ...]:
    """Take a link down or up.

    The kernel forgets the routes by a link that goes down.  Up again, those of ``routes`` that go by it are installed
    (leave it empty where routing converges by itself, later).
    """
    a, b = (fabric.by_direction[direction] for direction in link.directions)
    switch = SetLinkState(link=link.id, node_a=a.node, name_a=a.name, node_b=b.node, name_b=b.name, up=up)
    ends = {(a.node, a.name), (b.node, b.name)}
    by_it = (route for route in routes if any((route.node, hop[1]) in ends for hop in route.hops))
    return (switch, *(_set_route(route) for route in by_it if up))


def route_ops(old: Sequence[Route], new: Sequence[Route]) -> tuple[SetRoute | RemoveRoute, ...]:
    """What leads from the routes ``old`` to ``new``: only what differs.

    A destination that ``new`` does not reach any more keeps its old route: there is no better one.  An exception for
    one source goes when ``new`` has none: there the common route is better.
    """
    held = set(old)
    kept = {(route.node, route.destination, route.source) for route in new if route.source}
    ended = (
        RemoveRoute(
            node=route.node,
            destination=route.destination,
            prefix=route.prefix,
            source=route.source,
            table=route.table,
        )
        for route in old
        if route.source and (route.node, route.destination, route.source) not in kept
    )
    return (*ended, *(_set_route(route) for route in new if route not in held))


def _create_node(network: Network, fabric: Fabric, node: str) -> CreateNode:
    forwards = network.nodes_by_id[node].kind == "router"
    seed = zlib.crc32(f"{network.name}\n{node}".encode()) or 1
    return CreateNode(
        node=node,
        address=fabric.node_address[node],
        forwards=forwards,
        address6=fabric.node_address6.get(node, ""),
        ipv6=network.ipv6,
        hash_seed=seed if network.ecmp and network.nodes_by_id[node].kind != "segment" else 0,
    )


def _neighbours(fabric: Fabric) -> Iterator[SetNeighbour]:
    """Who is who on each segment: every member is told of every other."""
    members: dict[str, list[Interface]] = {}
    for one in fabric.interfaces:
        if one.address and not one.peer_address:
            members.setdefault(one.peer, []).append(one)
    for some in members.values():
        for one, other in permutations(some, 2):
            if one.node == other.node:
                continue
            for address in filter(None, (other.address, other.address6)):
                yield SetNeighbour(node=one.node, interface=one.name, address=address, mac=other.mac)


def _create_link(fabric: Fabric, link: Link) -> CreateLink:
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
        mtu=link.mtu,
        offload=link.offload,
        address6_a=a.address6,
        address6_b=b.address6,
        prefix6=a.prefix6,
    )


def _set_route(route: Route) -> SetRoute:
    node, destination, prefix, via, interface, others, source, table, initial_cwnd, initial_rwnd, weights = route
    return SetRoute(
        node=node,
        destination=destination,
        prefix=prefix,
        via=via,
        interface=interface,
        others=others,
        source=source,
        table=table,
        initial_cwnd=initial_cwnd,
        initial_rwnd=initial_rwnd,
        weights=weights,
    )


def _leaves_router(network: Network, direction: Direction) -> bool:
    """Or a segment: whatever passes packets on and ends no connection."""
    return network.nodes_by_id[direction.source].kind != "host"


def _impairs(impairment: Impairment) -> bool:
    """Whether it does anything.  A buffer alone does not: without a rate nothing ever waits in it."""
    return replace(impairment, queue_packets=1, mtu=DEFAULT_MTU) != Impairment(queue_packets=1)
