"""An event of a scenario: something that happens to links, or to demand.

In: plain values.  Out: a frozen event that knows when its parts happen.  Never: a look at the network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from shadowlab.model.units import NS_PER_S

Kind = Literal["degrade", "set", "ramp", "fail", "restore", "flap", "drain", "undrain", "demand"]
SWITCHES = ("fail", "restore", "flap", "drain", "undrain")
"""Kinds that take links down or bring them up; their name may be that of a link, a node or a group."""
RESTATES = ("degrade", "set", "ramp")
"""Kinds that change what one link does to packets."""

DEFAULT_GRACE_NS = 2 * NS_PER_S
DEFAULT_STEP_NS = NS_PER_S
MOST_STEPS = 1000
"""Of one event: each is an operation of the job."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happens from ``at_ns`` of the run on.

    ``stated`` holds the link's keys, with the values of :class:`~shadowlab.topology.link_keys.sections
    .ImpairmentSection`; of a ramp those at its end, and ``start`` those at its beginning where they are stated.
    """

    at_ns: int
    kind: Kind
    name: str = ""
    """The link, or for :data:`SWITCHES` also a node or a group."""
    towards: str = ""
    reason: str = ""
    stated: Mapping[str, Any] = field(default_factory=dict)
    metric: int | None = None
    start: Mapping[str, Any] = field(default_factory=dict)
    factor: float = 1.0
    start_factor: float | None = None
    flows: tuple[str, ...] = ()
    over_ns: int = 0
    """How long a ramp lasts, of a link's keys or of demand."""
    steps: int = 1
    period_ns: int = 0
    down_ns: int = 0
    count: int = 0
    until_ns: int = 0
    """A flap: ``count`` times down for ``down_ns`` in each ``period_ns``, up for good at ``until_ns`` at the latest."""
    grace_ns: int = 0
    """A drain: how long after its routes moved off the link goes down."""
    place: str = ""
    """Where the scenario says so, for faults that only the map or the telemetry brings to light."""

    @property
    def end_ns(self) -> int:
        """When the last of its parts happens."""
        if self.kind == "flap":
            return list(self.flaps())[-1][1]
        return self.at_ns + self.over_ns + self.grace_ns

    @property
    def settled_ns(self) -> int:
        """From when on the network is as the event leaves it; a link that flaps is so from the start."""
        return self.at_ns if self.kind == "flap" else self.end_ns

    def flaps(self) -> Iterator[tuple[int, int]]:
        """When the link goes down and when it comes up again, one pair for each time."""
        for number in range(self.count):
            down_ns = self.at_ns + number * self.period_ns
            yield down_ns, min(down_ns + self.down_ns, self.until_ns)

    def step_times(self) -> Iterator[tuple[int, int]]:
        """Number and moment of each step of a ramp; the last is at its end."""
        for number in range(1, self.steps + 1):
            yield number, self.at_ns + self.over_ns * number // self.steps
