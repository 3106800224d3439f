"""From a scenario to a job: everything that is decided before a kernel is touched.

In: a scenario.  Out: the network, its fabric and routes, the flows, the timeline, the cost, and the whole job.
Never: a kernel call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from shadowlab.errors import Fault, InputError
from shadowlab.lab.changes import State, Timeline, resolve_events
from shadowlab.lab.events.steps import steps_of
from shadowlab.lab.inputs.gathered import Inputs, read_inputs
from shadowlab.lab.job import Job, WatchedInterface
from shadowlab.lab.references import check_references
from shadowlab.lab.scenario import Scenario
from shadowlab.lab.workloads.capture import Packets, with_files
from shadowlab.lab.workloads.resolve import pairs, probed_pairs, wishing
from shadowlab.mitigate.allowed import Allowed, Around, DrainSubject, RaiseMetric
from shadowlab.mitigate.candidate import Candidate
from shadowlab.mitigate.rehearse import FINALISTS, SHORT_FROM, Stage
from shadowlab.model.fabric import Fabric
from shadowlab.model.flow import FlowSpec, Path
from shadowlab.model.network import Direction, Network
from shadowlab.model.result import Scaling, TelemetryUse
from shadowlab.model.traffic.workload import Program, Replay, Workload
from shadowlab.model.units import NS_PER_S
from shadowlab.monitor.observe import turns_for
from shadowlab.predict.budget import Cost, expected_cost, scale_flows, scale_network, scale_workloads
from shadowlab.predict.fitting import Scale, fitting_factor, nearest_factor, whole_wall_s
from shadowlab.shadow.ops import ImpairEgress, ImpairIngress, Op, TimedChange
from shadowlab.shadow.plan import build_plan
from shadowlab.shadow.shape import device_of
from shadowlab.shadow.transport import plan_transport, with_windows
from shadowlab.telemetry.attach import Attachment
from shadowlab.topology.addressing import address, gateways_of, leaving_of, owners_of
from shadowlab.topology.routing import intended_way, shortest_routes

REHEARSAL_LEAD_NS = 20 * NS_PER_S
"""Fault-free time before the first event of a rehearsal: slow start is over, queues are in their usual state."""
REACTION_NS = 5 * NS_PER_S
SETTLE_NS = 10 * NS_PER_S
JUDGED_NS = 40 * NS_PER_S
SHORT_NS = 20 * NS_PER_S
"""Judged on the short course, by which the clearly worse leave."""
BACK_SETTLE_NS = 5 * NS_PER_S
BACK_NS = 10 * NS_PER_S
"""After a cure is taken back: until that has settled, and judged then."""
ROLL_BACK = "roll back "
"""Begins the reason of a change that takes a cure back."""
EXPECTED_SEARCH_NS = 10 * NS_PER_S
"""From the first event to the fault's localisation, for the estimate."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A scenario with everything resolved."""

    scenario: Scenario
    network: Network
    fabric: Fabric
    flows: tuple[FlowSpec, ...]
    workloads: tuple[Workload, ...]
    replayed: Mapping[str, Packets]
    """The files that replays send, by name in a run's folder."""
    paths: tuple[Path, ...]
    hops: Mapping[Path, tuple[Direction, ...]]
    attachment: Attachment
    telemetry: TelemetryUse
    production: Attachment | None
    """What production looked like after the event, if the scenario names it."""
    allowed: tuple[Allowed, ...]
    timeline: Timeline
    scaling: Scaling
    cost: Cost
    plan: tuple[Op, ...]
    recorded: Mapping[str, Mapping[str, float]]
    """By flow, what TCP made of it in production, at the map's scale."""
    differing: Mapping[str, str]
    """Flows that cannot have all they wish, and what in words."""
    seed: int

    def job(self) -> Job:
        """The main run."""
        return self._job(self.scenario.duration_ns, self.timeline.changes)

    def rehearsal(
        self, courses: Sequence[tuple[int, Candidate]], localised_ns: int, *, long: bool = True
    ) -> tuple[Job, Stage]:
        """The incident again in its whole course, without the long calm before it, and the cure a moment after the
        fault was localised.

        ``courses`` holds the cure as it is to be applied at the fault's localisation, and again on top of each later
        event (by the main run's time): a cure stays in force while the incident goes on.  On the ``long`` course it is
        taken back at the end, from the state that it was made for last.
        """
        moments = [localised_ns + REACTION_NS, *(at_ns for at_ns, _ in courses[1:])]
        # A fault that was seen before any event is there all the same: it is cured in the calm before them.
        shift = max(0, min(self.event_ns, moments[0]) - REHEARSAL_LEAD_NS)
        course = [replace(change, at_ns=change.at_ns - shift) for change in self.timeline.changes]
        settled = max([moments[0] - shift, *(change.at_ns for change in course)]) + SETTLE_NS
        judged = settled + (JUDGED_NS if long else SHORT_NS)
        back = judged + BACK_SETTLE_NS if long else judged
        end = back + BACK_NS if long else judged
        stage = Stage(cure_ns=moments[0] - shift, settled_ns=settled, judged_ns=judged, back_ns=back, end_ns=end)
        course += [
            TimedChange(at_ns=max(at_ns, moments[0]) - shift, reason=candidate.name, ops=candidate.ops)
            for at_ns, (_, candidate) in zip(moments, courses, strict=True)
            if candidate.ops
        ]
        last = courses[-1][1]
        if long and last.undo:
            course.append(TimedChange(at_ns=judged, reason=f"{ROLL_BACK}{last.name}", ops=last.undo))
        course.sort(key=lambda change: change.at_ns)  # stable: an event comes before the cure of the same moment
        return self._job(stage.end_ns, tuple(course)), stage

    @property
    def flow_turns(self) -> int:
        """Into how many groups the flows are divided, of which one is sampled each second."""
        return 1 if self.scenario.samples_every_flow else turns_for(len(self.flows))

    @property
    def whole_wall_s(self) -> float:
        """Expected wall time of the main run and its rehearsals, one after the other."""
        return whole_wall_s(self.cost, rehearsal_shares(self.scenario))

    @property
    def event_ns(self) -> int:
        """When the first event happens; the duration if none does."""
        return min((event.at_ns for event in self.scenario.events), default=self.scenario.duration_ns)

    def states_from(self, now_ns: int) -> tuple[State, ...]:
        """Network and routes at a moment of the main run, and after each later event."""
        return (self.timeline.at(now_ns), *(state for state in self.timeline.states if state.since_ns > now_ns))

    @property
    def files(self) -> Mapping[str, bytes]:
        """What the inside reads beside its job, by name."""
        return {name: one.file for name, one in self.replayed.items()}

    def _job(self, duration_ns: int, changes: tuple[TimedChange, ...]) -> Job:
        return Job(
            seed=self.seed,
            duration_ns=duration_ns,
            sample_every_ns=self.scenario.sample_every_ns,
            probe_every_ns=self.scenario.probe_every_ns,
            build=self.plan,
            addresses=self.fabric.node_address,
            interface_directions=leaving_of(self.fabric),
            flows=self.flows,
            paths=self.paths,
            watched=watched_interfaces(self.plan, self.timeline.changes),
            timeline=changes,
            addresses6=self.fabric.node_address6,
            gateways=gateways_of(self.fabric),
            spreads=self.network.ecmp,
            owners=owners_of(self.fabric),
            probe_bytes=self.scenario.probe_bytes,
            probe_dscp=self.scenario.probe_dscp,
            probe_as=self.scenario.probe_as,
            workloads=self.workloads,
            compute=self.scenario.compute,
            flow_turns=self.flow_turns,
        )


