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
from shadowlab.model.flow import FlowSpec
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Direction, Link, Network
from shadowlab.model.units import NS_PER_S, format_fraction
from shadowlab.shadow.ops import Op, ScaleDemand, TimedChange
from shadowlab.shadow.plan import change_impairment, link_state_ops, route_ops
from shadowlab.topology.routing import shortest_routes

CONVERGENCE_NS = NS_PER_S
"""How long routers keep sending into a link that failed: the time a link-state protocol with default timers and fast
failure detection takes."""


@dataclass(frozen=True, kw_only=True)
class State:
    """The network and its routes from ``since_ns`` on."""

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
    flows: Sequence[FlowSpec],
    rate_factor: float,
) -> Timeline:
    """Every event as operations.  ``rate_factor`` scales rates and buffers that events state, like the map's own."""
    _check(scenario, network, flows)
    state = State(since_ns=0, network=network, routes=routes)
    states, changes = [state], []
    for event in scenario.events:
        state, more = _resolve(event, state, fabric, flows, rate_factor)
        states.append(state)
        changes.extend(more)
    return Timeline(changes=tuple(sorted(changes, key=lambda change: change.at_ns)), states=tuple(states))


def _check(scenario: Scenario, network: Network, flows: Sequence[FlowSpec]) -> None:
    faults = []
    known = {flow.id for flow in flows}
    for event in scenario.events:
        if event.kind != "demand" and event.link not in network.links_by_id:
            near = ", ".join(sorted(network.links_by_id)[:8])
            faults.append(
                Fault(
                    place=str(scenario.path),
                    message=f"event {event.kind}: the map has no link {event.link!r} (it has {near}, …)",
                )
            )
        elif event.towards and event.towards not in _ends(network.links_by_id[event.link]):
            faults.append(
                Fault(
                    place=str(scenario.path),
                    message=f"event {event.kind} {event.link}: {event.towards!r} is not an end of that link",
                )
            )
        faults += [
            Fault(place=str(scenario.path), message=f"event demand: no flow is called {name!r}")
            for name in event.flows
            if name not in known
        ]
    if faults:
        raise InputError(*faults)


def _ends(link: Link) -> tuple[str, str]:
    return (link.a, link.b)


def _resolve(
    event: Event, state: State, fabric: Fabric, flows: Sequence[FlowSpec], rate_factor: float
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
                ops.append(change_impairment(fabric, network, direction, worse))
                link = link.with_impairment(direction, worse)
        after = replace(state, since_ns=event.at_ns, network=network.with_links(link))
        return after, [_change(event, tuple(ops), describe_event(event))]
    up = event.kind == "restore"
    failed = state.failed - {event.link} if up else state.failed | {event.link}
    routes = shortest_routes(network, fabric, avoid=failed, partial=True)
    switch = _change(event, link_state_ops(fabric, link, up=up), describe_event(event))
    converge = TimedChange(
        at_ns=event.at_ns + CONVERGENCE_NS, reason="routing converges", ops=route_ops(state.routes, routes)
    )
    return replace(state, since_ns=event.at_ns, routes=routes, failed=failed), [switch, converge]


def _change(event: Event, ops: tuple[Op, ...], words: str) -> TimedChange:
    return TimedChange(at_ns=event.at_ns, reason=event.reason or words, ops=ops)


def degraded(now: Impairment, event: Event, rate_factor: float) -> Impairment:
    """The impairment with what the event states put in its place."""
    return Impairment(
        delay_ns=now.delay_ns if event.delay_ns is None else event.delay_ns,
        jitter_ns=now.jitter_ns if event.jitter_ns is None else event.jitter_ns,
        loss=now.loss if event.loss is None else event.loss,
        rate_bps=now.rate_bps if event.rate_bps is None else max(1, round(event.rate_bps / rate_factor)),
        queue_packets=now.queue_packets
        if event.queue_packets is None
        else max(2, round(event.queue_packets / rate_factor)),
    )


def describe_event(event: Event) -> str:
    """One line for timelines."""
    if event.kind == "demand":
        return f"demand of {len(event.flows) or 'all'} flows times {event.factor:g}"
    if event.kind != "degrade":
        return f"{event.link} {'fails' if event.kind == 'fail' else 'comes back'}"
    words = [f"loss {format_fraction(event.loss)}"] if event.loss is not None else []
    for name, value in (
        ("delay", event.delay_ns),
        ("jitter", event.jitter_ns),
        ("rate", event.rate_bps),
        ("queue", event.queue_packets),
    ):
        if value is not None:
            words.append(f"{name} changed")
    return f"{event.link}{f' towards {event.towards}' if event.towards else ''} degrades: {', '.join(words)}"


def direction_names(network: Network) -> dict[str, Direction]:
    """Directions by the name they carry in operations and series."""
    return {str(direction): direction for direction in network.directions}
