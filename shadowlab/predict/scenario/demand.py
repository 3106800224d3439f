"""Scenarios of demand: more or less of it, and who controls its congestion.

In: a situation.  Out: the same network with other flows and workloads.

How demand grows follows what limits it: an application-limited flow gets a higher rate; one that takes what it gets
(greedy, or held by a window) gets siblings, because users with more to fetch are more connections, not faster ones;
workloads get more arrivals or more users.  Which flow gets a sibling at a fractional growth is drawn from its name, so
that the flows of growth 1.5 are among those of growth 1.6.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pydantic import Field

from shadowlab.model.flow import FlowSpec
from shadowlab.model.traffic.chance import Chance
from shadowlab.model.traffic.workload import (
    Arrivals,
    Datagrams,
    Incast,
    Lookups,
    Program,
    Replay,
    Requests,
    Transfers,
    Workload,
    nodes_of,
    service_of,
)
from shadowlab.predict.scenario.form import Factor, Form, Kind, Names
from shadowlab.predict.scenario.situation import Situation
from shadowlab.topology.wording import did_you_mean

MOST_FLOWS = 5000


class _Some(Form):
    """Which part of the demand; all of it if nothing is said."""

    service: Names = ()
    flows: Names = ()
    from_: Names = Field(default=(), alias="from")
    to: Names = ()

    def has(self, one: FlowSpec) -> bool:
        return (
            (not self.service or one.service in self.service)
            and (not self.flows or one.id in self.flows)
            and (not self.from_ or one.source in self.from_)
            and (not self.to or one.target in self.to)
        )

    def has_workload(self, one: Workload) -> bool:
        nodes = nodes_of(one)
        return (
            (not self.service or service_of(one) in self.service)
            and (not self.flows or one.name in self.flows)
            and (not self.from_ or bool(nodes & set(self.from_)))
            and (not self.to or bool(nodes & set(self.to)))
        )

    def check(self, situation: Situation) -> None:
        """Raises ValueError for names of nothing."""
        for name in (*self.from_, *self.to):
            situation.node(name)
        known = [*(flow.id for flow in situation.flows), *(one.name for one in situation.workloads)]
        services = [one.service for one in situation.flows if one.service]
        services += [service for one in situation.workloads if (service := service_of(one))]
        for names, there, what in ((self.flows, known, "flow or workload"), (self.service, services, "service")):
            for name in names:
                if name not in there:
                    raise ValueError(f"nothing driven is of a {what} {name!r}{did_you_mean(name, there)}")
        if not any(map(self.has, situation.flows)) and not any(map(self.has_workload, situation.workloads)):
            raise ValueError("no flow and no workload is of this part of the demand")

    def words(self) -> str:
        parts = [f"service {one}" for one in self.service] + list(self.flows)
        parts += [f"from {one}" for one in self.from_] + [f"to {one}" for one in self.to]
        return " and ".join(parts) or "all demand"


class GrowthForm(_Some):
    growth: Factor


class CcForm(_Some):
    cc_change: str = Field(alias="cc-change", pattern=r"^[a-z0-9_]{1,15}$")


def _grow(form: GrowthForm, situation: Situation, written: str) -> Situation:
    form.check(situation)
    flows = [one for flow in situation.flows for one in (grown_flow(flow, form.growth) if form.has(flow) else (flow,))]
    if len(flows) > MOST_FLOWS:
        raise ValueError(f"would drive {len(flows)} flows; at most {MOST_FLOWS} are carried")
    workloads = [
        one
        for workload in situation.workloads
        for one in (grown_workload(workload, form.growth) if form.has_workload(workload) else (workload,))
    ]
    kept = sorted(
        one.name for one in situation.workloads if isinstance(one, Program | Replay) and form.has_workload(one)
    )
    note = f" (programs and replays as they are: {', '.join(kept)})" if kept else ""
    return replace(situation, flows=tuple(flows), workloads=tuple(workloads)).told(
        f"{form.words()} times {form.growth:g}{note}"
    )


def grown_flow(flow: FlowSpec, factor: float) -> Iterator[FlowSpec]:
    """The flows in its place; perhaps none where demand shrinks."""
    if flow.flow_class == "paced" and flow.rate_bps is not None:
        yield replace(
            flow,
            rate_bps=max(1, round(flow.rate_bps * factor)),
            pattern=tuple(replace(one, rate_bps=round(one.rate_bps * factor)) for one in flow.pattern),
        )
        return
    whole = int(factor)
    more = Chance(0, "growth", flow.id).uniform() < factor - whole
    for number in range(whole + more):
        yield flow if number == 0 else replace(flow, id=f"{flow.id} #{number + 1}")


def grown_workload(one: Workload, factor: float) -> Iterator[Workload]:
    """The workloads in its place."""
    match one:
        case Transfers() | Lookups():
            yield replace(one, arrivals=_arrivals(one.arrivals, factor, one.name))
        case Requests():
            if one.arrivals is not None:
                yield replace(one, arrivals=_arrivals(one.arrivals, factor, one.name))
            else:
                yield from _users(one, factor)
        case Datagrams():
            yield replace(one, rate_bps=max(1, round(one.rate_bps * factor)))
        case Incast():
            yield replace(one, response=one.response.scaled(factor))
        case _:
            yield one


def _users(one: Requests, factor: float) -> Iterator[Requests]:
    """A closed loop grows by users: as many on each client, and one more on some, to be right to one user."""
    users = max(1, round(len(one.clients) * one.connections * factor))
    each, more = divmod(users, len(one.clients))
    if each:
        yield replace(one, connections=each)
    if more:
        name = f"{one.name}-more" if each else one.name
        yield replace(one, name=name, clients=one.clients[:more], connections=1, service=service_of(one))


def _arrivals(one: Arrivals, factor: float, name: str) -> Arrivals:
    match one.process:
        case "empirical":
            assert one.gap_ns is not None
            return replace(one, gap_ns=one.gap_ns.scaled(1 / factor))
        case "listed":
            chance, whole = Chance(0, "growth", name), int(factor)
            return replace(
                one, at_ns=tuple(at for at in one.at_ns for _ in range(whole + (chance.uniform() < factor - whole)))
            )
        case _:
            return replace(one, rate_per_s=one.rate_per_s * factor)


def _change_control(form: CcForm, situation: Situation, written: str) -> Situation:
    form.check(situation)
    name = form.cc_change
    flows = tuple(
        replace(flow, tcp=replace(flow.tcp, congestion_control=name, control_recorded=False))
        if form.has(flow)
        else flow
        for flow in situation.flows
    )
    workloads = tuple(
        replace(one, tcp=replace(one.tcp, congestion_control=name, control_recorded=False))
        if isinstance(one, Transfers | Requests | Incast) and form.has_workload(one)
        else one
        for one in situation.workloads
    )
    return replace(situation, flows=flows, workloads=workloads).told(f"{form.words()}: congestion control {name}")


GROWTH = Kind(
    name="growth",
    form=GrowthForm,
    apply=_grow,
    stage=2,
    meaning="demand times a factor: rates of paced flows, number of greedy ones, arrivals and users of workloads",
    example="growth=1.5,service=pages",
)
CC_CHANGE = Kind(
    name="cc-change",
    form=CcForm,
    apply=_change_control,
    stage=3,
    meaning="another congestion control for all senders, or some",
    example="cc-change=bbr,from=cdn-nyc",
)
