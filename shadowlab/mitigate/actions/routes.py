"""Cures by routing: around the fault domain, by metric, or with a node or a group drained.

In: what is allowed, the situation.  Out: candidates whose operations replace routes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from shadowlab.mitigate.allowed import Around, DrainSubject, Pin, RaiseMetric
from shadowlab.mitigate.candidate import EFFORT, Candidate, CureKind
from shadowlab.mitigate.loads import overloaded
from shadowlab.mitigate.situation import Situation
from shadowlab.model.cure.action import MoveRoute, PinPath, SetMetric
from shadowlab.model.network import SourceRoute
from shadowlab.shadow.ops import RemoveRoute, SetRoute
from shadowlab.shadow.plan import route_ops
from shadowlab.shadow.transport import keeping_windows
from shadowlab.topology.routing import path_directions, shortest_routes


def around(one: Around, at: Situation) -> Candidate:
    """All traffic off the domain's links."""
    summary = f"take the traffic off {at.where}: new shortest paths without it"
    last = _last_choice(at)
    moved = {link.id: last for link in at.links}
    return _rerouted("reroute", one.name, summary, at, avoid=frozenset(at.domain.links), told=moved)


def raise_metric(one: RaiseMetric, at: Situation) -> Candidate:
    """Traffic off the domain's links where there is another way."""
    metrics = {link.id: link.metric * one.factor for link in at.links}
    words = ", ".join(f"{link.id} from {link.metric} to {metrics[link.id]}" for link in at.links)
    return _rerouted("metric", one.name, f"raise the metric of {words}", at, metrics=metrics)


def drain(one: DrainSubject, at: Situation) -> Candidate:
    """Traffic off everything that hangs on a node, or that shares a risk, as a router does that sets its overload bit
    (RFC 6987): its links are the last choice, and who has no other way keeps it."""
    network = at.network
    subject = one.subject or _shared_router(at)
    if not subject:
        return Candidate(
            name=one.name,
            kind="drain",
            summary=f"drain what {at.where} hangs on",
            impossible="no router is at an end of the fault domain",
        )
    name = one.name if one.subject else f"{one.name} {subject}"
    summary = f"drain {subject}: routes move off it"
    if subject in network.links_by_id:
        links = frozenset((subject,))
    elif subject in network.nodes_by_id:
        links = frozenset(link.id for link in network.links if subject in (link.a, link.b))
    elif subject in network.groups:
        members = set(network.groups[subject])
        links = frozenset(link.id for link in network.links if members & {link.id, link.a, link.b})
    else:
        known = "it has no link, node or group of this name"
        return Candidate(name=name, kind="drain", summary=summary, impossible=known)
    last = _last_choice(at)
    metrics = {link.id: last for link in network.links if link.id in links}
    return _rerouted("drain", name, summary, at, metrics=metrics)


def pin(one: Pin, at: Situation) -> Candidate:
    """One pair's packets by another way; the routes of all others stay."""
    made = Candidate(name=one.name, kind="path", summary="an explicit path", effort=EFFORT["path"])
    crossing = [path for path in at.rates_bps if at.crosses(path)]
    heaviest = max(crossing, key=lambda path: (at.rates_bps[path], path), default="")
    source, _, target = (f"{one.source}→{one.target}" if one.source else heaviest).partition("→")
    if not source:
        return replace(made, impossible=f"no pair is known to cross {at.where}")
    if not one.path and not at.crosses(f"{source}→{target}"):
        return replace(made, impossible=f"{source}→{target} does not cross {at.where}")
    try:
        before = tuple(step.target for step in path_directions(at.network, source, target, avoid=at.failed))[:-1]
        away = at.failed | frozenset(at.domain.links)
        around = tuple(step.target for step in path_directions(at.network, source, target, avoid=away))[:-1]
        path = one.path or around
        beside = {frozenset((link.a, link.b)) for link in at.network.links if link.id not in at.failed}
        gap = next((step for step in pairwise((source, *path, target)) if frozenset(step) not in beside), None)
        if gap is not None:
            return replace(made, impossible=f"no link leads from {gap[0]} to {gap[1]}")
        pinned = SourceRoute(source=source, target=target, path=path)
        kept = [two for two in at.network.source_routes if (two.source, two.target) != (source, target)]
        network = replace(at.network, source_routes=(*kept, pinned))
        after = keeping_windows(shortest_routes(network, at.fabric, avoid=at.failed), at.routes)
    except ValueError as error:
        return replace(made, impossible=str(error))
    made = replace(made, summary=f"{source}→{target} alone goes by {', '.join(path)}")
    ops = route_ops(at.routes, after)
    if not ops:
        return replace(made, impossible="no route would change by it")
    moved = PinPath(source=source, target=target, before=before, after=path)
    return replace(made, ops=ops, undo=route_ops(after, at.routes), actions=(moved,))


