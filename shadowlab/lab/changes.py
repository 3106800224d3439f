"""Scenario events become operations, and the state of the network after each.

In: events, network, fabric.  Out: timed changes for the job, and the network and routes as they stand after each event.
Never: an effect.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from shadowlab.errors import Fault, InputError
from shadowlab.lab.events.event import Event
from shadowlab.lab.events.steps import CONVERGENCE_NS, Step, Usable, steps_of
from shadowlab.lab.events.words import describe_event
from shadowlab.model.fabric import Fabric, Route
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Direction, Link, Network
from shadowlab.shadow.ops import Op, TimedChange
from shadowlab.shadow.plan import impair_ops, link_state_ops, route_ops
from shadowlab.shadow.traffic_ops import ScaleDemand
from shadowlab.shadow.transport import keeping_windows
from shadowlab.topology.link_keys.restate import restated
from shadowlab.topology.routing import shortest_routes

__all__ = ["CONVERGENCE_NS", "State", "Timeline", "resolve_events"]


@dataclass(frozen=True, kw_only=True)
class State:
    """The network and its routes from ``since_ns`` on: after a failure, once routing has converged."""

    since_ns: int
    network: Network
    routes: tuple[Route, ...]
    failed: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """What the job does when, and what the network then is; ``states[0]`` is the start."""

    changes: tuple[TimedChange, ...]
    states: tuple[State, ...]

    def at(self, now_ns: int) -> State:
        """The state that holds at a moment of the run."""
        return [state for state in self.states if state.since_ns <= now_ns][-1]


def resolve_events(
    events: Sequence[Event],
    network: Network,
    fabric: Fabric,
    routes: tuple[Route, ...],
    *,
    rate_factor: float = 1.0,
    flows: Sequence[str] = (),
    folder: Path = Path(),
) -> Timeline:
    """Every event as operations.

    ``network`` is the map's own; in the timeline its rates and buffers are divided by ``rate_factor``, and those that
    events state with them.  ``flows`` are the names of all flows, ``folder`` is where the scenario's files lie.  Links
    and flows exist: :mod:`shadowlab.lab.references` saw to it.  Raises InputError, with the event's place, for what no
    link can be.
    """
    return _Course(events, network, fabric, routes, rate_factor, flows, folder).timeline()


class _Course:
    """Walks through the steps in the order of time."""

    def __init__(
        self,
        events: Sequence[Event],
        network: Network,
        fabric: Fabric,
        routes: tuple[Route, ...],
        rate_factor: float,
        flows: Sequence[str],
        folder: Path,
    ) -> None:
        self._steps = steps_of(events, network)
        self._usable = Usable(self._steps, network)
        self._answered_ns = sorted(
            step.since_ns for step in self._steps if step.kind == "routes" and step.at_ns > step.since_ns
        )
        """When that happened which routing answers to a while later."""
        self._map = network
        self._full = network
        self._fabric = fabric
        self._rate_factor = rate_factor
        self._folder = folder
        self._now = network.with_links(*(self._scaled(link) for link in network.links))
        self._factors = dict.fromkeys(flows, 1.0)
        self._down: set[str] = set()
        self._begun: dict[int, dict[Any, dict[str, Any]]] = {}
        """What a ramp began with, by its place in time: of each direction, or of each flow."""
        self._metrics: list[tuple[int, str, int]] = []
        self._routed: dict[tuple[frozenset[str], tuple[tuple[str, int], ...]], tuple[Route, ...]] = {}
        self._states = [State(since_ns=0, network=self._now, routes=routes)]

    def timeline(self) -> Timeline:
        changes: list[TimedChange] = []
        for step in self._steps:
            words = step.event.reason or describe_event(step.event)
            ops = self._resolve(step)
            if ops:
                changes.append(TimedChange(at_ns=step.at_ns, reason=_reason(step, words), ops=ops))
            # What happens while routing converges belongs to the state after that.
            if step.kind == "routes" or (step.kind in ("restate", "demand") and not self._converging(step.at_ns)):
                self._remember(step)
        return Timeline(changes=tuple(changes), states=tuple(self._states))

    def _converging(self, now_ns: int) -> bool:
        index = bisect_right(self._answered_ns, now_ns)
        return index > 0 and self._answered_ns[index - 1] > now_ns - CONVERGENCE_NS

    def _remember(self, step: Step) -> None:
        before = self._states[-1]
        if step.kind == "routes":
            failed = self._usable.without(step.at_ns)
            after = replace(before, since_ns=step.at_ns, network=self._now, routes=self._routes(step), failed=failed)
        else:
            after = replace(before, since_ns=step.at_ns, network=self._now)
        if after.since_ns == before.since_ns:
            self._states.pop()
        self._states.append(after)

    def _resolve(self, step: Step) -> tuple[Op, ...]:
        match step.kind:
            case "down" | "up":
                return self._switch(step.links, up=step.kind == "up")
            case "routes":
                return route_ops(self._states[-1].routes, self._routes(step))
            case "demand":
                return self._demand(step)
            case _:
                return self._restate(step)

    def _switch(self, links: Sequence[str], *, up: bool) -> tuple[Op, ...]:
        changed = [link for link in links if (link in self._down) == up]
        self._down ^= set(changed)
        return tuple(op for link in changed for op in link_state_ops(self._fabric, self._full.links_by_id[link], up=up))

    def _routes(self, step: Step) -> tuple[Route, ...]:
        known = dict(sorted((link, metric) for at_ns, link, metric in self._metrics if at_ns <= step.since_ns))
        without = self._usable.without(step.at_ns)
        key = without, tuple(known.items())
        if key not in self._routed:
            routes = shortest_routes(self._map, self._fabric, avoid=without, metrics=known, partial=True)
            self._routed[key] = keeping_windows(routes, self._states[0].routes)
        return self._routed[key]

    # --- links -------------------------------------------------------------------------------------------------

    def _restate(self, step: Step) -> tuple[Op, ...]:
        event = step.event
        link = self._full.links_by_id[event.name]
        ways = [direction for direction in link.directions if event.towards in ("", direction.target)]
        stated = {direction: self._stated(step, link, direction) for direction in ways}
        try:
            link = restated(link, stated, folder=self._folder)
        except ValueError as error:
            raise InputError(Fault(place=event.place, message=f"{describe_event(event)}: {error}")) from error
        if event.metric is not None:
            link = replace(link, metric=event.metric, metric_backward=None)
            self._metrics.append((step.at_ns, link.id, event.metric))
        self._full = self._full.with_links(link)
        worse = self._scaled(link)
        ops = tuple(
            op for direction in ways if event.stated for op in self._impair_ops(direction, worse.impairment(direction))
        )
        self._now = self._now.with_links(worse)
        return ops

    def _impair_ops(self, direction: Direction, wanted: Impairment) -> tuple[Op, ...]:
        """Of a direction with two devices only those that change."""
        standing = impair_ops(self._fabric, self._now, direction, self._now.impairment(direction))
        return tuple(op for op in impair_ops(self._fabric, self._now, direction, wanted) if op not in standing)

    def _stated(self, step: Step, link: Link, direction: Direction) -> Mapping[str, Any]:
        event = step.event
        if event.kind != "ramp":
            return event.stated
        begun = self._begun.setdefault(id(event), {})
        if direction not in begun:
            now = link.impairment(direction)
            begun[direction] = {key: event.start.get(key, _present(now, key)) for key in event.stated}
            for key, value in begun[direction].items():
                if value is None:
                    message = (
                        f"{describe_event(event)}: {direction} has no single {key} to begin with: state it in `from`"
                    )
                    raise InputError(Fault(place=event.place, message=message))
        return {
            key: _between(begun[direction][key], value, step.number, event.steps) for key, value in event.stated.items()
        }

    def _scaled(self, link: Link) -> Link:
        """By the law of :mod:`shadowlab.predict.budget`; without a factor everything stays as it is stated."""
        if self._rate_factor == 1:
            return link
        return replace(
            link, forward=link.forward.scaled(self._rate_factor), backward=link.backward.scaled(self._rate_factor)
        )

    # --- demand ------------------------------------------------------------------------------------------------

    def _demand(self, step: Step) -> tuple[Op, ...]:
        event = step.event
        names = event.flows or tuple(self._factors)
        begun = self._begun.setdefault(id(event), {"factors": {}})["factors"]
        for name in names:
            begun.setdefault(name, self._factors.get(name, 1.0) if event.start_factor is None else event.start_factor)
        wanted = {name: _between(begun[name], event.factor, step.number, event.steps) for name in names}
        self._factors |= wanted
        factors = sorted(set(wanted.values()))
        if len(factors) <= 1:
            return (ScaleDemand(flows=event.flows, factor=factors[0] if factors else event.factor),)
        return tuple(
            ScaleDemand(flows=tuple(name for name in names if wanted[name] == factor), factor=factor)
            for factor in factors
        )


def _present(now: Impairment, key: str) -> Any:
    """The number that a key has; None if it has none."""
    if key == "loss":
        return now.loss if now.loss_model is None else None
    if key in ("duplicate", "corrupt", "reorder"):
        chance = getattr(now, key)
        return chance.share if chance is not None else 0.0
    if key == "queue":
        return now.queue_packets if now.queue is None else None
    return {"delay": now.delay_ns, "jitter": now.jitter_ns, "rate": now.rate_bps}[key]


def _between(first: Any, last: Any, number: int, steps: int) -> Any:
    """A step on the straight line: whole where the key is, and exactly ``last`` at its end."""
    if number == steps:
        return last
    if isinstance(first, int) and isinstance(last, int):
        return first + round((last - first) * number / steps)
    return first + (last - first) * (number / steps)


def _reason(step: Step, words: str) -> str:
    """Why this moment's operations are made."""
    event = step.event
    if step.kind == "routes":
        if event.kind == "drain":
            return f"{words}: routes move off"
        return "routing converges"
    if event.kind == "drain":
        return f"{words}: down"
    if event.kind == "flap":
        return f"{words}: {step.kind}, {step.number} of {event.count}"
    return f"{words}: step {step.number} of {event.steps}" if event.over_ns else words