def prepare(scenario: Scenario, *, seed: int | None = None, scale: Scale = "auto") -> Prepared:
    """Resolve a scenario.  What it says of rates, demands and buffers is divided as ``scale`` asks, and that is stated.

    Raises InputError for a run above its wall budget that must not be scaled, or cannot be scaled enough.
    """
    return resolve(scenario, read_inputs(scenario), seed=seed, scale=scale)


def resolve(
    scenario: Scenario, inputs: Inputs, *, seed: int | None = None, scale: Scale = "auto", partial: bool = False
) -> Prepared:
    """The same from inputs that were read, and perhaps changed.  ``partial``: instances may be cut off from each other;
    else that is refused, with ValueError."""
    full, flows, workloads = inputs.network, inputs.flows, inputs.workloads
    paths = tuple(sorted({*(Path(source=flow.source, target=flow.target) for flow in flows), *probed_pairs(workloads)}))
    driven = [*(flow.id for flow in flows), *(one.name for one in workloads)]
    check_references(scenario, full, driven, paths)
    hops = {path: intended_way(full, path.source, path.target).directions for path in paths}

    def scaled(factor: float) -> tuple[Network, tuple[FlowSpec, ...], tuple[Workload, ...]]:
        if factor == 1:
            return full, flows, workloads
        return scale_network(full, factor), scale_flows(flows, factor), scale_workloads(workloads, factor)

    scaling = _scaling(
        scenario, full, workloads, scale, lambda factor: _cost(scenario, *scaled(factor), paths=paths, hops=hops)
    )
    network, flows, workloads = scaled(scaling.factor)
    fabric = address(network)
    workloads, replayed = with_files(workloads, fabric.node_address, fabric.node_address6)
    replaced = any(step.kind == "routes" for step in steps_of(scenario.events, full)) or any(
        isinstance(one, Around | RaiseMetric | DrainSubject) for one in inputs.allowed
    )
    # Routes that are to be replaced one by one, by events or cures, are one for each host.
    transport = plan_transport([*flows, *wishing(workloads)], fabric)
    routes = with_windows(shortest_routes(network, fabric, aggregate=not replaced, partial=partial), transport)
    return Prepared(
        scenario=scenario,
        network=network,
        fabric=fabric,
        flows=flows,
        workloads=workloads,
        replayed=replayed,
        paths=paths,
        hops=hops,
        attachment=inputs.attachment,
        telemetry=inputs.telemetry,
        production=inputs.production,
        allowed=inputs.allowed,
        timeline=resolve_events(
            scenario.events,
            full,
            fabric,
            routes,
            rate_factor=scaling.factor,
            flows=driven,
            folder=scenario.path.parent,
        ),
        scaling=scaling,
        cost=_cost(scenario, network, flows, workloads, paths, hops),
        plan=build_plan(network, fabric, routes, transport.settings),
        recorded=inputs.recorded,
        differing=transport.differing,
        seed=scenario.seed if seed is None else seed,
    )


