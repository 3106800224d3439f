"""ShadowLab's own map format: YAML, written by hand.

In: the bytes of a map.  Out: a :class:`~shadowlab.model.network.Network`, or one InputError with every fault and its
line.  Never: a value guessed in silence: what the map leaves open is listed in ``Network.derived``.

::

    shadowlab: map/1
    name: two-cities
    rate_scale: 1000                  # every rate is a thousandth of reality
    defaults:
      router_link: {rate: 10 Mbit, queue: 60}
      access_link: {delay: 0.2 ms, rate: 100 Mbit}
    nodes:
      chi: {kind: router, label: Chicago, at: [41.88, -87.63]}     # latitude, longitude
      ind: {kind: router, label: Indianapolis, at: [39.77, -86.16]}
      web-chi: {kind: host, address: 192.0.2.10}                   # or addresses: [..]
      db-ind: {kind: host}
    links:
      chi-ind:
        ends: [chi, ind]
        delay: 1.3 ms                 # left out: from the coordinates, at 5 µs/km along the great circle
        loss: 0.01 %
        metric: 260                   # for shortest paths; left out: 1
        backward: {delay: 1.4 ms}     # ind to chi only; ``forward`` is chi to ind
      web: {ends: [web-chi, chi]}
      db: {ends: [db-ind, ind]}
    groups:
      midwest: [chi, ind, chi-ind]    # nodes and links
    ipv6: true                        # beside IPv4; left out: only if a node states an IPv6 address
    routing: {ecmp: true}             # spread flows over next hops of equal cost
    routes:                           # exceptions to shortest paths
      - {at: chi, to: db-ind, via: ind}
      - {at: chi, to: db-ind, blackhole: true}
      - {from: web-chi, to: db-ind, path: [chi, ind]}
    demands:                          # a traffic matrix; nothing follows from it unless a scenario asks for it
      unit: mbps                      # left out: unknown
      between: {chi: {ind: 400, web-chi: 20}, ind: {chi: 300}}

A node of the kind ``segment`` is a LAN: its links are the ports of a bridge, and all that hangs on it are neighbours.

A link has ``delay``, ``jitter``, ``loss``, ``rate`` (left out or ``unlimited``: as fast as the kernel is), ``queue``
(packets, or a discipline), and the rest of :mod:`shadowlab.topology.link_keys.sections`.  What a direction does not
state it takes from the link, what the link does not state from ``defaults``: ``access_link`` where one end is a host,
``router_link`` otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, model_validator

from shadowlab.errors import InputError
from shadowlab.model.impairment import DEFAULT_QUEUE_PACKETS
from shadowlab.model.network import (
    MOST_METRIC,
    Demand,
    Demands,
    Derived,
    Link,
    Network,
    Node,
    NodeKind,
    SourceRoute,
    StaticRoute,
)
from shadowlab.model.units import format_duration
from shadowlab.topology.geography import fibre_delay_ns, great_circle_km
from shadowlab.topology.link_keys.build import impairment, with_measured_delay
from shadowlab.topology.link_keys.sections import DEFAULT_METRIC, CommonSection, ImpairmentSection, section
from shadowlab.topology.native_rules import checked_address, cross_faults
from shadowlab.topology.positioned import examine, in_file_order, load_positioned
from shadowlab.topology.quantities import Id

__all__ = ["CommonSection", "ImpairmentSection", "MapFile", "json_schema", "read_native"]


class DirectionSection(ImpairmentSection):
    """What one direction of a link has for itself."""

    metric: int | None = Field(default=None, ge=1, le=MOST_METRIC, strict=True, description="its length, one way")


class LinkSection(CommonSection):
    """A link: its ends, and what both directions, or one of them, suffer."""

    ends: tuple[Id, Id]
    forward: DirectionSection = DirectionSection()
    backward: DirectionSection = DirectionSection()


class DefaultsSection(BaseModel):
    """What links suffer that state nothing else."""

    model_config = section()
    router_link: CommonSection = CommonSection()
    access_link: CommonSection = CommonSection()


class NodeSection(BaseModel):
    """A router, a host, or a segment."""

    model_config = section()
    kind: NodeKind
    label: str = ""
    at: tuple[Annotated[float, Field(ge=-90, le=90)], Annotated[float, Field(ge=-180, le=180)]] | None = Field(
        default=None, description="latitude and longitude in degrees"
    )
    address: Annotated[str, AfterValidator(checked_address)] | None = None
    addresses: tuple[Annotated[str, AfterValidator(checked_address)], ...] = ()


class RoutingSection(BaseModel):
    """How routers find their ways."""

    model_config = section()
    ecmp: bool = Field(default=False, description="whether flows are spread over next hops of equal cost")


class RouteSection(BaseModel):
    """An exception to shortest paths: a static route or a black hole ``at`` a node, or the whole ``path`` of a pair."""

    model_config = section()
    to: Id
    at: Id | None = None
    via: Id | None = None
    blackhole: bool = False
    source: Id | None = Field(default=None, alias="from")
    path: tuple[Id, ...] = ()

    @model_validator(mode="after")
    def whole(self) -> RouteSection:
        """Raises ValueError for keys that make no exception together."""
        static = self.at is not None and self.source is None and not self.path
        if static and (self.via is not None) != self.blackhole:
            return self
        if self.source is not None and self.path and self.at is None and self.via is None and not self.blackhole:
            return self
        raise ValueError(
            "an exception is `{at: r1, to: host, via: r2}`, `{at: r1, to: host, blackhole: true}`, or "
            "`{from: host, to: host, path: [r1, r2]}`"
        )


class DemandsSection(BaseModel):
    """A traffic matrix: from which node, to which node, how much."""

    model_config = section()
    unit: Literal["bps", "kbps", "mbps", "gbps", "tbps"] | None = Field(
        default=None, description="of all values; left out: unknown"
    )
    between: dict[Id, dict[Id, Annotated[float, Field(ge=0, le=1e24, allow_inf_nan=False)]]] = Field(
        default={}, description="values by source and target"
    )


class MapFile(BaseModel):
    """A map as it is written."""

    model_config = section()
    shadowlab: Literal["map/1"]
    name: Id
    description: str = ""
    rate_scale: float = Field(default=1.0, gt=0, description="the factor by which rates are below reality")
    defaults: DefaultsSection = DefaultsSection()
    nodes: dict[Id, NodeSection] = Field(min_length=1)
    links: dict[Id, LinkSection] = {}
    groups: dict[Id, tuple[Id, ...]] = {}
    ipv6: bool | None = Field(default=None, description="IPv6 beside IPv4; left out: if a node states an IPv6 address")
    routing: RoutingSection = RoutingSection()
    routes: tuple[RouteSection, ...] = ()
    demands: DemandsSection = DemandsSection()


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a map, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | MapFile.model_json_schema()


def read_native(text: bytes, *, name: str, folder: Path | None = None) -> Network:
    """The network a map describes.  Raises InputError with all faults; ``name`` is what they call the file, ``folder``
    where files of samples lie that it names."""
    positioned = load_positioned(text, name=name)
    raw, faults = examine(MapFile, positioned)
    faults = in_file_order([*faults, *cross_faults(positioned)])
    if raw is None or faults:
        raise InputError(*faults)
    derived: list[Derived] = []
    links, wrong = [], []
    for link in raw.links:
        try:
            links.append(_link(link, raw, folder or Path(), derived.append))
        except ValueError as error:
            wrong.append(positioned.fault(("links", link), f"link `{link}`: {error}", of_key=True))
    if wrong:
        raise InputError(*in_file_order(wrong))
    return _network(raw, links, derived)


def _network(raw: MapFile, links: Sequence[Link], derived: Sequence[Derived]) -> Network:
    nodes = tuple(
        Node(
            id=name,
            kind=node.kind,
            label=node.label,
            addresses=tuple(dict.fromkeys((*((node.address,) if node.address else ()), *node.addresses))),
            latitude=node.at[0] if node.at else None,
            longitude=node.at[1] if node.at else None,
        )
        for name, node in raw.nodes.items()
    )
    ipv6 = any(":" in address for node in nodes for address in node.addresses)
    return Network(
        name=raw.name,
        nodes=nodes,
        links=tuple(links),
        groups=dict(raw.groups),
        rate_scale=raw.rate_scale,
        derived=tuple(derived),
        ipv6=ipv6 if raw.ipv6 is None else raw.ipv6,
        ecmp=raw.routing.ecmp,
        static_routes=tuple(
            StaticRoute(at=one.at, to=one.to, via=one.via or "") for one in raw.routes if one.at is not None
        ),
        source_routes=tuple(
            SourceRoute(source=one.source, target=one.to, path=one.path) for one in raw.routes if one.source is not None
        ),
        demands=Demands(
            unit=raw.demands.unit or "",
            between=tuple(
                Demand(source=source, target=target, value=value)
                for source, row in raw.demands.between.items()
                for target, value in row.items()
            ),
        ),
    )


def _link(name: str, raw: MapFile, folder: Path, derive: Callable[[Derived], None]) -> Link:
    """Raises ValueError for keys that contradict each other, or that no kernel could hold."""
    link = raw.links[name]
    a, b = (raw.nodes[end] for end in link.ends)
    default = raw.defaults.access_link if "host" in (a.kind, b.kind) else raw.defaults.router_link
    common = default.stated() | link.stated()
    subject = f"link {name}"

    def tell(value: str, origin: str) -> None:
        derive(Derived(subject=subject, value=value, origin=origin))

    ways = [with_measured_delay(common | way.stated(), folder, tell) for way in (link.forward, link.backward)]
    if any("delay" not in way for way in ways) and a.at and b.at:
        kilometres = great_circle_km(a.at, b.at)
        delay = fibre_delay_ns(kilometres)
        ways = [{"delay": delay, **way} for way in ways]
        tell(f"delay {format_duration(delay)}", f"{kilometres:.0f} km along the great circle at 5 µs/km")
    if any("delay" not in way for way in ways):
        raise ValueError("it has no delay one way")
    if any("queue" not in way for way in ways):
        tell(f"queue {DEFAULT_QUEUE_PACKETS} packets", "default")
    metrics = [way.metric or common.get("metric") for way in (link.forward, link.backward)]
    if None in metrics:
        tell(f"metric {DEFAULT_METRIC}", "default")
    forward_metric, backward_metric = (metric or DEFAULT_METRIC for metric in metrics)
    if common.get("offload"):
        tell("segmentation offload", "asked for: packets of up to 64 kB count as one to its losses and limits")
    rtt_ns = sum(way["delay"] for way in ways)
    forward, backward = (impairment(way, rtt_ns=rtt_ns, tell=tell) for way in ways)
    return Link(
        id=name,
        a=link.ends[0],
        b=link.ends[1],
        forward=forward,
        backward=backward,
        metric=forward_metric,
        metric_backward=backward_metric if backward_metric != forward_metric else None,
        weight=common.get("weight", 1),
        offload=common.get("offload", False),
    )
