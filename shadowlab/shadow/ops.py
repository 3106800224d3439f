"""Every change to the shadow, as a value.

In: names and numbers.  Out: frozen operations that describe themselves in one line; ``apply`` executes them in order.
A plan is a tuple of these; a timeline holds some with a time; a rehearsed cure is some more.  Never: an effect.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from shadowlab.kernel.sockets.negotiation import ECN, ECN_ANSWER, ECN_ASK, SACK, TIMESTAMPS, WINDOW_SCALING
from shadowlab.model.impairment import Impairment
from shadowlab.shadow.traffic_ops import ScaleDemand, SetCongestion, SetPacing, SetServers, SetWorkers

_LONGEST_NAME = 15

BRIDGE = "br0"
"""The bridge of a segment: a name that no interface to a node can have."""


def ingress_device(interface: str) -> str:
    """The name of the IFB for what arrives at an interface: the same every time, and never another interface's."""
    name = f"i.{interface}"
    return name if len(name.encode()) <= _LONGEST_NAME else f"i.{interface[:4]}.{zlib.crc32(interface.encode()):08x}"


def _impair_words(impairment: Impairment, direction: str, place: str) -> str:
    if impairment.queue is not None:
        return f"shape {direction} at {place}: {impairment.shaper().describe()}"
    return f"impair {direction} at {place}: {impairment.describe()}"


def _end_words(address: str, address6: str, prefix: int, other: str) -> str:
    if not address:
        return "(port)"
    return address + ("" if other else f"/{prefix}") + (f" {address6}" if address6 else "")


def window_words(initial_cwnd: int, initial_rwnd: int) -> str:
    """As ``ip route`` writes them, behind a space; nothing for the kernel's own."""
    words = ((" initcwnd", initial_cwnd), (" initrwnd", initial_rwnd))
    return "".join(f"{name} {window}" for name, window in words if window)


def way_words(hops: tuple[tuple[str, str], ...], weights: tuple[int, ...]) -> str:
    """(via, interface) of each hop, and its weight where they differ."""
    shares = [f" weight {one}" for one in weights] or [""] * len(hops)
    ways = [f"via {via} dev {name}{share}" for (via, name), share in zip(hops, shares, strict=True)]
    return ", or ".join(ways) or "black hole"


@dataclass(frozen=True, kw_only=True)
class CreateNode:
    """A namespace for a node; forwarding on for routers.  ``address`` is its own, a /32 on the loopback, and
    ``address6`` a /128, without which it has no IPv6.  A segment has neither: it is a bridge.

    ``hash_seed`` is for the choice among next hops of equal cost; 0 where there are none.
    """

    node: str
    address: str
    forwards: bool
    address6: str = ""
    ipv6: bool = False
    hash_seed: int = 0

    @property
    def bridges(self) -> bool:
        """Whether it is a segment."""
        return not self.address

    def describe(self) -> str:
        words = [f"node {self.node}: namespace"]
        words.append(f"{self.address}/32" if self.address else f"bridge {BRIDGE}")
        if self.address6:
            words.append(f"{self.address6}/128")
        if self.forwards:
            words.append("forwards")
        if self.hash_seed:
            words.append(f"spreads flows by the seed {self.hash_seed:#010x}")
        return ", ".join(words)


@dataclass(frozen=True, kw_only=True)
class CreateLink:
    """A veth pair, both ends born in their final namespaces.  An end without an address is a port of its bridge."""

    link: str
    node_a: str
    name_a: str
    address_a: str
    mac_a: str
    node_b: str
    name_b: str
    address_b: str
    mac_b: str
    prefix: int
    mtu: int
    offload: bool = False
    address6_a: str = ""
    address6_b: str = ""
    prefix6: int = 127

    def describe(self) -> str:
        a = _end_words(self.address_a, self.address6_a, self.prefix, self.address_b)
        b = _end_words(self.address_b, self.address6_b, self.prefix, self.address_a)
        return (
            f"link {self.link}: veth {self.node_a}/{self.name_a} {a} = "
            f"{self.node_b}/{self.name_b} {b}, MTU {self.mtu}"
            f"{', segmentation offload: packets of up to 64 kB count as one' if self.offload else ''}"
        )


@dataclass(frozen=True, kw_only=True)
class ImpairEgress:
    """netem where the direction leaves a router.  The whole wanted state is sent, zeros included, and read back.

    With a queue discipline in ``impairment`` it is a shaper instead, and another operation makes the delay line.
    """

    node: str
    interface: str
    direction: str
    impairment: Impairment

    def describe(self) -> str:
        return _impair_words(self.impairment, self.direction, f"{self.node}/{self.interface} (egress)")


@dataclass(frozen=True, kw_only=True)
class ImpairIngress:
    """netem where the direction *arrives*, on an IFB that ingress is redirected to.

    For directions that leave an instance: netem on the originating host's own interface would defeat TCP small queues
    and report an overflow to TCP instead of losing a packet.  ``node`` and ``interface`` are the receiving ones.
    """

    node: str
    interface: str
    direction: str
    impairment: Impairment

    @property
    def device(self) -> str:
        """The IFB, whose queue the direction then has."""
        return ingress_device(self.interface)

    def describe(self) -> str:
        return _impair_words(self.impairment, self.direction, f"{self.node}/{self.interface} (arrival)")


@dataclass(frozen=True, kw_only=True)
class SetNeighbour:
    """Tell a node which MAC address another one on the same segment has, so that nobody asks."""

    node: str
    interface: str
    address: str
    mac: str

    def describe(self) -> str:
        return f"neighbour {self.node}: {self.address} is at {self.mac} dev {self.interface}"


