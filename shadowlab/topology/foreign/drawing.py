"""A map as another tool drew it, before anything is filled in.

In: what a reader found.  Out: frozen values in which None means that the map does not say.  Units in the names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from shadowlab.errors import Fault
from shadowlab.model.network import NodeKind


@dataclass(frozen=True, kw_only=True)
class ForeignNode:
    """``key`` is how links of the map refer to it.  ``kind`` None: the map does not tell hosts from routers."""

    key: str
    place: str
    label: str = ""
    name: str = ""
    """What it is to be called; left out: after its label, else its key."""
    kind: NodeKind | None = None
    kind_origin: str = ""
    """Why it is of that kind, if the map does not say so plainly."""
    addresses: tuple[str, ...] = ()
    latitude: float | None = None
    longitude: float | None = None
    note: str = ""
    """What a person should know of it, such as that it lies outside the network."""


@dataclass(frozen=True, kw_only=True)
class Traits:
    """What one direction does to packets.  ``origins`` names, by field, where a value came from that is not stated
    plainly; the queue is in packets, loss a fraction."""

    delay_ns: int | None = None
    jitter_ns: int | None = None
    loss: float | None = None
    rate_bps: int | None = None
    unlimited: bool = False
    """The map says that there is no rate."""
    queue_packets: int | None = None
    mtu: int | None = None
    origins: Mapping[str, str] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    """What is stated but cannot be used, such as a number without a unit, and why."""


@dataclass(frozen=True, kw_only=True)
class ForeignLink:
    """A link between the nodes ``a`` and ``b`` (their keys); ``backward`` None: the same both ways."""

    a: str
    b: str
    place: str
    name: str = ""
    forward: Traits = Traits()
    backward: Traits | None = None
    metric: int | None = None
    length_km: float | None = None


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """What a link has of which the map says nothing; ``why`` is told with each value.  Rate None: unlimited."""

    delay_ns: int
    rate_bps: int | None
    why: str


MOST_DEMAND = 1e18
"""Whatever its unit, no demand is larger."""

WAN = Defaults(delay_ns=1_000_000, rate_bps=10_000_000_000, why="default")
"""200 km of fibre at 10 Gbit/s."""
SITE = Defaults(delay_ns=50_000, rate_bps=10_000_000_000, why="default within a site")
LAB = Defaults(delay_ns=0, rate_bps=None, why="the tool's own links have none")
"""Of maps for tools that emulate: a veth pair as it is."""


@dataclass(frozen=True, kw_only=True)
class ForeignDemand:
    """What goes between two nodes (their keys), in the unit of the map."""

    a: str
    b: str
    value: float
    place: str


@dataclass(frozen=True, kw_only=True)
class ForeignMap:
    """Everything a reader found.  ``notes`` are (subject, value, origin) of what the reader itself had to decide.

    ``leaves_are_hosts``: a node of no stated kind that has one link is an instance.  ``faults`` are those of single
    values; they are reported together with those that show only when the parts come together.
    """

    title: str
    place: str
    nodes: tuple[ForeignNode, ...]
    links: tuple[ForeignLink, ...]
    defaults: Defaults = WAN
    leaves_are_hosts: bool = False
    notes: tuple[tuple[str, str, str], ...] = ()
    faults: tuple[Fault, ...] = ()
    demands: tuple[ForeignDemand, ...] = ()
    demand_unit: str = ""
    """As :data:`shadowlab.model.network.DEMAND_UNITS` has it; empty: the map does not say."""
