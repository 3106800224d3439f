"""What hangs on a fault domain, and what the claim stands on.

In: a fault domain, routes and counts of the run, workloads.  Out: the domain with its services and its evidence.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from shadowlab.lab.analyse import Measured
from shadowlab.lab.workloads.resolve import pairs
from shadowlab.model.network import Direction
from shadowlab.model.traffic.workload import Workload, service_of
from shadowlab.model.verdict import FaultDomain

_NAMED = 6


def completed(domain: FaultDomain, measured: Measured, workloads: Sequence[Workload]) -> FaultDomain:
    """With services and evidence."""
    affected = set(domain.affected_paths)
    services = {
        service_of(one)
        for one in workloads
        for path in pairs(one)
        if {f"{path.source}→{path.target}", f"{path.target}→{path.source}"} & affected
    }
    return replace(domain, affected_services=tuple(sorted(services)), evidence=tuple(_evidence(domain, measured)))


def _evidence(domain: FaultDomain, measured: Measured) -> Iterable[str]:
    for one in domain.suspects:
        hit = set(one.directions)
        crossing = _crossing(measured, hit)
        affected = [path for path in crossing if path in domain.affected_paths]
        yield (
            f"traced: {len(crossing)} of {len(measured.paths.subjects)} paths cross {one.name}, there or back, and "
            f"{len(affected)} of those are affected"
        )
        by_flow = _by_flow(domain, measured, hit)
        if by_flow:
            yield by_flow
        if one.score > 0:
            yield f"weighed: a gain of {one.score:.0f} (natural logarithm) beyond what a suspect has to show"
        if one.paths_crossing:
            heard = f"{one.paths_affected} of {one.paths_crossing} counts of probes or segments over it"
            yield f"heard: {heard} are of affected paths"
    if domain.kind == "black hole":
        yield "seen: routes that led over it end there, in the routing state itself"
    elsewhere = sorted(
        set(domain.affected_paths) - {p for one in domain.suspects for p in _crossing(measured, set(one.directions))}
    )
    if domain.suspects and elsewhere:
        yield f"not explained by a crossing: {', '.join(elsewhere)}"
    if domain.visible_loss < 1 and math.isfinite(domain.visible_loss):
        unseen = f"{domain.visible_loss * 100:.2g} %"
        yield f"blind spot: a loss below {unseen} would have stayed unseen on half of the links"


def _by_flow(domain: FaultDomain, measured: Measured, hit: set[Direction]) -> str:
    """Which of the affected paths' flows crossed one of these, by the ways that routing gives their own addresses and
    ports; empty where flows are not spread over equal ways."""
    ways: dict[str, set[Direction]] = {}
    for _, flow, hops in measured.flow_hops:
        ways.setdefault(flow, set()).update(hops)
    known = [flow for flow in domain.affected_flows if flow in ways]
    if not known:
        return ""
    crossing = [flow for flow in known if ways[flow] & hit]
    named = f": {', '.join(crossing[:_NAMED])}{' …' if len(crossing) > _NAMED else ''}" if crossing else ""
    return (
        f"traced by flow: {len(crossing)} of the affected paths' {len(known)} flows cross it on their way there, by "
        f"their own addresses and ports{named}"
    )


def _crossing(measured: Measured, hit: set[Direction]) -> list[str]:
    """The probed paths whose packets crossed one of these directions, there or back, by any route of the run."""
    routes: dict[str, set[Direction]] = {}
    for _, path, hops in measured.hops:
        routes.setdefault(path, set()).update(hops)
    found = []
    for path in measured.paths.subjects:
        source, _, target = path.partition("→")
        if (routes.get(path, set()) | routes.get(f"{target}→{source}", set())) & hit:
            found.append(path)
    return found