def _scaling(
    scenario: Scenario,
    full: Network,
    workloads: Sequence[Workload],
    scale: Scale,
    cost_at: Callable[[float], Cost],
) -> Scaling:
    """The factor, and why it is that."""
    budget_s = scenario.wall_budget_ns / NS_PER_S
    rehearsals = rehearsal_shares(scenario)
    if isinstance(scale, float):
        factor, why = scale, "as asked for"
    else:
        expected = f"the run would take about {whole_wall_s(cost_at(1.0), rehearsals):.0f} s" + (
            f" with {len(rehearsals)} rehearsals" if rehearsals else ""
        )
        refused = f"{expected}, and its wall_budget is {budget_s:g} s: raise that, or ask for --scale "
        if scale == "off" and whole_wall_s(cost_at(1.0), rehearsals) > budget_s:
            message = f"{refused}auto to have rates, demands and buffers divided, or for --scale 1 to wait"
            raise InputError(Fault(place=str(scenario.path), message=message))
        try:
            factor, why = fitting_factor(cost_at, budget_s, rehearsals), "to keep the run within its wall-time budget"
        except ValueError as error:
            if scale == "near":
                factor = nearest_factor(cost_at, rehearsals)
                why = f"to come near its wall-time budget of {budget_s:g} s, which no factor keeps"
                return _scaled(factor, why, full, workloads)
            message = f"{refused}1 to have it whatever it takes ({error})"
            raise InputError(Fault(place=str(scenario.path), message=message)) from error
    return _scaled(factor, why, full, workloads)


