"""Every change to the shadow, as a value.

In: names and numbers.  Out: frozen operations that describe themselves in one line; ``apply`` executes them in order.
A plan is a tuple of these; a timeline holds some with a time; a rehearsed cure is some more.  Never: an effect.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from shadowlab.model.impairment import Impairment

_LONGEST_NAME = 15


def ingress_device(interface: str) -> str:
    """The name of the IFB for what arrives at an interface: the same every time, and never another interface's."""
    name = f"i.{interface}"
    return name if len(name.encode()) <= _LONGEST_NAME else f"i.{interface[:4]}.{zlib.crc32(interface.encode()):08x}"


def _impair_words(impairment: Impairment, direction: str, place: str) -> str:
    if impairment.queue is not None:
        return f"shape {direction} at {place}: {impairment.shaper().describe()}"
    return f"impair {direction} at {place}: {impairment.describe()}"


@dataclass(frozen=True, kw_only=True)
class CreateNode:
    """A namespace for a node; forwarding on for routers.  ``address`` is its own, a /32 on the loopback."""

    node: str
    address: str
    forwards: bool

    def describe(self) -> str:
        return f"node {self.node}: namespace, {self.address}/32{', forwards' if self.forwards else ''}"


@dataclass(frozen=True, kw_only=True)
class CreateLink:
    """A veth pair, both ends born in their final namespaces."""

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

    def describe(self) -> str:
        return (
            f"link {self.link}: veth {self.node_a}/{self.name_a} {self.address_a} = "
            f"{self.node_b}/{self.name_b} {self.address_b}, MTU {self.mtu}"
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
class SetRoute:
    """Install or replace the route of one destination prefix in one node."""

    node: str
    destination: str
    prefix: int
    via: str
    interface: str

    def describe(self) -> str:
        return f"route {self.node}: {self.destination}/{self.prefix} via {self.via} dev {self.interface}"


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
    """Remove the route of one destination prefix in one node."""

    node: str
    destination: str
    prefix: int

    def describe(self) -> str:
        return f"route {self.node}: remove {self.destination}/{self.prefix}"


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
class ScaleDemand:
    """Multiply the rate of the paced flows named (all, if none is) by ``factor``, against their specification."""

    flows: tuple[str, ...]
    factor: float

    def describe(self) -> str:
        return f"demand of {len(self.flows) or 'all'} flows times {self.factor:g}"


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
    | SetRoute
    | SetLinkState
    | RemoveRoute
    | RemoveLink
    | RemoveNode
    | ScaleDemand
    | RunScript
)


@dataclass(frozen=True, kw_only=True)
class TimedChange:
    """Operations to execute together at a moment of the run, with the reason."""

    at_ns: int
    reason: str
    ops: tuple[Op, ...]
