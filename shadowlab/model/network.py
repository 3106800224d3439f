"""Nodes, links and the network they make.

In: plain values, already checked for their form.  Out: a frozen network that refuses what cannot exist (a link to a
missing node, a name given twice).  Never: an address, a route, an interface: those follow from the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from shadowlab.model.impairment import Impairment

NodeKind = Literal["host", "router"]


@dataclass(frozen=True, kw_only=True)
class Node:
    """An instance (``host``: it ends connections) or a forwarding device (``router``).

    ``addresses`` are its IPv4 addresses in production, by which telemetry is attached to it; the first one is also its
    own address in the shadow (the segment is isolated, so nothing collides).
    """

    id: str
    kind: NodeKind
    label: str = ""
    addresses: tuple[str, ...] = ()
    latitude: float | None = None
    longitude: float | None = None


@dataclass(frozen=True, kw_only=True, order=True)
class Direction:
    """One direction of a link: the unit that is impaired, measured, and found guilty."""

    link: str
    source: str
    target: str

    def __str__(self) -> str:
        return (
            f"{self.source}>{self.target}"
            if self.link in (f"{self.source}-{self.target}", f"{self.target}-{self.source}")
            else f"{self.link}:{self.source}>{self.target}"
        )

    @property
    def reverse(self) -> Direction:
        """The same link, the other way."""
        return Direction(link=self.link, source=self.target, target=self.source)


@dataclass(frozen=True, kw_only=True)
class Link:
    """A link between two nodes.  ``forward`` impairs what goes from ``a`` to ``b``, ``backward`` the other way."""

    id: str
    a: str
    b: str
    forward: Impairment = Impairment()
    backward: Impairment = Impairment()
    metric: int = 1
    offload: bool = False
    """Whether packets of up to 64 kB may cross it as one, as network cards let them: faster, and coarser."""
    up: bool = True
    """Whether it is meant to carry packets.  A map's links are; one that was taken down keeps all the rest."""

    def __post_init__(self) -> None:
        if self.a == self.b:
            raise ValueError(f"link {self.id} leads from {self.a} to itself")
        if self.forward.mtu != self.backward.mtu:
            raise ValueError(f"link {self.id}: its MTU is {self.forward.mtu} one way and {self.backward.mtu} the other")
        if self.metric < 1:
            raise ValueError(f"link {self.id}: metric must be at least 1, got {self.metric}")

    @property
    def mtu(self) -> int:
        """The largest packet it carries, in bytes."""
        return self.forward.mtu

    @property
    def directions(self) -> tuple[Direction, Direction]:
        """Forward and backward."""
        return (
            Direction(link=self.id, source=self.a, target=self.b),
            Direction(link=self.id, source=self.b, target=self.a),
        )

    def impairment(self, direction: Direction) -> Impairment:
        """What ``direction`` (one of this link's) does to packets."""
        return self.forward if direction.source == self.a else self.backward

    def with_impairment(self, direction: Direction, impairment: Impairment) -> Link:
        """The same link with one direction changed."""
        if direction.source == self.a:
            return replace(self, forward=impairment)
        return replace(self, backward=impairment)


@dataclass(frozen=True, kw_only=True, order=True)
class Derived:
    """A value the map did not state, and where it came from."""

    subject: str
    value: str
    origin: str


@dataclass(frozen=True, kw_only=True)
class Network:
    """A whole network.  ``groups`` are sets of nodes and links that share a risk or form a segment.

    ``rate_scale`` is the factor by which every rate of the map was divided against reality (1000 = a thousandth).
    """

    name: str
    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rate_scale: float = 1.0
    derived: tuple[Derived, ...] = ()

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for node in self.nodes:
            if node.id in seen:
                raise ValueError(f"node {node.id} is defined twice")
            seen.add(node.id)
        links: set[str] = set()
        for link in self.links:
            if link.id in links:
                raise ValueError(f"link {link.id} is defined twice")
            links.add(link.id)
            for end in (link.a, link.b):
                if end not in seen:
                    raise ValueError(f"link {link.id} leads to {end}, which is not a node of this map")

    @cached_property
    def nodes_by_id(self) -> Mapping[str, Node]:
        """Nodes by their id."""
        return {node.id: node for node in self.nodes}

    @cached_property
    def links_by_id(self) -> Mapping[str, Link]:
        """Links by their id."""
        return {link.id: link for link in self.links}

    @property
    def down(self) -> frozenset[str]:
        """The links that are not up."""
        return frozenset(link.id for link in self.links if not link.up)

    @property
    def hosts(self) -> tuple[Node, ...]:
        """The instances."""
        return tuple(node for node in self.nodes if node.kind == "host")

    @property
    def directions(self) -> tuple[Direction, ...]:
        """Every direction of every link, in map order."""
        return tuple(direction for link in self.links for direction in link.directions)

    def impairment(self, direction: Direction) -> Impairment:
        """What ``direction`` does to packets.  Raises KeyError for a link that is not in the map."""
        return self.links_by_id[direction.link].impairment(direction)

    def with_links(self, *changed: Link) -> Network:
        """The same network with some links replaced (by id)."""
        by_id = {link.id: link for link in changed}
        return replace(self, links=tuple(by_id.get(link.id, link) for link in self.links))

    def is_access(self, link: Link) -> bool:
        """Whether one end of the link is an instance."""
        return "host" in (self.nodes_by_id[link.a].kind, self.nodes_by_id[link.b].kind)
