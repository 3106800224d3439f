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

NodeKind = Literal["host", "router", "segment"]

MOST_METRIC = (1 << 32) - 1
"""The largest metric of a link; sums over any path then fit in 64 bits."""
MOST_WEIGHT = 256
"""The largest weight of a link among ways of equal cost: the kernel holds it, less one, in eight bits."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """An instance (``host``: it ends connections), a forwarding device (``router``), or a LAN (``segment``: a bridge
    without an address, whose links are its ports; all that hangs on it shares one subnet).

    ``addresses`` are its addresses in production, IPv4 and IPv6, by which telemetry is attached to it; the first of
    either family is also its own address in the shadow (all is isolated there, so nothing collides).
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


def check_metric(link: str, metric: int) -> None:
    """Raises ValueError for a metric that shortest paths cannot count with."""
    if not 1 <= metric <= MOST_METRIC:
        bound = "at least 1" if metric < 1 else f"at most {MOST_METRIC}"
        raise ValueError(f"link {link}: metric must be {bound}, got {metric}")


@dataclass(frozen=True, kw_only=True)
class Link:
    """A link between two nodes.  ``forward`` impairs what goes from ``a`` to ``b``, ``backward`` the other way."""

    id: str
    a: str
    b: str
    forward: Impairment = Impairment()
    backward: Impairment = Impairment()
    metric: int = 1
    metric_backward: int | None = None
    """From ``b`` to ``a``; None: the same as from ``a`` to ``b``."""
    offload: bool = False
    """Whether packets of up to 64 kB may cross it as one, as network cards let them: faster, and coarser."""
    weight: int = 1
    """How large a part of the flows both its ends send by it, where ways of equal cost begin with several links."""
    up: bool = True
    """Whether it is meant to carry packets.  A map's links are; one that was taken down keeps all the rest."""

    def __post_init__(self) -> None:
        if self.a == self.b:
            raise ValueError(f"link {self.id} leads from {self.a} to itself")
        if self.forward.mtu != self.backward.mtu:
            raise ValueError(f"link {self.id}: its MTU is {self.forward.mtu} one way and {self.backward.mtu} the other")
        for metric in (self.metric, self.metric_backward):
            if metric is not None:
                check_metric(self.id, metric)
        if not 1 <= self.weight <= MOST_WEIGHT:
            raise ValueError(f"link {self.id}: weight must be 1 to {MOST_WEIGHT}, got {self.weight}")

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

    def metric_of(self, direction: Direction) -> int:
        """The length of ``direction`` (one of this link's) to shortest-path routing."""
        return self.metric if direction.source == self.a or self.metric_backward is None else self.metric_backward

    def with_impairment(self, direction: Direction, impairment: Impairment) -> Link:
        """The same link with one direction changed."""
        if direction.source == self.a:
            return replace(self, forward=impairment)
        return replace(self, backward=impairment)


@dataclass(frozen=True, kw_only=True, order=True)
class StaticRoute:
    """An exception to shortest paths: at node ``at`` packets to the host ``to`` go to the neighbour ``via``.

    An empty ``via`` is a black hole.  Two that point at each other make a loop; that is allowed, and told.
    """

    at: str
    to: str
    via: str = ""


@dataclass(frozen=True, kw_only=True, order=True)
class SourceRoute:
    """An exception to shortest paths for one pair of hosts: packets from ``source`` to ``target`` take these routers,
    first to last, whatever others do there."""

    source: str
    target: str
    path: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, order=True)
class Demand:
    """What the map's author says goes from one node to another, in the unit of :class:`Demands`: at full size, whatever
    the map's ``rate_scale``."""

    source: str
    target: str
    value: float


DEMAND_UNITS: Mapping[str, int] = {"bps": 1, "kbps": 10**3, "mbps": 10**6, "gbps": 10**9, "tbps": 10**12}
"""Units of demands, in bits per second."""


@dataclass(frozen=True, kw_only=True)
class Demands:
    """A traffic matrix as the map states it.  ``unit`` is one of :data:`DEMAND_UNITS`, or empty: the map does not say,
    and then only their proportions mean something."""

    unit: str = ""
    between: tuple[Demand, ...] = ()

    def __post_init__(self) -> None:
        if self.unit and self.unit not in DEMAND_UNITS:
            raise ValueError(f"{self.unit!r} is no unit of demands; they are {', '.join(DEMAND_UNITS)}")
        seen: set[tuple[str, str]] = set()
        for one in self.between:
            if not 0 <= one.value < float("inf"):
                raise ValueError(f"the demand from {one.source} to {one.target} must not be below zero")
            if one.source == one.target:
                raise ValueError(f"the demand of {one.source} leads to itself")
            if (one.source, one.target) in seen:
                raise ValueError(f"the demand from {one.source} to {one.target} is given twice")
            seen.add((one.source, one.target))


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
    ipv6: bool = False
    """Whether every node and link has IPv6 addresses and routes beside those of IPv4."""
    ecmp: bool = False
    """Whether routers spread flows over all next hops of equal cost, by the weights of their links."""
    static_routes: tuple[StaticRoute, ...] = ()
    source_routes: tuple[SourceRoute, ...] = ()
    demands: Demands = Demands()
    """What the map says is to be carried.  Nothing follows from it unless a scenario asks for it."""

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
            if self.nodes_by_id[link.a].kind == self.nodes_by_id[link.b].kind == "segment":
                raise ValueError(f"link {link.id} joins two segments, {link.a} and {link.b}; put a router between them")
        for demand in self.demands.between:
            for end in (demand.source, demand.target):
                if end not in seen:
                    raise ValueError(f"a demand has the end {end}, which is not a node of this map")
                if self.nodes_by_id[end].kind == "segment":
                    raise ValueError(f"a demand has the end {end}, which is a segment: none begin or end there")
        for node in self.nodes:
            if node.kind == "segment" and node.addresses:
                raise ValueError(f"segment {node.id} has an address; a segment has none")

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
