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
(packets, or a discipline), and the rest of :mod:`shadowlab.topology.link_keys.sections`.  What a direction does not
state it takes from the link, what the link does not state from ``defaults``: ``access_link`` where one end is a host,
``router_link`` otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field

from shadowlab.errors import InputError
from shadowlab.model.impairment import DEFAULT_QUEUE_PACKETS
from shadowlab.model.network import Derived, Link, Network, Node, NodeKind
from shadowlab.model.units import format_duration
from shadowlab.topology.geography import fibre_delay_ns, great_circle_km
from shadowlab.topology.link_keys.build import impairment, with_measured_delay
from shadowlab.topology.link_keys.sections import DEFAULT_METRIC, CommonSection, ImpairmentSection, section
from shadowlab.topology.native_rules import checked_address, cross_faults
from shadowlab.topology.positioned import examine, in_file_order, load_positioned
from shadowlab.topology.quantities import Id

__all__ = ["CommonSection", "ImpairmentSection", "MapFile", "json_schema", "read_native"]


class LinkSection(CommonSection):
    """A link: its ends, and what both directions, or one of them, suffer."""

    ends: tuple[Id, Id]
    forward: ImpairmentSection = ImpairmentSection()
    backward: ImpairmentSection = ImpairmentSection()


class DefaultsSection(BaseModel):
    """What links suffer that state nothing else."""

    model_config = section()
    router_link: CommonSection = CommonSection()
    access_link: CommonSection = CommonSection()


class NodeSection(BaseModel):
    """A router or a host."""

    model_config = section()
    kind: NodeKind
    label: str = ""
    at: tuple[Annotated[float, Field(ge=-90, le=90)], Annotated[float, Field(ge=-180, le=180)]] | None = Field(
        default=None, description="latitude and longitude in degrees"
    )
    address: Annotated[str, AfterValidator(checked_address)] | None = None
    addresses: tuple[Annotated[str, AfterValidator(checked_address)], ...] = ()


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
    return Network(
        name=raw.name,
        nodes=nodes,
        links=tuple(links),
        groups=dict(raw.groups),
        rate_scale=raw.rate_scale,
        derived=tuple(derived),
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
    if "metric" not in common:
        tell(f"metric {DEFAULT_METRIC}", "default")
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
        metric=common.get("metric", DEFAULT_METRIC),
        offload=common.get("offload", False),
    )
