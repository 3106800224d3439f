"""What a finished run found, as documents.

In: a result.  Out: documents.  A run has one incident at most: what left the baseline in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Literal

from shadowlab.model.level import LevelOutcome
from shadowlab.model.result import PathTrace, RunResult
from shadowlab.model.units import NS_PER_S
from shadowlab.serve.picture.drawn import Figures
from shadowlab.serve.picture.shapes import (
    Counts,
    Entry,
    Incident,
    IncidentHead,
    LevelOnPath,
    LevelSummary,
    PathRow,
    TelemetrySpan,
)
from shadowlab.serve.picture.verdicts import cures_shown, domain_shown, fidelity_shown
from shadowlab.store.tables import unit_of

INCIDENT = "run"
_RANK = {"broken": 0, "off": 1, "unknown": 2, "good": 3}


def severity(result: RunResult) -> Literal["good", "info", "warning", "critical", "unknown"]:
    """Of the whole: broken levels are critical, odd paths without any a warning."""
    if not result.provenance.valid:
        return "unknown"
    if any(not one.holds for one in result.levels_after):
        return "critical"
    return "warning" if result.anomalies or result.fault_domain else "good"


def after_ns(result: RunResult) -> int:
    """The last event; without any the end of the baseline.  What is said of "after" counts from there."""
    events = [one.at_ns for one in result.timeline if one.kind == "event"]
    return max(events) if events else result.baseline_ns[1]


def overview(result: RunResult, promised: Mapping[str, str]) -> dict[str, Any]:
    """What an overview says beyond the head.  ``promised``: the indicator of each level, as far as it is known."""
    by_level: dict[str, list[LevelOutcome]] = defaultdict(list)
    for one in result.levels_after:
        by_level[one.level].append(one)
    first, last = result.baseline_ns
    return {
        "conclusions": list(result.conclusions),
        "why": result.correlation.why,
        "fidelity": fidelity_shown(result.correlation.whole),
        "from_s": 0.0,
        "to_s": result.duration_ns / NS_PER_S,
        "event_s": result.event_ns / NS_PER_S if result.event_ns < result.duration_ns else None,
        "baseline_s": (first / NS_PER_S, last / NS_PER_S),
        "valid": result.provenance.valid,
        "validity": result.provenance.validity,
        "kernel": result.provenance.kernel,
        "clock_kind": result.provenance.clock,
        "seed": result.provenance.seed,
        "levels": [
            LevelSummary(
                level=name,
                kpi=promised.get(name, ""),
                unit=unit_of(promised[name]) if name in promised else "",
                limit=some[0].limit,
                broken_paths=sum(not one.holds for one in some),
                paths=len(some),
            )
            for name, some in sorted(by_level.items())
        ],
        "telemetry": TelemetrySpan(
            from_s=None, to_s=None, records=result.telemetry.records, connections=result.telemetry.connections
        ),
        "findings": list(result.correlation.advice),
        "counts": Counts(
            nodes=len(result.network.nodes),
            links=len(result.network.links),
            paths=len(result.paths),
            flows=len(result.flows),
        ),
        "scale_factor": result.scaling.factor,
    }


def affected(result: RunResult) -> tuple[str, ...]:
    """Every affected path: worst first, then those that the fault domain adds."""
    ranked = sorted(result.anomalies, key=lambda one: (-one.score, one.path))
    named = result.fault_domain.affected_paths if result.fault_domain else ()
    return tuple(dict.fromkeys([*(one.path for one in ranked), *sorted(named)]))


def routes(result: RunResult) -> dict[str, PathTrace]:
    """Of each path the newest route."""
    found: dict[str, PathTrace] = {}
    for one in sorted(result.traces, key=lambda one: (one.path, one.since_ns)):
        if not one.flow:
            found[one.path] = one
    return found


def affected_ways(result: RunResult) -> dict[str, tuple[str, ...]]:
    """The nodes on the way of each affected path, before anything was rerouted: that of the time of the first event;
    its ends where no route is known."""
    at_event: dict[str, PathTrace] = {}
    for one in sorted(result.traces, key=lambda one: (one.path, one.since_ns)):
        if not one.flow and (one.path not in at_event or one.since_ns <= result.event_ns):
            at_event[one.path] = one
    return {
        path: at_event[path].nodes if path in at_event and at_event[path].nodes else tuple(path.split("→"))
        for path in affected(result)
    }


def link_figures(result: RunResult, queueing_ms: Mapping[str, float]) -> dict[str, Figures]:
    """By direction."""
    fidelity = {one.subject: one.score for one in result.correlation.fidelity if one.kind == "link"}
    return {
        one.direction: Figures(
            utilisation=one.utilisation_after if one.rate_bps else None,
            utilisation_before=one.utilisation_before if one.rate_bps else None,
            loss=one.loss_after,
            loss_before=one.loss_before,
            queueing_ms=queueing_ms.get(one.direction),
            fidelity=fidelity.get(one.direction),
        )
        for one in result.link_summaries
    }


def rows(result: RunResult, promised: Mapping[str, str]) -> list[PathRow]:
    """Every path, worst first."""
    levels: dict[str, list[LevelOutcome]] = defaultdict(list)
    for outcome in result.levels_after:
        levels[outcome.path].append(outcome)
    production: dict[str, dict[str, float | None]] = defaultdict(dict)
    agrees: dict[str, bool] = {}
    for one in result.correlation.agreements:
        production[one.path][one.kpi] = one.production
        agrees[one.path] = agrees.get(one.path, True) and one.agrees
    fidelity = {one.subject: one.score for one in result.correlation.fidelity if one.kind == "path"}
    newest, hit = routes(result), set(affected(result))
    summaries = {one.path: one for one in result.path_summaries}
    found = []
    for path in result.paths:
        name = str(path)
        summary, trace = summaries.get(name), newest.get(name)
        broken = [one.level for one in levels[name] if not one.holds]
        if summary is None:
            state = "unknown"
        elif broken:
            state = "broken"
        else:
            state = "good" if agrees.get(name, True) and name not in hit else "off"
        found.append(
            PathRow.model_validate(
                {
                    "id": name,
                    "source": path.source,
                    "target": path.target,
                    "state": state,
                    "affected": name in hit,
                    "flows": summary.flows if summary else None,
                    "route": list(trace.nodes) if trace else [],
                    "fault": trace.fault if trace else "",
                    "production": production[name],
                    "shadow": dict(summary.after) if summary else {},
                    "before": dict(summary.before) if summary else {},
                    "broken_levels": broken,
                    "levels": [_level(one, promised) for one in levels[name]],
                    "fidelity": fidelity.get(name),
                }
            )
        )
    return sorted(found, key=lambda one: (_RANK[one.state], not one.affected, -_worst(levels[one.id]), one.id))


def _worst(outcomes: list[LevelOutcome]) -> float:
    return max((one.broken_share or 0.0 for one in outcomes), default=0.0)


def _level(one: LevelOutcome, promised: Mapping[str, str]) -> LevelOnPath:
    return LevelOnPath(
        level=one.level,
        kpi=promised.get(one.level, ""),
        limit=one.limit,
        median=one.median,
        worst=one.worst,
        broken_share=one.broken_share,
        holds=one.holds,
    )


def incidents(result: RunResult) -> list[IncidentHead]:
    """One or none."""
    found = incident(result)
    if found is None:
        return []
    return [IncidentHead(**{name: getattr(found, name) for name in IncidentHead.model_fields})]


def incident(result: RunResult) -> Incident | None:
    """What left the baseline; None if nothing did and every level holds."""
    domain, grave = result.fault_domain, severity(result)
    broken = sorted({one.path for one in result.levels_after if not one.holds})
    hit = affected(result)
    if domain is None and not hit and not broken:
        return None
    onsets = [one.onset_ns for one in result.anomalies] or [domain.onset_ns if domain else result.event_ns]
    best = next((one for one in result.cures if one.kind != "nothing" and not one.note and one.recovered > 0), None)
    return Incident(
        id=INCIDENT,
        kind="network" if domain is not None else "level",
        severity="critical" if grave == "critical" else "warning",
        title=result.headline,
        opened_s=min(onsets) / NS_PER_S,
        updated_s=result.duration_ns / NS_PER_S,
        resolved_s=None,
        open=True,
        subjects=list(domain.links) if domain else broken,
        affected_paths=len(hit or broken),
        proposal=f"{best.cure}: {best.summary}" if best else "",
        confidence=domain.confidence if domain else None,
        paths=list(hit or broken),
        timeline=timeline(result),
        domain=domain_shown(domain) if domain else None,
        cures=cures_shown(result.cures),
        conclusions=list(result.conclusions),
    )


def timeline(result: RunResult) -> list[Entry]:
    """In order of time."""
    return [
        Entry(at_s=one.at_ns / NS_PER_S, kind=one.kind, text=one.text, incident=None)
        for one in sorted(result.timeline, key=lambda one: one.at_ns)
    ]
