"""Scenario events become operations, and the state of the network after each.

In: events, network, fabric.  Out: timed changes for the job, and the network and routes as they stand after each event.
Never: an effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from shadowlab.errors import Fault, InputError
from shadowlab.lab.scenario import Event, Scenario
from shadowlab.model.fabric import Fabric, Route
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Network
from shadowlab.model.units import NS_PER_S, format_duration, format_fraction, format_rate
from shadowlab.shadow.ops import Op, ScaleDemand, TimedChange
from shadowlab.shadow.plan import impair_ops, link_state_ops, route_ops
from shadowlab.topology.routing import shortest_routes

CONVERGENCE_NS = NS_PER_S
"""How long routers keep sending into a link that failed: the time a link-state protocol with default timers and fast
failure detection takes."""


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
    scenario: Scenario,
    network: Network,
    fabric: Fabric,
    routes: tuple[Route, ...],
    rate_factor: float,
) -> Timeline:
    """Every event as operations.  ``rate_factor`` scales rates and buffers that events state, like the map's own.

    Links and flows are in the map and the telemetry: :mod:`shadowlab.lab.references` saw to it.
    """
    state = State(since_ns=0, network=network, routes=routes)
    states, changes = [state], []
    for event in scenario.events:
        before = state
        down = _going_down(scenario.events, after=event, within_ns=CONVERGENCE_NS)
        state, more = _resolve(event, before, fabric, rate_factor, down)
        # An event that comes while routing still converges belongs to the state after that.
        state = replace(state, since_ns=max(state.since_ns, before.since_ns))
        states.append(state)
        changes.extend(more)
    return Timeline(changes=tuple(sorted(changes, key=lambda change: change.at_ns)), states=tuple(states))


def _going_down(events: Sequence[Event], *, after: Event, within_ns: int) -> frozenset[str]:
    """The links that fail before routing has converged after an event: it leads nobody over those."""
    first, last = after.at_ns, after.at_ns + within_ns
    return frozenset(one.link for one in events if one.kind == "fail" and first <= one.at_ns <= last)


def _resolve(
    event: Event, state: State, fabric: Fabric, rate_factor: float, going_down: frozenset[str]
) -> tuple[State, list[TimedChange]]:
    network = state.network
    if event.kind == "demand":
        op = ScaleDemand(flows=event.flows, factor=event.factor)
        return replace(state, since_ns=event.at_ns), [_change(event, (op,), op.describe())]
    link = network.links_by_id[event.link]
    if event.kind == "degrade":
        ops: list[Op] = []
        for direction in link.directions:
            if event.towards in ("", direction.target):
                worse = degraded(link.impairment(direction), event, rate_factor)
                ops.extend(impair_ops(fabric, network, direction, worse))
                link = link.with_impairment(direction, worse)
        after = replace(state, since_ns=event.at_ns, network=network.with_links(link))
        return after, [_change(event, tuple(ops), describe_event(event))]
    up = event.kind == "restore"
    failed = state.failed - {event.link} if up else state.failed | {event.link}
    routes = shortest_routes(network, fabric, avoid=failed | going_down, partial=True)
    switch = _change(event, link_state_ops(fabric, link, up=up), describe_event(event))
    since_ns = event.at_ns + CONVERGENCE_NS
    converge = TimedChange(at_ns=since_ns, reason="routing converges", ops=route_ops(state.routes, routes))
    return replace(state, since_ns=since_ns, routes=routes, failed=failed), [switch, converge]


def _change(event: Event, ops: tuple[Op, ...], words: str) -> TimedChange:
    return TimedChange(at_ns=event.at_ns, reason=event.reason or words, ops=ops)


def degraded(now: Impairment, event: Event, rate_factor: float) -> Impairment:
    """The impairment with what the event states put in its place."""
    worse = replace(
        now,
        delay_ns=now.delay_ns if event.delay_ns is None else event.delay_ns,
        jitter_ns=now.jitter_ns if event.jitter_ns is None else event.jitter_ns,
        rate_bps=now.rate_bps if event.rate_bps is None else scaled(event.rate_bps, rate_factor, least=1),
    )
    if event.loss is not None:
        worse = worse.with_loss(event.loss)
    if event.queue_packets is not None:
        worse = worse.with_queue_packets(scaled(event.queue_packets, rate_factor, least=2))
    try:
        return worse.check()
    except ValueError as error:
        raise InputError(Fault(place=event.place, message=f"{describe_event(event)}: {error}")) from error


def scaled(value: int, factor: float, *, least: int) -> int:
    """The law of :mod:`shadowlab.predict.budget`; what is not scaled stays as it is stated."""
    return value if factor == 1 else max(least, round(value / factor))


def describe_event(event: Event) -> str:
    """One line for timelines."""
    if event.kind == "demand":
        return f"demand of {len(event.flows) or 'all'} flows times {event.factor:g}"
    if event.kind != "degrade":
        return f"{event.link} {'fails' if event.kind == 'fail' else 'comes back'}"
    words = [
        *([f"loss {format_fraction(event.loss)}"] if event.loss is not None else []),
        *([f"delay {format_duration(event.delay_ns)}"] if event.delay_ns is not None else []),
        *([f"jitter {format_duration(event.jitter_ns)}"] if event.jitter_ns is not None else []),
        *([f"rate {format_rate(event.rate_bps)}"] if event.rate_bps is not None else []),
        *([f"queue {event.queue_packets} packets"] if event.queue_packets is not None else []),
    ]
    return f"{event.link}{f' towards {event.towards}' if event.towards else ''} degrades: {', '.join(words)}"