def _last_choice(at: Situation) -> int:
    """A metric beyond that of any way without the link."""
    return sum(link.metric for link in at.network.links) + 1


def _shared_router(at: Situation) -> str:
    """The router at which most of the domain's links end; of several the one with the fewest hosts behind it."""
    nodes = at.network.nodes_by_id
    ends = Counter(end for link in at.links for end in (link.a, link.b) if nodes[end].kind == "router")
    hosts: Counter[str] = Counter()
    for link in at.network.links:
        if "host" in (nodes[link.a].kind, nodes[link.b].kind):
            hosts.update((link.a, link.b))
    return min(ends, key=lambda node: (-ends[node], hosts[node], node), default="")


def _rerouted(
    kind: CureKind,
    name: str,
    summary: str,
    at: Situation,
    *,
    avoid: frozenset[str] = frozenset(),
    metrics: Mapping[str, int] | None = None,
    told: Mapping[str, int] | None = None,
) -> Candidate:
    """``told``: the metrics that do the same in production, where they are not ``metrics``."""
    made = Candidate(name=name, kind=kind, summary=summary, effort=EFFORT[kind])
    try:
        shortest = shortest_routes(at.network, at.fabric, avoid=at.failed | avoid, metrics=metrics)
    except ValueError as error:
        return replace(made, impossible=str(error))
    after = keeping_windows(shortest, at.routes)
    ops = route_ops(at.routes, after)
    if not ops:
        return replace(made, impossible="no route would change by it")
    return replace(
        made,
        ops=ops,
        undo=route_ops(after, at.routes),
        warnings=overloaded(at, avoid=at.failed | avoid, metrics=metrics),
        actions=(*_metrics(told or metrics or {}, at), *_moves(ops, at)),
    )


def _metrics(metrics: Mapping[str, int], at: Situation) -> Iterator[SetMetric]:
    for name, after in metrics.items():
        link = at.network.links_by_id[name]
        yield SetMetric(link=name, a=link.a, b=link.b, before=link.metric, after=after)


def _moves(ops: Sequence[SetRoute | RemoveRoute], at: Situation) -> Iterator[MoveRoute]:
    """The routes to hosts that are replaced, by names; what is of a source or of a prefix follows from metrics."""
    hosts = {address: node for node, address in at.fabric.node_address.items()}
    before = {(route.node, route.destination): route for route in at.routes if not route.source}
    for op in ops:
        if isinstance(op, SetRoute) and not op.source and op.destination in hosts:
            known = before.get((op.node, op.destination))
            yield MoveRoute(
                node=op.node,
                target=hosts[op.destination],
                before=_neighbours(op.node, known.hops if known is not None else (), at),
                after=_neighbours(op.node, op.hops, at),
            )


def _neighbours(node: str, hops: Sequence[tuple[str, str]], at: Situation) -> tuple[str, ...]:
    peers = {one.name: one.peer for one in at.fabric.by_node.get(node, ())}
    return tuple(peers[interface] for _, interface in hops)
