"""Does the kernel still hold what was asked of it?

In: a shape, a segment.  Out: every attribute of every object that differs, named.  Never: a change, and no packet.
Imported inside the guest: standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol, TypeVar

from shadowlab.kernel.ports import KERNELS_WINDOWS, MAIN_TABLE, InitialWindows, Segment
from shadowlab.model.impairment import Impairment
from shadowlab.model.queue import Shaper
from shadowlab.shadow.apply import FORWARDING, FORWARDING6, LOOPBACK
from shadowlab.shadow.ops import (
    BRIDGE,
    CreateLink,
    ImpairEgress,
    ImpairIngress,
    Op,
    SetLinkState,
    SetNeighbour,
    SetRoute,
    window_words,
)
from shadowlab.shadow.shape import Shape, devices_of

_Key = TypeVar("_Key")
_Held = TypeVar("_Held", ImpairEgress | ImpairIngress, SetRoute, SetNeighbour)
_SUPER_PACKETS = 2
"""``gso_max_segs`` from which a packet of the socket layer may be larger than the MTU."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One attribute that is not as it was wished.  ``held`` is ``none`` for an object that is not there."""

    place: str
    attribute: str
    wished: str
    held: str

    def describe(self) -> str:
        return f"{self.place}: {self.attribute} should be {self.wished}, the kernel holds {self.held}"


class LinkView(Protocol):
    """What the kernel tells of an interface."""

    @property
    def up(self) -> bool: ...
    @property
    def mtu(self) -> int: ...
    @property
    def mac(self) -> str: ...
    @property
    def gso_max_segs(self) -> int: ...


class ReadDoor(Segment, Protocol):
    """A segment that also tells what only Linux knows."""

    def link_states(self, node: str) -> Mapping[str, LinkView]: ...
    def queue_differences(
        self, node: str, wanted: Mapping[str, Impairment | Shaper | None]
    ) -> tuple[tuple[str, str, object, object], ...]: ...


def part_of(shape: Shape, links: Iterable[str]) -> Shape:
    """The shape that some links touch: they, their ends, and what those nodes hold."""
    kept = {name: shape.links[name] for name in links}
    nodes = {node for link in kept.values() for node in (link.node_a, link.node_b)}
    near = {name: link for name, link in shape.links.items() if {link.node_a, link.node_b} & nodes}
    return replace(
        shape,
        nodes={name: node for name, node in shape.nodes.items() if name in nodes},
        links=near,
        up=shape.up & set(near),
        impairments={key: op for key, op in shape.impairments.items() if key[0] in nodes},
        routes={key: op for key, op in shape.routes.items() if key[0] in nodes},
        neighbours={key: op for key, op in shape.neighbours.items() if key[0] in nodes},
        transport={name: op for name, op in shape.transport.items() if name in nodes},
    )


def ops_of(shape: Shape) -> tuple[Op, ...]:
    """Operations that amount to the shape."""
    return (
        *shape.nodes.values(),
        *shape.transport.values(),
        *shape.links.values(),
        *shape.neighbours.values(),
        *shape.impairments.values(),
        *(_raise(shape.links[name]) for name in sorted(shape.up)),
        *shape.routes.values(),
    )


def _raise(link: CreateLink) -> SetLinkState:
    return SetLinkState(
        link=link.link, node_a=link.node_a, name_a=link.name_a, node_b=link.node_b, name_b=link.name_b, up=True
    )


def differences(shape: Shape, segment: ReadDoor) -> Iterator[Difference]:
    """Whatever of a shape's nodes the kernel holds otherwise, node by node."""
    standing = set(segment.namespaces())
    parts = _by_node(shape)
    for node in shape.nodes:
        if node in standing:
            yield from _of_node(parts[node], segment, node)
        else:
            yield Difference(place=node, attribute="namespace", wished="there", held="none")


