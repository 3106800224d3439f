"""Events taken apart: each moment at which something happens, and which links are up when.

In: events, the network.  Out: steps in the order of time, and the times at which routing may use a link.
Never: an operation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from shadowlab.lab.events.event import RESTATES, SWITCHES, Event
from shadowlab.lab.events.subjects import links_of
from shadowlab.model.network import Network
from shadowlab.model.units import NS_PER_S

CONVERGENCE_NS = NS_PER_S
"""How long routers keep sending into a link that failed: the time a link-state protocol with default timers and fast
failure detection takes."""

_NEVER = 1 << 62


@dataclass(frozen=True, kw_only=True)
class Step:
    """One moment of an event.  ``routes``: what routers lead packets by changes; else something of the links does."""

    at_ns: int
    kind: Literal["down", "up", "restate", "demand", "routes"]
    event: Event
    number: int = 1
    """Which step of the event it is, from 1."""
    links: tuple[str, ...] = ()
    since_ns: int = 0
    """Of ``routes``: when that happened which routing now answers to."""


def steps_of(events: Sequence[Event], network: Network) -> tuple[Step, ...]:
    """Every step of every event in the order of time; of one moment, in the order of the events."""
    found = [step for event in events for step in _steps(event, network)]
    return tuple(sorted(found, key=lambda step: step.at_ns))


def _steps(event: Event, network: Network) -> Iterator[Step]:
    if event.kind in SWITCHES:
        yield from _switches(event, links_of(event.name, network))
    elif event.kind == "ramp":
        for number, at_ns in event.step_times():
            yield Step(at_ns=at_ns, kind="restate", event=event, number=number)
        if event.start:
            yield Step(at_ns=event.at_ns, kind="restate", event=event, number=0)
    elif event.kind in RESTATES:
        yield Step(at_ns=event.at_ns, kind="restate", event=event)
        if event.metric is not None:
            yield _routes(event, event.at_ns)
    elif event.over_ns:
        for number, at_ns in event.step_times():
            yield Step(at_ns=at_ns, kind="demand", event=event, number=number)
        if event.start_factor is not None:
            yield Step(at_ns=event.at_ns, kind="demand", event=event, number=0)
    else:
        yield Step(at_ns=event.at_ns, kind="demand", event=event)


def _switches(event: Event, links: tuple[str, ...]) -> Iterator[Step]:
    if event.kind == "drain":
        yield Step(at_ns=event.at_ns, kind="routes", event=event, since_ns=event.at_ns)
        yield Step(at_ns=event.end_ns, kind="down", event=event, links=links)
    elif event.kind == "flap":
        for number, (down_ns, up_ns) in enumerate(event.flaps(), 1):
            yield Step(at_ns=down_ns, kind="down", event=event, number=number, links=links)
            yield _routes(event, down_ns, number)
            yield Step(at_ns=up_ns, kind="up", event=event, number=number, links=links)
            yield _routes(event, up_ns, number)
    else:
        yield Step(at_ns=event.at_ns, kind="down" if event.kind == "fail" else "up", event=event, links=links)
        yield _routes(event, event.at_ns)


def _routes(event: Event, since_ns: int, number: int = 1) -> Step:
    return Step(at_ns=since_ns + CONVERGENCE_NS, kind="routes", event=event, number=number, since_ns=since_ns)


class Usable:
    """When routing may lead packets over a link: once it has been up for as long as routing takes to converge, and
    until it is drained or goes down."""

    def __init__(self, steps: Sequence[Step], network: Network) -> None:
        self._away: dict[str, list[tuple[int, int]]] = {}
        since: dict[str, int] = {}
        for step in steps:
            if step.kind == "routes" and step.event.kind == "drain":
                for link in links_of(step.event.name, network):
                    since.setdefault(link, step.at_ns)
            elif step.kind == "down":
                for link in step.links:
                    since.setdefault(link, step.at_ns)
            elif step.kind == "up":
                for link in step.links:
                    if link in since:
                        self._away.setdefault(link, []).append((since.pop(link), step.at_ns))
        for link, at_ns in since.items():
            self._away.setdefault(link, []).append((at_ns, _NEVER))

    def without(self, now_ns: int) -> frozenset[str]:
        """The links that routing leads nobody over, at a moment at which it changes."""
        away: Mapping[str, list[tuple[int, int]]] = self._away
        return frozenset(
            link
            for link, spans in away.items()
            if any(first <= now_ns and last > now_ns - CONVERGENCE_NS for first, last in spans)
        )
