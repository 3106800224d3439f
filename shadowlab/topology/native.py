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

A link has ``delay``, ``jitter``, ``loss``, ``rate`` (left out or ``unlimited``: as fast as the kernel is), ``queue``
(packets).  What a direction does not state it takes from the link, what the link does not state from ``defaults``:
``access_link`` where one end is a host, ``router_link`` otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from shadowlab.errors import InputError
from shadowlab.model.impairment import DEFAULT_QUEUE_PACKETS, Impairment
from shadowlab.model.network import Derived, Link, Network, Node, NodeKind
from shadowlab.model.units import format_duration
from shadowlab.topology.geography import fibre_delay_ns, great_circle_km
from shadowlab.topology.native_rules import checked_address, cross_faults
from shadowlab.topology.positioned import examine, in_file_order, load_positioned
from shadowlab.topology.quantities import Duration, Fraction, Id, Rate

DEFAULT_METRIC = 1


def _within(field: str) -> AfterValidator:
    """The limits of a quantity are those of the model."""

    def check(value: Any) -> Any:
        Impairment(**{field: value})
        return value

    return AfterValidator(check)


def _section() -> ConfigDict:
    return ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ImpairmentSection(BaseModel):
    """What packets suffer."""

    model_config = _section()
    delay: Annotated[Duration, _within("delay_ns")] = Field(default=0, description="one-way delay")
    jitter: Annotated[Duration, _within("jitter_ns")] = Field(default=0, description="its random part")
    loss: Annotated[Fraction, _within("loss")] = Field(default=0.0, description="share of packets lost")
    rate: Annotated[Rate, _within("rate_bps")] = Field(default=None, description="capacity; left out: unlimited")
    queue: Annotated[int, _within("queue_packets")] = Field(
        default=DEFAULT_QUEUE_PACKETS, strict=True, description="packets that may wait"
    )

    def stated(self) -> dict[str, Any]:
        """The quantities this section states, and only these."""
        return {name: getattr(self, name) for name in ImpairmentSection.model_fields if name in self.model_fields_set}


class CommonSection(ImpairmentSection):
    """What both directions of a link share."""

    metric: int = Field(default=DEFAULT_METRIC, ge=1, strict=True, description="its length to shortest-path routing")

    def stated(self) -> dict[str, Any]:
        return super().stated() | ({"metric": self.metric} if "metric" in self.model_fields_set else {})


class LinkSection(CommonSection):
    """A link: its ends, and what both directions, or one of them, suffer."""

    ends: tuple[Id, Id]
    forward: ImpairmentSection = ImpairmentSection()
    backward: ImpairmentSection = ImpairmentSection()


class DefaultsSection(BaseModel):
    """What links suffer that state nothing else."""

    model_config = _section()
    router_link: CommonSection = CommonSection()
    access_link: CommonSection = CommonSection()


class NodeSection(BaseModel):
    """A router or a host."""

    model_config = _section()
    kind: NodeKind
    label: str = ""
    at: tuple[Annotated[float, Field(ge=-90, le=90)], Annotated[float, Field(ge=-180, le=180)]] | None = Field(
        default=None, description="latitude and longitude in degrees"
    )
    address: Annotated[str, AfterValidator(checked_address)] | None = None
    addresses: tuple[Annotated[str, AfterValidator(checked_address)], ...] = ()


class MapFile(BaseModel):
    """A map as it is written."""

    model_config = _section()
    shadowlab: Literal["map/1"]
    name: Id
    description: str = ""
    rate_scale: float = Field(default=1.0, gt=0, description="the factor by which rates are below reality")
    defaults: DefaultsSection = DefaultsSection()
    nodes: dict[Id, NodeSection] = Field(min_length=1)
    links: dict[Id, LinkSection] = {}
    groups: dict[Id, tuple[Id, ...]] = {}


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a map, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | MapFile.model_json_schema()


def read_native(text: bytes, *, name: str) -> Network:
    """The network a map describes.  Raises InputError with all faults; ``name`` is what they call the file."""
    positioned = load_positioned(text, name=name)
    raw, faults = examine(MapFile, positioned)
    faults = in_file_order([*faults, *cross_faults(positioned)])
    if raw is None or faults:
        raise InputError(*faults)
    return resolve(raw)


def resolve(raw: MapFile) -> Network:
    """The network of a map without faults."""
    derived: list[Derived] = []
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
    links = tuple(_link(name, link, raw, derived.append) for name, link in raw.links.items())
    return Network(
        name=raw.name,
        nodes=nodes,
        links=links,
        groups=dict(raw.groups),
        rate_scale=raw.rate_scale,
        derived=tuple(derived),
    )


def _link(name: str, link: LinkSection, raw: MapFile, derive: Callable[[Derived], None]) -> Link:
    a, b = (raw.nodes[end] for end in link.ends)
    default = raw.defaults.access_link if "host" in (a.kind, b.kind) else raw.defaults.router_link
    common = default.stated() | link.stated()
    subject = f"link {name}"
    ways = [common | way.stated() for way in (link.forward, link.backward)]
    if any("delay" not in way for way in ways) and a.at and b.at:
        kilometres = great_circle_km(a.at, b.at)
        delay = fibre_delay_ns(kilometres)
        ways = [{"delay": delay} | way for way in ways]
        origin = f"{kilometres:.0f} km along the great circle at 5 µs/km"
        derive(Derived(subject=subject, value=f"delay {format_duration(delay)}", origin=origin))
    if any("queue" not in way for way in ways):
        derive(Derived(subject=subject, value=f"queue {DEFAULT_QUEUE_PACKETS} packets", origin="default"))
    if "metric" not in common:
        derive(Derived(subject=subject, value=f"metric {DEFAULT_METRIC}", origin="default"))
    forward, backward = (_impairment(way) for way in ways)
    metric = common.get("metric", DEFAULT_METRIC)
    return Link(id=name, a=link.ends[0], b=link.ends[1], forward=forward, backward=backward, metric=metric)


def _impairment(way: dict[str, Any]) -> Impairment:
    return Impairment(
        delay_ns=way["delay"],
        jitter_ns=way.get("jitter", 0),
        loss=way.get("loss", 0.0),
        rate_bps=way.get("rate"),
        queue_packets=way.get("queue", DEFAULT_QUEUE_PACKETS),
    )