def _by_node(shape: Shape) -> dict[str, Shape]:
    """For each node what touches it: looking through everything for every node would take n² steps."""
    links: dict[str, dict[str, CreateLink]] = {node: {} for node in shape.nodes}
    for name, link in shape.links.items():
        for node in {link.node_a, link.node_b} & links.keys():  # of a part of a lab some links lead out of it
            links[node][name] = link
    impairments = _sorted_by_node(shape, shape.impairments)
    routes, neighbours = _sorted_by_node(shape, shape.routes), _sorted_by_node(shape, shape.neighbours)
    return {
        node: Shape(
            nodes={node: op},
            links=links[node],
            up=shape.up,
            impairments=impairments[node],
            routes=routes[node],
            neighbours=neighbours[node],
            transport={node: shape.transport[node]} if node in shape.transport else {},
        )
        for node, op in shape.nodes.items()
    }


def _sorted_by_node(shape: Shape, ops: Mapping[_Key, _Held]) -> dict[str, dict[_Key, _Held]]:
    found: dict[str, dict[_Key, _Held]] = {node: {} for node in shape.nodes}
    for key, op in ops.items():
        found[op.node][key] = op
    return found


def _of_node(shape: Shape, segment: ReadDoor, node: str) -> Iterator[Difference]:
    wish = shape.nodes[node]
    yield from _pair(node, "forwarding", str(int(wish.forwards)), segment.read_sysctl(node, FORWARDING).strip())
    if wish.address6:
        forwards = segment.read_sysctl(node, FORWARDING6).strip()
        yield from _pair(node, "IPv6 forwarding", str(int(wish.forwards)), forwards)
    if node in shape.transport:
        for key, value in shape.transport[node].settings:
            yield from _pair(node, key, value, segment.read_sysctl(node, key).strip())
    ends = _ends(shape, node)
    yield from _interfaces(shape, segment, node, ends)
    wished = {(LOOPBACK, wish.address, 32), (LOOPBACK, wish.address6, 128)}
    wished |= {(name, address, prefix) for name, one in ends.items() for address, prefix, _ in one.addresses}
    addresses = {one for one in wished if one[1]}
    yield from _sets(node, "address", _slashed(addresses), _slashed(segment.addresses(node)))
    ports = {f"{name} of {BRIDGE}" for name, one in ends.items() if not one.addresses[0][0]}
    yield from _sets(node, "port", ports, {f"{name} of {bridge}" for bridge, name in segment.bridge_ports(node)})
    held = {f"{peer} at {mac} by {name}" for name, peer, mac in segment.neighbours(node)}
    yield from _sets(node, "neighbour", _neighbours(shape, node, ends), held)
    routes = [one for one in shape.routes.values() if one.node == node]
    installed = {
        _route_words(one.destination, one.prefix, one.hops, one.kind, one.table, one.windows)
        for one in segment.routes(node)
    }
    yield from _sets(node, "route", map(_wished_route, routes), installed)
    rules = {f"from {one.source} to {one.destination} in table {one.table}" for one in segment.rules(node)}
    yield from _sets(node, "rule", {_wished_rule(one) for one in routes if one.source}, rules)
    yield from _queues(shape, segment, node)


def _neighbours(shape: Shape, node: str, ends: Mapping[str, _End]) -> set[str]:
    """Those of its links, and those of its segments."""
    known = {
        (name, peer, one.peer_mac)
        for name, one in ends.items()
        for address, _, peer in one.addresses
        if address and peer
    }
    known |= {(op.interface, op.address, op.mac) for op in shape.neighbours.values() if op.node == node}
    return {f"{peer} at {mac} by {name}" for name, peer, mac in known}


def _wished_route(one: SetRoute) -> str:
    # What the kernel holds of weights that are alike is 1 each, whatever was asked.
    weights = one.weights or (1,) * len(one.hops)
    hops = [(name, via, weight) for (via, name), weight in zip(one.hops, weights, strict=True)]
    kind = "unicast" if hops else "blackhole"
    windows = InitialWindows(one.initial_cwnd, one.initial_rwnd)
    return _route_words(one.destination, one.prefix, hops, kind, one.table or MAIN_TABLE, windows)


