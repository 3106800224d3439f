"""Does the kernel still hold what was asked of it?

In: a shape, a segment.  Out: every attribute of every object that differs, named.  Never: a change, and no packet.
Imported inside the guest: standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from shadowlab.kernel.ports import MAIN_TABLE, Segment
from shadowlab.model.impairment import Impairment
from shadowlab.model.queue import Shaper
from shadowlab.shadow.apply import FORWARDING, LOOPBACK
from shadowlab.shadow.ops import CreateLink, ImpairIngress, Op, SetLinkState
from shadowlab.shadow.shape import Shape, devices_of

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
    )


def ops_of(shape: Shape) -> tuple[Op, ...]:
    """Operations that amount to the shape."""
    return (
        *shape.nodes.values(),
        *shape.links.values(),
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
    for node in shape.nodes:
        if node in standing:
            yield from _of_node(shape, segment, node)
        else:
            yield Difference(place=node, attribute="namespace", wished="there", held="none")


def _of_node(shape: Shape, segment: ReadDoor, node: str) -> Iterator[Difference]:
    wish = shape.nodes[node]
    yield from _pair(node, "forwarding", str(int(wish.forwards)), segment.read_sysctl(node, FORWARDING).strip())
    ends = _ends(shape, node)
    yield from _interfaces(shape, segment, node, ends)
    addresses = {(LOOPBACK, wish.address, 32)} | {(name, *one[:2]) for name, one in ends.items()}
    yield from _sets(node, "address", _slashed(addresses), _slashed(segment.addresses(node)))
    neighbours = {f"{peer} at {mac} by {name}" for name, (_, _, peer, mac, _) in ends.items()}
    held = {f"{peer} at {mac} by {name}" for name, peer, mac in segment.neighbours(node)}
    yield from _sets(node, "neighbour", neighbours, held)
    routes = {
        _route_words(one.destination, one.prefix, ((one.interface, one.via),))
        for one in shape.routes.values()
        if one.node == node
    }
    installed = {
        _route_words(one.destination, one.prefix, one.hops, one.kind, one.table) for one in segment.routes(node)
    }
    yield from _sets(node, "route", routes, installed)
    yield from _queues(shape, segment, node)


def _route_words(
    destination: str,
    prefix: int,
    hops: Iterable[tuple[str, str | None]],
    kind: str = "unicast",
    table: int = MAIN_TABLE,
) -> str:
    ways = sorted(f"{f'via {via} ' if via else ''}by {name}" for name, via in hops)
    where = "" if table == MAIN_TABLE else f" in table {table}"
    return f"{destination}/{prefix} {', '.join(ways) or kind}{where}"


_End = tuple[str, int, str, str, CreateLink]
"""Address, prefix, the neighbour's address and MAC, the link."""


def _ends(shape: Shape, node: str) -> dict[str, _End]:
    found: dict[str, _End] = {}
    for link in shape.links.values():
        if link.node_a == node:
            found[link.name_a] = (link.address_a, link.prefix, link.address_b, link.mac_b, link)
        if link.node_b == node:
            found[link.name_b] = (link.address_b, link.prefix, link.address_a, link.mac_a, link)
    return found


def _interfaces(shape: Shape, segment: ReadDoor, node: str, ends: Mapping[str, _End]) -> Iterator[Difference]:
    states = segment.link_states(node)
    for name, (_, _, _, _, link) in ends.items():
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
    for one in sorted(set(wished) - set(held)):
        yield Difference(place=place, attribute=attribute, wished=one, held="none")
    for one in sorted(set(held) - set(wished)):
        yield Difference(place=place, attribute=attribute, wished="none", held=one)


def _slashed(addresses: Iterable[tuple[str, str, int]]) -> set[str]:
    return {f"{address}/{prefix} on {name}" for name, address, prefix in addresses}
