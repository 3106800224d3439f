"""Scenarios of instances: more of them, fewer, elsewhere, weaker or stronger.

In: a situation.  Out: the same with other hosts, and the demand that follows them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field

from shadowlab.model.flow import FlowSpec
from shadowlab.model.network import Link, Network, Node
from shadowlab.model.traffic.distribution import constant
from shadowlab.model.traffic.workload import Compute, Datagrams, Program, Replay, Workload
from shadowlab.predict.scenario.form import Count, Factor, Form, Kind, Names
from shadowlab.predict.scenario.links import Name
from shadowlab.predict.scenario.situation import Situation
from shadowlab.topology.quantities import Duration, Rate, Size

_LISTS = ("sources", "targets", "clients", "servers", "workers")
_SINGLE = ("source", "target", "aggregator", "node")


class ScaleOutForm(Form):
    scale_out: Name = Field(alias="scale-out")
    count: Count = 1
    on: Names = ()
    """The routers that the new instances hang on, in turn; left out: that of the instance."""


class ScaleInForm(Form):
    scale_in: Name = Field(alias="scale-in")
    to: Names = ()


class MigrateForm(Form):
    migrate: Name
    to: Name
    copy_: Size = Field(default=0, alias="copy")
    phase: Literal["copy", "after"] = "after"


class HostLimitForm(Form):
    host_limit: Name = Field(alias="host-limit")
    workers: Count | None = None
    service: Duration | None = None
    factor: Factor | None = None
    """Of the service time."""
    queue: Annotated[int, Field(ge=0)] | None = None
    rate: Rate = None
    window: Size | None = None
    send_buffer: Size | None = None


def access_link(network: Network, host: str) -> tuple[Link, str]:
    """The one link of an instance and the router it leads to.  Raises ValueError for an instance with several."""
    links = [link for link in network.links if host in (link.a, link.b)]
    if len(links) != 1:
        raise ValueError(f"{host} has {len(links)} links; an instance that is copied or moved has one")
    return links[0], links[0].b if links[0].a == host else links[0].a


def _another(network: Network, host: str, name: str, router: str, link_name: str) -> Network:
    """The network with an instance like ``host``, on ``router``, over a link like its own."""
    link, _ = access_link(network, host)
    taken = {*network.nodes_by_id, *network.links_by_id}
    for one in (name, link_name):
        if one in taken:
            raise ValueError(f"the map already has something called {one}")
    here = network.nodes_by_id[host]
    node = replace(here, id=name, addresses=(), label=f"{here.label or host} ({name})")
    copy = replace(link, id=link_name, a=name if link.a == host else router, b=name if link.b == host else router)
    return replace(network, nodes=(*network.nodes, node), links=(*network.links, copy))


def _scale_out(form: ScaleOutForm, situation: Situation, written: str) -> Situation:
    host = situation.node(form.scale_out, kind="host").id
    _, own = access_link(situation.network, host)
    places = form.on or (own,)
    network, names = situation.network, []
    for number in range(form.count):
        router = _router(situation, places[number % len(places)])
        name = f"{host}-{number + 2}"
        network = _another(network, host, name, router, f"{name}-{router}")
        names.append(name)
    members = (host, *names)
    counters: dict[str, int] = {}

    def taken_over(name: str) -> str:
        """Flows are dealt out in turn, so that each instance has its share of them."""
        if name != host:
            return name
        counters[name] = counters.get(name, -1) + 1
        return members[counters[name] % len(members)]

    flows = tuple(replace(one, source=taken_over(one.source), target=taken_over(one.target)) for one in situation.flows)
    workloads = tuple(_listing(one, host, members) for one in situation.workloads)
    compute = dict(situation.compute)
    if host in compute:
        compute |= dict.fromkeys(names, compute[host])
    return (
        replace(situation, network=network, flows=flows, workloads=workloads, compute=compute)
        .touching([host, *names], written)
        .told(f"{form.count} more like {host}: {', '.join(names)} on {', '.join(dict.fromkeys(places))}")
    )


def _listing(one: Workload, host: str, members: tuple[str, ...]) -> Workload:
    """Wherever a list names the instance it names them all."""
    changed: dict[str, Any] = {}
    for name in _LISTS:
        listed = getattr(one, name, ())
        if host in listed:
            changed[name] = tuple(each for node in listed for each in (members if node == host else (node,)))
    return replace(one, **changed) if changed else one


def _scale_in(form: ScaleInForm, situation: Situation, written: str) -> Situation:
    host = situation.node(form.scale_in, kind="host").id
    for name in form.to:
        if situation.node(name, kind="host").id == host:
            raise ValueError(f"{host} cannot take over its own work")
    turn = [0]

    def taken_over(name: str, other: str) -> str:
        if name != host:
            return name
        choice = [one for one in form.to if one != other]
        if not choice:
            whom = f"a flow with {other}" if form.to else "them"
            raise ValueError(f"flows begin or end at {host}: say who takes {whom} over with to=INSTANCE+INSTANCE")
        turn[0] += 1
        return choice[(turn[0] - 1) % len(choice)]

    flows = tuple(
        replace(one, source=taken_over(one.source, one.target), target=taken_over(one.target, one.source))
        for one in situation.flows
    )
    workloads = tuple(_without(one, host, form.to) for one in situation.workloads)
    network = situation.network
    links = tuple(one for one in network.links if host not in (one.a, one.b))
    lost = {host, *(one.id for one in network.links if host in (one.a, one.b))}
    situation = situation.losing(lost, written)
    return replace(
        situation,
        network=replace(
            network,
            nodes=tuple(one for one in network.nodes if one.id != host),
            links=links,
            groups={name: tuple(one for one in some if one not in lost) for name, some in network.groups.items()},
            static_routes=tuple(one for one in network.static_routes if host not in (one.at, one.to, one.via)),
            source_routes=tuple(one for one in network.source_routes if host not in (one.source, one.target)),
            demands=replace(
                network.demands,
                between=tuple(one for one in network.demands.between if host not in (one.source, one.target)),
            ),
        ),
        flows=flows,
        workloads=workloads,
        compute={node: one for node, one in situation.compute.items() if node != host},
    ).told(f"{host} is taken away{f'; {_and(form.to)} take over' if form.to else ''}")


def _without(one: Workload, host: str, heirs: Sequence[str]) -> Workload:
    changed: dict[str, Any] = {}
    for name in _LISTS:
        listed = getattr(one, name, ())
        if host in listed:
            rest = tuple(dict.fromkeys([*(node for node in listed if node != host), *heirs]))
            if not rest:
                raise ValueError(f"{host} is the only one of {one.name}'s {name}: say who takes over with to=INSTANCE")
            changed[name] = rest
    for name in _SINGLE:
        if getattr(one, name, None) == host:
            if not heirs or isinstance(one, Program | Replay):
                raise ValueError(f"{one.name} runs at {host}: say who takes over with to=INSTANCE, or leave it out")
            changed[name] = heirs[0]
    if (
        isinstance(one, Datagrams)
        and changed
        and len({changed.get("source", one.source), changed.get("target", one.target)}) == 1
    ):
        raise ValueError(f"{one.name} would lead from {heirs[0]} to itself")
    return replace(one, **changed) if changed else one


def _migrate(form: MigrateForm, situation: Situation, written: str) -> Situation:
    host = situation.node(form.migrate, kind="host").id
    link, own = access_link(situation.network, host)
    router = _router(situation, form.to)
    if router == own:
        raise ValueError(f"{host} is on {router} already")
    if form.phase == "copy":
        if not form.copy_:
            raise ValueError("how much is copied? State copy=20MB")
        name = f"{host}-new"
        network = _another(situation.network, host, name, router, f"{name}-{router}")
        copy = FlowSpec(
            id=f"{host}→{name}:copy",
            source=host,
            target=name,
            flow_class="greedy",
            size_bytes=form.copy_,
            service="migration",
            evidence=f"the copy of {host}",
        )
        return (
            replace(situation, network=network, flows=(*situation.flows, copy))
            .touching([host, name], written)
            .told(f"{host} is being copied to {router}: {form.copy_ / 1e6:g} MB")
        )
    moved = replace(link, a=host if link.a == host else router, b=host if link.b == host else router)
    return (
        replace(situation, network=situation.network.with_links(moved))
        .touching([host, link.id], written)
        .told(f"{host} is on {router} instead of {own}")
    )


def _host_limit(form: HostLimitForm, situation: Situation, written: str) -> Situation:
    host = situation.node(form.host_limit, kind="host").id
    stated = form.model_fields_set - {"host_limit"}
    if not stated:
        raise ValueError("what is limited? State workers, service, factor, queue, rate, window or send_buffer")
    compute: Mapping[str, Compute] = situation.compute
    if stated & {"workers", "service", "factor", "queue"}:
        compute = {**compute, host: _computing(form, compute.get(host), host)}
    network = situation.network
    if "rate" in stated:
        link, _ = access_link(network, host)
        network = network.with_links(
            replace(
                link,
                forward=replace(link.forward, rate_bps=form.rate).check(),
                backward=replace(link.backward, rate_bps=form.rate).check(),
            )
        )
    flows = tuple(_held(flow, form, host) for flow in situation.flows)
    words = ", ".join(f"{name} {value}" for name, value in form.model_dump(include=stated, by_alias=True).items())
    return (
        replace(situation, compute=compute, network=network, flows=flows)
        .touching([host], written)
        .told(f"{host} is limited: {words}")
    )


def _computing(form: HostLimitForm, now: Compute | None, host: str) -> Compute:
    service = constant(float(form.service)) if form.service is not None else now.service_ns if now else None
    if service is None:
        raise ValueError(
            f"{host} has no compute model to change: state workers and service, like workers=2,service=4ms"
        )
    if form.factor is not None:
        service = service.scaled(form.factor)
    workers = form.workers if form.workers is not None else now.workers if now else 1
    queue = form.queue if form.queue is not None else now.queue if now else None
    return Compute(workers=workers, service_ns=service, queue=queue)


def _held(flow: FlowSpec, form: HostLimitForm, host: str) -> FlowSpec:
    tcp = flow.tcp
    if form.window is not None and flow.target == host:
        tcp = replace(tcp, window_bytes=form.window)
    if form.send_buffer is not None and flow.source == host:
        tcp = replace(tcp, send_buffer_bytes=form.send_buffer)
    return flow if tcp is flow.tcp else replace(flow, tcp=tcp)


def _router(situation: Situation, name: str) -> str:
    node: Node = situation.node(name)
    if node.kind == "host":
        raise ValueError(f"{name} is an instance: name a router, or a segment, that an instance can hang on")
    return node.id


def _and(names: Sequence[str]) -> str:
    return " and ".join(names)


SCALE_OUT = Kind(
    name="scale-out",
    form=ScaleOutForm,
    apply=_scale_out,
    stage=0,
    meaning="more instances like one, on its router or `on` others; its flows and requests are shared out",
    example="scale-out=cdn-nyc,count=2,on=chi+nyc",
)
SCALE_IN = Kind(
    name="scale-in",
    form=ScaleInForm,
    apply=_scale_in,
    stage=6,
    meaning="an instance is taken away; `to` says who takes its flows over",
    example="scale-in=cdn-los,to=cdn-nyc+cache-den",
)
MIGRATE = Kind(
    name="migrate",
    form=MigrateForm,
    apply=_migrate,
    stage=0,
    meaning="an instance moves to another router; with `copy` also the time while so much is copied there",
    example="migrate=db-kan,to=den,copy=5MB",
)
HOST_LIMIT = Kind(
    name="host-limit",
    form=HostLimitForm,
    apply=_host_limit,
    stage=3,
    meaning="an instance with other workers, service time, queue, rate, receive window or send buffer",
    example="host-limit=cdn-nyc,workers=1",
)