def _wished_rule(one: SetRoute) -> str:
    return f"from {one.source}/{one.prefix} to {one.destination}/{one.prefix} in table {one.table}"


def _route_words(
    destination: str,
    prefix: int,
    hops: Iterable[tuple[str, str | None, int]],
    kind: str = "unicast",
    table: int = MAIN_TABLE,
    windows: InitialWindows = KERNELS_WINDOWS,
) -> str:
    ways = sorted(
        f"{f'via {via} ' if via else ''}by {name}{f' weight {weight}' if weight > 1 else ''}"
        for name, via, weight in hops
    )
    where = "" if table == MAIN_TABLE else f" in table {table}"
    return f"{destination}/{prefix} {', '.join(ways) or kind}{where}{window_words(*windows)}"


class _End(NamedTuple):
    """Of either family address, prefix and the neighbour's address (empty: none); its MAC; the link."""

    addresses: tuple[tuple[str, int, str], tuple[str, int, str]]
    peer_mac: str
    link: CreateLink


def _ends(shape: Shape, node: str) -> dict[str, _End]:
    found: dict[str, _End] = {}
    for link in shape.links.values():
        if link.node_a == node:
            ipv4, ipv6 = (link.address_a, link.prefix, link.address_b), (link.address6_a, link.prefix6, link.address6_b)
            found[link.name_a] = _End((ipv4, ipv6), link.mac_b, link)
        if link.node_b == node:
            ipv4, ipv6 = (link.address_b, link.prefix, link.address_a), (link.address6_b, link.prefix6, link.address6_a)
            found[link.name_b] = _End((ipv4, ipv6), link.mac_a, link)
    return found


def _interfaces(shape: Shape, segment: ReadDoor, node: str, ends: Mapping[str, _End]) -> Iterator[Difference]:
    states = segment.link_states(node)
    for name, (_, _, link) in ends.items():
        place, state = f"{node}/{name}", states.get(name)
        if state is None:
            yield Difference(place=place, attribute="interface", wished="there", held="none")
            continue
        mac = link.mac_a if (node, name) == (link.node_a, link.name_a) else link.mac_b
        yield from _pair(place, "state", "up" if link.link in shape.up else "down", "up" if state.up else "down")
        yield from _pair(place, "MTU", str(link.mtu), str(state.mtu))
        yield from _pair(place, "MAC", mac, state.mac)
        offload = "on" if state.gso_max_segs >= _SUPER_PACKETS else "off"
        yield from _pair(place, "segmentation offload", "on" if link.offload else "off", offload)


def _queues(shape: Shape, segment: ReadDoor, node: str) -> Iterator[Difference]:
    wanted: dict[str, Impairment | Shaper | None] = {
        device: None for link in shape.links.values() for owner, device in devices_of(link) if owner == node
    }
    present = segment.link_states(node)
    for (owner, device), op in shape.impairments.items():
        if owner != node:
            continue
        wanted[device] = op.impairment.shaper() if op.impairment.queue is not None else op.impairment
        if isinstance(op, ImpairIngress) and device not in present:
            yield Difference(place=f"{node}/{device}", attribute="interface", wished="there", held="none")
    for name, attribute, sent, read in segment.queue_differences(node, wanted):
        yield Difference(place=f"{node}/{name}", attribute=attribute, wished=str(sent), held=str(read))


def _pair(place: str, attribute: str, wished: str, held: str) -> Iterator[Difference]:
    if wished != held:
        yield Difference(place=place, attribute=attribute, wished=wished, held=held)


def _sets(place: str, attribute: str, wished: Iterable[str], held: Iterable[str]) -> Iterator[Difference]:
    wanted, there = set(wished), set(held)
    for one in sorted(wanted - there):
        yield Difference(place=place, attribute=attribute, wished=one, held="none")
    for one in sorted(there - wanted):
        yield Difference(place=place, attribute=attribute, wished="none", held=one)


def _slashed(addresses: Iterable[tuple[str, str, int]]) -> set[str]:
    return {f"{address}/{prefix} on {name}" for name, address, prefix in addresses}