@dataclass(frozen=True, kw_only=True)
class RemoveNeighbour:
    """Forget one."""

    node: str
    interface: str
    address: str

    def describe(self) -> str:
        return f"neighbour {self.node}: forget {self.address} dev {self.interface}"


@dataclass(frozen=True, kw_only=True)
class SetRoute:
    """Install or replace the route of one destination prefix in one node.

    ``others`` are further (via, interface) of equal cost.  Without ``via`` it is a black hole.  With a ``source`` (an
    address) it holds for packets from there only: a rule leads them to the ``table`` it is in.  ``initial_cwnd`` and
    ``initial_rwnd``: with how many segments connections by it begin to send and to announce; 0: as the kernel does.
    ``weights`` has one for each of several hops; none: all are alike.
    """

    node: str
    destination: str
    prefix: int
    via: str
    interface: str
    others: tuple[tuple[str, str], ...] = ()
    source: str = ""
    table: int = 0
    initial_cwnd: int = 0
    initial_rwnd: int = 0
    weights: tuple[int, ...] = ()

    @property
    def hops(self) -> tuple[tuple[str, str], ...]:
        """(via, interface) of each next hop; none for a black hole."""
        return ((self.via, self.interface), *self.others) if self.via else ()

    def describe(self) -> str:
        source = f" from {self.source}" if self.source else ""
        way = way_words(self.hops, self.weights)
        windows = window_words(self.initial_cwnd, self.initial_rwnd)
        return f"route {self.node}: {self.destination}/{self.prefix}{source} {way}{windows}"


@dataclass(frozen=True, kw_only=True)
class SetTransport:
    """What the TCP of a node offers and asks for in every connection it opens; one that wishes otherwise is given its
    own as it opens (:mod:`shadowlab.traffic.handshake`)."""

    node: str
    sack: bool = True
    timestamps: bool = True
    window_scaling: bool = True
    ecn: bool = False

    @property
    def settings(self) -> tuple[tuple[str, str], ...]:
        """(key, value) of each setting of the namespace."""
        offers = ((SACK, self.sack), (TIMESTAMPS, self.timestamps), (WINDOW_SCALING, self.window_scaling))
        return (*((key, str(int(on))) for key, on in offers), (ECN, ECN_ASK if self.ecn else ECN_ANSWER))

    def describe(self) -> str:
        without = [
            name
            for name, on in (("SACK", self.sack), ("timestamps", self.timestamps), ("scaling", self.window_scaling))
            if not on
        ]
        words = [f"without {' and '.join(without)}"] if without else []
        words += ["asks for ECN"] if self.ecn else []
        return f"transport {self.node}: {', '.join(words) or 'as the kernel has it'}"


@dataclass(frozen=True, kw_only=True)
class SetLinkState:
    """Take both ends of a link up or down."""

    link: str
    node_a: str
    name_a: str
    node_b: str
    name_b: str
    up: bool

    def describe(self) -> str:
        return f"link {self.link}: {'up' if self.up else 'down'}"


@dataclass(frozen=True, kw_only=True)
class RemoveRoute:
    """Remove the route of one destination prefix in one node; one of a ``source`` with its rule."""

    node: str
    destination: str
    prefix: int
    source: str = ""
    table: int = 0

    def describe(self) -> str:
        source = f" from {self.source}" if self.source else ""
        return f"route {self.node}: remove {self.destination}/{self.prefix}{source}"


@dataclass(frozen=True, kw_only=True)
class RemoveLink:
    """Remove both ends of a link, and the IFBs and routes that hang on them."""

    link: str
    node_a: str
    name_a: str
    node_b: str
    name_b: str

    def describe(self) -> str:
        return f"link {self.link}: remove {self.node_a}/{self.name_a} = {self.node_b}/{self.name_b}"


@dataclass(frozen=True, kw_only=True)
class RemoveNode:
    """Remove a node's namespace; its links must be gone."""

    node: str

    def describe(self) -> str:
        return f"node {self.node}: remove"


@dataclass(frozen=True, kw_only=True)
class RunScript:
    """A remediation script inside a node.  ``text`` is the script itself, so that a job is whole; it is run by its
    interpreter with ``environment`` and nothing else, and stopped after ``timeout_ns``."""

    node: str
    name: str
    text: str
    environment: tuple[tuple[str, str], ...]
    timeout_ns: int

    @property
    def argv(self) -> tuple[str, ...]:
        """Its interpreter, which reads it from standard input: the one its first line names (``#!``), or the shell."""
        first = self.text.split("\n", 1)[0]
        words = first[2:].split() if first.startswith("#!") else []
        return tuple(words) or ("/bin/sh",)

    def describe(self) -> str:
        return f"script {self.name} in {self.node}"


Op = (
    CreateNode
    | CreateLink
    | ImpairEgress
    | ImpairIngress
    | SetNeighbour
    | RemoveNeighbour
    | SetRoute
    | SetTransport
    | SetLinkState
    | RemoveRoute
    | RemoveLink
    | RemoveNode
    | ScaleDemand
    | SetCongestion
    | SetPacing
    | SetWorkers
    | SetServers
    | RunScript
)


@dataclass(frozen=True, kw_only=True)
class TimedChange:
    """Operations to execute together at a moment of the run, with the reason."""

    at_ns: int
    reason: str
    ops: tuple[Op, ...]