def _scaled(factor: float, why: str, full: Network, workloads: Sequence[Workload]) -> Scaling:
    reason = f"capacities, demands and buffers divided by {factor:.3g} {why}; round-trip times kept"
    whole = [one.name for one in workloads if isinstance(one, Program | Replay)]
    if whole:
        reason += f"; programs and replays are as large as ever: {', '.join(whole)}"
    return Scaling(factor=factor, map_rate_scale=full.rate_scale, reason="" if factor == 1 else reason)


def rehearsal_shares(scenario: Scenario) -> tuple[float, ...]:
    """How long each rehearsal is expected to be, as a share of the main run; none if there is nothing to rehearse.

    One of each cure and one of doing nothing; should the fault be found later than expected, they are longer.
    """
    count = len(scenario.cures.mitigations)
    if not count or not scenario.levels or not scenario.events:
        return ()
    first, last = scenario.events[0].at_ns, max(event.settled_ns for event in scenario.events)
    course_ns = min(first, REHEARSAL_LEAD_NS) + max(last - first, EXPECTED_SEARCH_NS + REACTION_NS)
    long, short = (
        (course_ns + SETTLE_NS + judged_ns) / scenario.duration_ns
        for judged_ns in (JUDGED_NS + BACK_SETTLE_NS + BACK_NS, SHORT_NS)
    )
    racing = count + 1 > SHORT_FROM
    finalists = min(count, FINALISTS) if racing else count
    return (short,) * (count + 1) * racing + (long,) * (1 + finalists + scenario.cures.combine)


def _cost(
    scenario: Scenario,
    network: Network,
    flows: Sequence[FlowSpec],
    workloads: Sequence[Workload],
    paths: Sequence[Path],
    hops: Mapping[Path, tuple[Direction, ...]],
) -> Cost:
    return expected_cost(
        network=network,
        flows=flows,
        paths=paths,
        hops=hops,
        duration_ns=scenario.duration_ns,
        probe_every_ns=scenario.probe_every_ns,
        workloads=[(one, list(pairs(one))) for one in workloads],
        compute=scenario.compute,
    )


def watched_interfaces(plan: Sequence[Op], changes: Sequence[TimedChange] = ()) -> tuple[WatchedInterface, ...]:
    """The device whose queue impairs each direction: the router's own interface, or the IFB at the arrival; after all
    of these the delay lines that some of the directions have beside it, from the start or since a change."""
    queues: dict[str, ImpairEgress | ImpairIngress] = {}
    for op in plan:
        if isinstance(op, ImpairEgress | ImpairIngress) and (op.direction not in queues or op.impairment.queue):
            queues[op.direction] = op
    later = (op for change in changes for op in change.ops)
    lines = {
        op.direction: op
        for op in (*plan, *later)
        if isinstance(op, ImpairEgress | ImpairIngress)
        and op.direction in queues
        and (op.node, device_of(op)) != (queues[op.direction].node, device_of(queues[op.direction]))
    }
    return (
        *(WatchedInterface(node=op.node, interface=device_of(op), direction=name) for name, op in queues.items()),
        *(
            WatchedInterface(
                node=op.node,
                interface=device_of(op),
                direction=name,
                # What arrives has left its queue, unless the queue itself stands at the arrival.
                line="behind" if isinstance(op, ImpairIngress) else "before",
            )
            for name, op in lines.items()
        ),
    )
