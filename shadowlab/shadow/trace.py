"""The way a packet takes, read from the live kernel: node by node, each asked for its own next hop.

In: a segment, which direction leaves by which interface, the nodes' addresses.  Out: the directions crossed, in order.
Never: a route taken from the plan.  Imported inside the guest: standard library only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from shadowlab.kernel.ports import Flow, NextHop
from shadowlab.model.network import Direction


@dataclass(frozen=True, kw_only=True)
class TraceFault:
    """Why a packet would not arrive.  ``at`` is the node with no route, or the first one that would see it again."""

    kind: Literal["black hole", "loop"]
    at: str

    def __str__(self) -> str:
        return f"{self.kind} at {self.at}"


class RouteDoor(Protocol):
    """The part of :class:`~shadowlab.kernel.ports.Segment` that tracing uses."""

    def next_hop(
        self, node: str, destination: str, source: str, arrived_by: str | None = None, flow: Flow | None = None
    ) -> NextHop | None: ...


class Step(NamedTuple):
    """What one node was asked (by which interface the packet came in, None for its own) and what it answered."""

    node: str
    arrived_by: str | None
    hop: NextHop | None


@dataclass(frozen=True, kw_only=True)
class Trace:
    """The directions crossed, as far as the packet would come; ``fault`` is None if it arrives."""

    directions: tuple[Direction, ...]
    fault: TraceFault | None = None
    steps: tuple[Step, ...] = field(default=(), compare=False, repr=False)

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes on the way, both ends included; empty for a way without a single hop."""
        return (self.directions[0].source, *(one.target for one in self.directions)) if self.directions else ()


def trace(
    segment: RouteDoor,
    interface_directions: Mapping[str, str],
    addresses: Mapping[str, str],
    source: str,
    target: str,
    *,
    gateways: Mapping[str, str] | None = None,
    flow: Flow | None = None,
) -> Trace:
    """The way from one node's own address to another's: that of ``flow``, where ways of equal cost part.

    ``interface_directions`` tells for each ``node/interface`` which direction leaves by it, as ``link|source|target``;
    ``gateways`` for each address on a LAN the direction that leads there from the segment, in the same form.
    A node in transit is asked as the packet would ask it: with the interface it came in by, so that forwarding and
    filters count as well.
    """
    places = {leaving: place for place, leaving in interface_directions.items()}
    crossed: list[Direction] = []
    steps: list[Step] = []
    seen = {source}
    node, arrived_by = source, None

    def ended(fault: TraceFault | None = None) -> Trace:
        return Trace(directions=tuple(crossed), fault=fault, steps=tuple(steps))

    while True:
        hop = segment.next_hop(node, addresses[target], addresses[source], arrived_by, flow)
        steps.append(Step(node, arrived_by, hop))
        if hop is None or hop.local != (node == target):
            return ended(TraceFault(kind="black hole", at=node))
        if hop.local:
            return ended()
        step = _direction(interface_directions[f"{node}/{hop.interface}"])
        crossed.append(step)
        if (onward := (gateways or {}).get(hop.via or "")) is not None:
            step = _direction(onward)
            crossed.append(step)
        if step.target in seen:
            return ended(TraceFault(kind="loop", at=step.target))
        seen.add(step.target)
        # The way back over the same link leaves by the interface that the packet arrives at.
        arrived_by = places[f"{step.link}|{step.target}|{step.source}"][len(step.target) + 1 :]
        node = step.target


def follower(segment: RouteDoor, way: Trace, destination: str, source: str) -> Callable[[Flow], bool]:
    """Tells of a flow between these two addresses whether every node on ``way`` would send it the same way on.

    The nodes that have sent an earlier flow elsewhere are asked first: there are few ways to part.
    """
    steps = list(way.steps)

    def takes(flow: Flow) -> bool:
        for place, (node, arrived_by, hop) in enumerate(steps):
            if segment.next_hop(node, destination, source, arrived_by, flow) != hop:
                steps.insert(0, steps.pop(place))
                return False
        return True

    return takes


def _direction(text: str) -> Direction:
    link, source, target = text.split("|")
    return Direction(link=link, source=source, target=target)
