"""Cures at the traffic: another congestion control, a limit for what is heavy, more compute.

In: what is allowed, the situation.  Out: candidates whose operations are for whoever drives traffic.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from shadowlab.mitigate.allowed import ChangeCongestion, Limit, MoreInstances, MoreWorkers, MoveInstance
from shadowlab.mitigate.candidate import EFFORT, Candidate
from shadowlab.mitigate.situation import Situation
from shadowlab.model.cure import action
from shadowlab.model.cure.action import AddInstance, HoldRate, SetControl, SetInstance
from shadowlab.model.flow import FlowSpec
from shadowlab.model.traffic.workload import Requests, nodes_of, service_of
from shadowlab.shadow.ops import Op
from shadowlab.shadow.traffic_ops import ScaleDemand, SetCongestion, SetPacing, SetServers, SetWorkers


def change_congestion(one: ChangeCongestion, at: Situation) -> Candidate:
    """Open connections and those to come."""
    flows = [flow for flow in at.crossing if not one.services or flow.service in one.services]
    changing = [flow for flow in flows if flow.tcp.congestion_control != one.control]
    words = f" of {', '.join(one.services)}" if one.services else ""
    made = Candidate(
        name=one.name,
        kind="congestion",
        summary=f"{one.control} for {len(changing)} flows{words} across {at.where}",
        effort=EFFORT["congestion"],
    )
    if not changing:
        return replace(made, impossible="no flow across it would change")
    before = sorted((flow.tcp.congestion_control, flow.id) for flow in changing)
    return replace(
        made,
        ops=(SetCongestion(flows=tuple(flow.id for flow in changing), control=one.control),),
        undo=tuple(
            SetCongestion(flows=tuple(name for _, name in some), control=control)
            for control, some in groupby(before, key=lambda pair: pair[0])
        ),
        actions=tuple(
            SetControl(
                nodes=tuple(sorted({flow.source for flow in changing if flow.tcp.congestion_control == control})),
                before=control,
                after=one.control,
            )
            for control in sorted({control for control, _ in before})
        ),
    )


def limit(one: Limit, at: Situation) -> Candidate:
    """Flows and workloads of what is named at a share of their demand."""
    label, heaviest = _heaviest(at)
    subjects = one.subjects or heaviest
    words = ", ".join(one.subjects) or label
    flows = [flow for flow in at.flows if {flow.id, flow.service} & set(subjects)]
    workloads = [load.name for load in at.workloads if {load.name, service_of(load)} & set(subjects) - {""}]
    made = Candidate(
        name=one.name if one.subjects or not words else f"{one.name}: {words}",
        kind="limit",
        summary=f"hold {words or 'the heaviest'} to {one.share * 100:g} % of the demand",
        effort=EFFORT["limit"],
    )
    if not flows and not workloads:
        return replace(made, impossible="nothing of this name is driven here")
    paced = tuple(flow.id for flow in flows if flow.flow_class == "paced")
    ops: list[Op] = []
    undo: list[Op] = []
    if paced or workloads:
        named = (*paced, *workloads)
        ops.append(ScaleDemand(flows=named, factor=one.share))
        undo.append(ScaleDemand(flows=named, factor=1.0))
    for path, some in groupby(
        sorted((flow for flow in flows if flow.flow_class != "paced"), key=_path_of), key=_path_of
    ):
        greedy = list(some)
        rate_bps = at.rates_bps.get(path, 0.0)
        if rate_bps > 0:
            each = max(1000, round(rate_bps * one.share / len(greedy)))
            ops.append(SetPacing(flows=tuple(flow.id for flow in greedy), rate_bps=each))
            undo += [SetPacing(flows=(flow.id,), rate_bps=flow.tcp.pacing_bps) for flow in greedy]
    if not ops:
        return replace(made, impossible="its rate before the fault is not known")
    return replace(made, ops=tuple(ops), undo=tuple(undo), actions=tuple(_holds(flows, one.share, at)))


def _holds(flows: Sequence[FlowSpec], share: float, at: Situation) -> Iterator[HoldRate]:
    """The replicated flows, path by path; what is only a workload of the scenario has no name in production."""
    for path in dict.fromkeys(map(_path_of, flows)):
        source, _, target = path.partition("→")
        rate_bps = round(at.rates_bps.get(path, 0.0))
        if rate_bps:
            yield HoldRate(source=source, target=target, before_bps=rate_bps, after_bps=max(1, round(rate_bps * share)))


def _path_of(flow: FlowSpec) -> str:
    return f"{flow.source}→{flow.target}"


def _heaviest(at: Situation) -> tuple[str, tuple[str, ...]]:
    """The service with most bits across the domain; where flows have none, the path, and its flows."""
    by_service: Counter[str] = Counter()
    on_path = Counter(_path_of(flow) for flow in at.crossing)
    for flow in at.crossing:
        path = _path_of(flow)
        by_service[flow.service or f"\0{path}"] += round(at.rates_bps.get(path, 0.0) / on_path[path])
    if not by_service:
        return "", ()
    name = max(sorted(by_service), key=by_service.__getitem__)
    if not name.startswith("\0"):
        return name, (name,)
    return name[1:], tuple(flow.id for flow in at.crossing if _path_of(flow) == name[1:])


def more_workers(one: MoreWorkers, at: Situation) -> Candidate:
    """Bigger instances."""
    nodes = one.nodes or tuple(at.compute)
    unknown = [node for node in nodes if node not in at.compute]
    words = ", ".join(
        f"{node} from {at.compute[node].workers} to {_more(at, one, node)}" for node in nodes if node in at.compute
    )
    made = Candidate(
        name=one.name,
        kind="compute",
        summary=f"more workers: {words}" if words else "more workers",
        effort=EFFORT["compute"],
    )
    if unknown or not nodes:
        return replace(made, impossible=f"{', '.join(unknown) or 'no instance'} has no compute model")
    return replace(
        made,
        ops=tuple(SetWorkers(node=node, workers=_more(at, one, node)) for node in nodes),
        undo=tuple(SetWorkers(node=node, workers=at.compute[node].workers) for node in nodes),
        actions=tuple(
            SetInstance(node=node, before=at.compute[node].workers, after=_more(at, one, node)) for node in nodes
        ),
    )


def _more(at: Situation, one: MoreWorkers, node: str) -> int:
    return max(1, round(at.compute[node].workers * one.factor))


def more_instances(one: MoreInstances, at: Situation) -> Candidate:
    """Another server for a workload."""
    summary = f"another server for {one.workload}, at {one.node}"
    made = Candidate(name=one.name, kind="scale-out", summary=summary, effort=EFFORT["scale-out"])
    load = next((load for load in at.workloads if load.name == one.workload), None)
    if not isinstance(load, Requests):
        return replace(made, impossible=f"no workload of requests is called {one.workload}")
    if one.node not in at.network.nodes_by_id or at.network.nodes_by_id[one.node].kind != "host":
        return replace(made, impossible=f"{one.node} is no host of the map")
    if one.node in nodes_of(load):
        return replace(made, impossible=f"{one.node} is one of its clients or servers already")
    servers, like = load.servers, load.servers[0]
    return replace(
        made,
        ops=(SetServers(workload=load.name, servers=(*servers, one.node), like=like),),
        undo=(SetServers(workload=load.name, servers=servers, like=like),),
        actions=(AddInstance(workload=load.name, node=one.node, like=like),),
    )


def move_instance(one: MoveInstance, at: Situation) -> Candidate:
    """Another server in the place of one; what is open there is finished there."""
    summary = f"{one.workload} is served by {one.target} instead of {one.source}"
    made = Candidate(name=one.name, kind="move", summary=summary, effort=EFFORT["move"])
    load = next((load for load in at.workloads if load.name == one.workload), None)
    if not isinstance(load, Requests):
        return replace(made, impossible=f"no workload of requests is called {one.workload}")
    if one.source not in load.servers:
        return replace(made, impossible=f"{one.source} does not serve it")
    if one.target not in at.network.nodes_by_id or at.network.nodes_by_id[one.target].kind != "host":
        return replace(made, impossible=f"{one.target} is no host of the map")
    if one.target in nodes_of(load):
        return replace(made, impossible=f"{one.target} is one of its clients or servers already")
    after = tuple(one.target if server == one.source else server for server in load.servers)
    return replace(
        made,
        ops=(SetServers(workload=load.name, servers=after, like=one.source),),
        undo=(SetServers(workload=load.name, servers=load.servers, like=one.source),),
        actions=(action.MoveInstance(workload=load.name, before=one.source, after=one.target),),
    )
