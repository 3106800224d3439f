"""What a cure asks of production, in production's own terms: names of the map, and nothing of the shadow's.

In: plain values.  Out: frozen actions; :mod:`shadowlab.mitigate.export` writes them as text for people to review.
Never: an address, an interface or a command: the map may not know them, and they differ from vendor to vendor.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class SetMetric:
    """The routing metric of a link, at both its ends."""

    link: str
    a: str
    b: str
    before: int
    after: int

    def describe(self) -> str:
        return f"metric of {self.link} ({self.a}, {self.b}): {self.before} to {self.after}"


@dataclass(frozen=True, kw_only=True)
class MoveRoute:
    """In ``node`` what goes to ``target`` leaves by these neighbours (several: in equal parts); none: nowhere."""

    node: str
    target: str
    before: tuple[str, ...]
    after: tuple[str, ...]

    def describe(self) -> str:
        return f"in {self.node}, to {self.target}: by {' and '.join(self.after)}, was by {' and '.join(self.before)}"


@dataclass(frozen=True, kw_only=True)
class SetWeights:
    """In ``node`` what goes to ``target`` leaves by these neighbours over these links, with so many parts of the flows
    by each: the four tuples have one length."""

    node: str
    target: str
    by: tuple[str, ...]
    links: tuple[str, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    def describe(self) -> str:
        ways = ", ".join(
            f"{after} by {neighbour} over {link} (was {before})"
            for neighbour, link, before, after in zip(self.by, self.links, self.before, self.after, strict=True)
        )
        return f"in {self.node}, weights of the ways to {self.target}: {ways}"


@dataclass(frozen=True, kw_only=True)
class SetCapacity:
    """The bandwidth of one direction of a link, in bit/s."""

    link: str
    source: str
    target: str
    before_bps: int
    after_bps: int

    def describe(self) -> str:
        return f"capacity of {self.link}, {self.source} to {self.target}: {self.before_bps} to {self.after_bps} bit/s"


@dataclass(frozen=True, kw_only=True)
class SetQueue:
    """The queue of one direction of a link, as the words that ``tc qdisc`` takes."""

    link: str
    source: str
    target: str
    before: tuple[str, ...]
    after: tuple[str, ...]

    def describe(self) -> str:
        return f"queue of {self.link}, {self.source} to {self.target}: {' '.join(self.after)}"


@dataclass(frozen=True, kw_only=True)
class SetControl:
    """The congestion control of what these hosts send."""

    nodes: tuple[str, ...]
    before: str
    after: str

    def describe(self) -> str:
        return f"congestion control of {', '.join(self.nodes)}: {self.before} to {self.after}"


@dataclass(frozen=True, kw_only=True)
class HoldRate:
    """The most that ``source`` sends to ``target``, in bit/s; what it sent before is known as ``before_bps``."""

    source: str
    target: str
    before_bps: int
    after_bps: int

    def describe(self) -> str:
        return f"from {self.source} to {self.target}: at most {self.after_bps} bit/s, was {self.before_bps}"


@dataclass(frozen=True, kw_only=True)
class SetInstance:
    """How many requests an instance serves at once."""

    node: str
    before: int
    after: int

    def describe(self) -> str:
        return f"workers of {self.node}: {self.before} to {self.after}"


@dataclass(frozen=True, kw_only=True)
class AddInstance:
    """One more server of a workload, alike another."""

    workload: str
    node: str
    like: str

    def describe(self) -> str:
        return f"another server of {self.workload} at {self.node}, alike {self.like}"


@dataclass(frozen=True, kw_only=True)
class MoveInstance:
    """What ``before`` serves of a workload is served by ``after`` instead."""

    workload: str
    before: str
    after: str

    def describe(self) -> str:
        return f"{self.workload}: served by {self.after} instead of {self.before}"


@dataclass(frozen=True, kw_only=True)
class PinPath:
    """Packets from ``source`` to ``target`` go by these routers, whatever others do."""

    source: str
    target: str
    before: tuple[str, ...]
    after: tuple[str, ...]

    def describe(self) -> str:
        return f"from {self.source} to {self.target}: by {', '.join(self.after)}, was by {', '.join(self.before)}"


@dataclass(frozen=True, kw_only=True)
class RunRemediation:
    """A remediation script at one end of a link, with its declared environment and time."""

    node: str
    link: str
    name: str
    text: str
    timeout_s: float

    def describe(self) -> str:
        return f"script {self.name} in {self.node}, for {self.link}"


Action = (
    SetMetric
    | MoveRoute
    | SetWeights
    | SetCapacity
    | SetQueue
    | SetControl
    | HoldRate
    | SetInstance
    | AddInstance
    | MoveInstance
    | PinPath
    | RunRemediation
)


def undone(one: Action) -> Action | None:
    """The action that takes this one back; None where only people know (a script, an instance that was added)."""
    match one:
        case SetMetric():
            return SetMetric(link=one.link, a=one.a, b=one.b, before=one.after, after=one.before)
        case MoveRoute():
            return MoveRoute(node=one.node, target=one.target, before=one.after, after=one.before)
        case SetWeights():
            return replace(one, before=one.after, after=one.before)
        case SetCapacity():
            return SetCapacity(
                link=one.link,
                source=one.source,
                target=one.target,
                before_bps=one.after_bps,
                after_bps=one.before_bps,
            )
        case SetQueue():
            return SetQueue(link=one.link, source=one.source, target=one.target, before=one.after, after=one.before)
        case SetControl():
            return SetControl(nodes=one.nodes, before=one.after, after=one.before)
        case HoldRate():
            return HoldRate(source=one.source, target=one.target, before_bps=one.after_bps, after_bps=0)
        case SetInstance():
            return SetInstance(node=one.node, before=one.after, after=one.before)
        case MoveInstance():
            return MoveInstance(workload=one.workload, before=one.after, after=one.before)
        case PinPath():
            return PinPath(source=one.source, target=one.target, before=one.after, after=one.before)
        case _:
            return None
