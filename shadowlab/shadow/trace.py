"""The way a packet takes, read from the live kernel: node by node, each asked for its own next hop.

In: a segment, which direction leaves by which interface, the nodes' addresses.  Out: the directions crossed, in order.
Never: a route taken from the plan.  Imported inside the guest: standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from shadowlab.kernel.ports import Flow, Segment
from shadowlab.model.network import Direction


@dataclass(frozen=True, kw_only=True)
class TraceFault:
    """Why a packet would not arrive.  ``at`` is the node with no route, or the first one that would see it again."""

    kind: Literal["black hole", "loop"]
    at: str

    def __str__(self) -> str:
        return f"{self.kind} at {self.at}"


@dataclass(frozen=True, kw_only=True)
class Trace:
    """The directions crossed, as far as the packet would come; ``fault`` is None if it arrives."""

    directions: tuple[Direction, ...]
    fault: TraceFault | None = None

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes on the way, both ends included; empty for a way without a single hop."""
        return (self.directions[0].source, *(one.target for one in self.directions)) if self.directions else ()


def trace(
    segment: Segment,
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
    seen = {source}
    node, arrived_by = source, None
    while True:
        hop = segment.next_hop(node, addresses[target], addresses[source], arrived_by, flow)
        if hop is None or hop.local != (node == target):
            return Trace(directions=tuple(crossed), fault=TraceFault(kind="black hole", at=node))
        if hop.local:
            return Trace(directions=tuple(crossed))
        step = _direction(interface_directions[f"{node}/{hop.interface}"])
        crossed.append(step)
        if (onward := (gateways or {}).get(hop.via or "")) is not None:
            step = _direction(onward)
            crossed.append(step)
        if step.target in seen:
            return Trace(directions=tuple(crossed), fault=TraceFault(kind="loop", at=step.target))
        seen.add(step.target)
        # The way back over the same link leaves by the interface that the packet arrives at.
        arrived_by = places[f"{step.link}|{step.target}|{step.source}"][len(step.target) + 1 :]
        node = step.target


def _direction(text: str) -> Direction:
    link, source, target = text.split("|")
    return Direction(link=link, source=source, target=target)
