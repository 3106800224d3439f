"""Cycles of a watch as documents.

In: cycles, oldest first.  Out: documents.  A chart's moments are the ends of the windows that cycles looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shadowlab.errors import ShadowLabError
from shadowlab.model.network import Network
from shadowlab.model.units import NS_PER_S
from shadowlab.model.watch.cycle import Cycle, WatchedPath
from shadowlab.model.watch.incident import Incident as Found
from shadowlab.model.watch.state import WatchState
from shadowlab.serve.picture import lived
from shadowlab.serve.picture.drawn import Figures, drawn_map
from shadowlab.serve.picture.series import indicator
from shadowlab.serve.picture.shapes import (
    Band,
    Change,
    Counts,
    CycleHead,
    Demand,
    DemandAhead,
    Forecast,
    ForecastAnswer,
    Growth,
    Indicators,
    LevelSummary,
    LinkAhead,
    Map,
    Number,
    OneSeries,
    PathRow,
    Recording,
    Series,
    Stage,
    TelemetrySpan,
)
from shadowlab.serve.picture.source import SeriesWanted, UnknownError
from shadowlab.serve.picture.verdicts import fidelity_shown, standing_of
from shadowlab.topology.routing import intended_way

MOST_LINKS = 20
MOST_WAYS = 300
"""Affected paths whose way is worked out; of more their ends are shown."""
_OF_LINKS = {"link_utilisation": "utilisation", "link_loss": "loss"}
_RANK = {"broken": 0, "off": 1, "unknown": 2, "good": 3}


def head(one: Cycle) -> CycleHead:
    """What a list shows."""
    return CycleHead(
        number=one.number,
        began_s=one.began_ns / NS_PER_S,
        ended_s=one.ended_ns / NS_PER_S,
        status=one.status,
        headline=one.headline,
        verdict=one.verdict,
        demand_mbps=one.demand_mbps,
        open_incidents=len(one.open_incidents),
    )


def overview(one: Cycle, network: Network | None, kept: int) -> dict[str, Any]:
    """What an overview says beyond the head."""
    broken = Counter(level for path in one.paths for level in path.broken_levels)
    heard = bool(one.telemetry_to_ns)
    return {
        "why": one.why,
        "fidelity": fidelity_shown(one.fidelity),
        "from_s": one.telemetry_from_ns / NS_PER_S if heard else None,
        "to_s": one.telemetry_to_ns / NS_PER_S if heard else None,
        "levels": [
            LevelSummary(level=name, limit=None, broken_paths=count, paths=len(one.paths))
            for name, count in sorted(broken.items())
        ],
        "stages": [Stage(name=each.name, wall_s=each.wall_s, note=each.note) for each in one.stages],
        "telemetry": TelemetrySpan(
            from_s=one.telemetry_from_ns / NS_PER_S if heard else None,
            to_s=one.telemetry_to_ns / NS_PER_S if heard else None,
            records=one.records,
            connections=one.connections,
        ),
        "changes": [Change(instance=each.instance, kind=each.kind, detail=each.detail) for each in one.changes],
        "findings": [*one.findings, f"{kept} cycles are kept"],
        "counts": Counts(
            nodes=len(network.nodes) if network else 0,
            links=len(network.links) if network else 0,
            paths=len(one.paths),
            flows=one.aggregation.flows_after if one.aggregation else None,
        ),
        "scale_factor": one.aggregation.factor if one.aggregation else 1.0,
    }


def drawn(
    network: Network,
    points: Mapping[str, tuple[float, float]],
    revision: str,
    latest: Cycle | None,
    incidents: Iterable[Found],
) -> Map:
    """The map under the newest cycle, with the domains of the open incidents."""
    domains = [one.domain for one in incidents if one.open and one.domain is not None]
    figures, suspect = {}, {link for one in domains for link in one.links}
    for one in latest.links if latest else ():
        figures[one.direction] = Figures(
            utilisation=one.utilisation if one.rate_bps else None,
            utilisation_forecast=one.forecast_utilisation,
            loss=one.loss,
            fidelity=one.fidelity,
        )
        if one.suspect:
            suspect.add(one.link)
    hit = [one.path for one in (latest.paths if latest else ()) if one.affected]
    return drawn_map(
        network,
        points,
        revision=revision,
        figures=figures,
        standing=standing_of(domains),
        affected={path: way(network, path, known=number < MOST_WAYS) for number, path in enumerate(hit)},
        suspect_links=suspect,
    )


def way(network: Network, path: str, *, known: bool = True) -> tuple[str, ...]:
    """The nodes that the map's routing leads a path over; its ends where it leads nowhere."""
    source, _, target = path.partition("→")
    if known:
        try:
            directions = intended_way(network, source, target).directions
        except (ShadowLabError, KeyError, ValueError):
            directions = ()
        if directions:
            return (directions[0].source, *(one.target for one in directions))
    return (source, target)


def rows(one: Cycle, network: Network | None) -> list[PathRow]:
    """Every path, worst first."""
    fidelity: dict[str, float] = {}
    return sorted(
        (_row(each, network, number, fidelity) for number, each in enumerate(one.paths)),
        key=lambda row: (_RANK[row.state], not row.affected, row.id),
    )


def _row(one: WatchedPath, network: Network | None, number: int, fidelity: Mapping[str, float]) -> PathRow:
    source, _, target = one.path.partition("→")
    shown = one.affected or one.state in ("broken", "off")
    return PathRow(
        id=one.path,
        source=source,
        target=target,
        state=one.state,
        affected=one.affected,
        flows=None,
        route=list(way(network, one.path)) if network and shown and number < MOST_WAYS else [],
        fault="",
        production=dict(one.production),
        shadow=dict(one.shadow),
        before=dict(one.before),
        broken_levels=list(one.broken_levels),
        levels=[],
        fidelity=fidelity.get(one.path),
    )


def indicators(cycles: Sequence[Cycle]) -> Indicators:
    """What any of them tells."""
    names = sorted(
        {name for cycle in cycles for path in cycle.paths for name in (*path.production, *path.shadow, *path.before)}
    )
    links = sorted(_OF_LINKS) if any(cycle.links for cycle in cycles) else []
    return Indicators(
        indicators=[indicator(name, "path") for name in names] + [indicator(name, "link") for name in links]
    )


def series(cycles: Sequence[Cycle], wanted: SeriesWanted, incidents: Sequence[Found]) -> Series:
    """Raises UnknownError for a kind, subject or indicator that no cycle tells of."""
    told = [(one.telemetry_to_ns / NS_PER_S, one) for one in cycles if one.telemetry_to_ns and (one.paths or one.links)]
    inside = [
        (at_s, one)
        for at_s, one in told
        if (wanted.from_s is None or at_s >= wanted.from_s) and (wanted.to_s is None or at_s <= wanted.to_s)
    ][-wanted.points :]
    if wanted.kind == "path":
        found = _of_path(told, inside, wanted)
    elif wanted.kind == "link":
        found = _of_link(told, inside, wanted)
    else:
        raise UnknownError(f"a watch has no series of a {wanted.kind[:40]!r}; there are path, link")
    spans = [(one.telemetry_to_ns - one.telemetry_from_ns) / NS_PER_S for _, one in inside]
    marks = [
        one
        for one in lived.timeline(incidents)
        if inside and inside[0][0] <= one.at_s <= inside[-1][0] and one.kind != "updated"
    ]
    return Series(
        kind=wanted.kind,
        subject=wanted.subject,
        clock="unix",
        step_s=sorted(spans)[len(spans) // 2] if spans else None,
        times_s=[at_s for at_s, _ in inside],
        series=found,
        marks=marks[-100:],
    )


_Told = Sequence[tuple[float, Cycle]]


def _of_path(told: _Told, inside: _Told, wanted: SeriesWanted) -> list[OneSeries]:
    if not any(path.path == wanted.subject for _, one in told for path in one.paths):
        raise UnknownError(f"there is no path {wanted.subject[:80]!r}")
    rows = [(at_s, next((path for path in one.paths if path.path == wanted.subject), None)) for at_s, one in inside]
    found = []
    for name in wanted.kpis:
        production: list[Number] = [path.production.get(name) if path else None for _, path in rows]
        shadow: list[Number] = [path.shadow.get(name) if path else None for _, path in rows]
        before = [path.before[name] for _, path in rows if path and path.before.get(name) is not None]
        if not before and all(one is None for one in (*production, *shadow)) and name not in _names(told):
            raise UnknownError(f"there is no indicator {name[:40]!r} of a path")
        about = indicator(name, "path")
        found.append(
            OneSeries(
                kpi=name,
                unit=about.unit,
                bad=about.bad,
                meaning=about.meaning,
                shadow=shadow,
                production=Recording(times_s=[at_s for at_s, _ in rows], values=production)
                if any(one is not None for one in production)
                else None,
                baseline=Band(mean=before[-1], deviation=0.0, from_s=None, to_s=None) if before else None,
            )
        )
    return found


def _names(told: _Told) -> set[str]:
    return {name for _, one in told for path in one.paths for name in (*path.production, *path.shadow)}


def _of_link(told: _Told, inside: _Told, wanted: SeriesWanted) -> list[OneSeries]:
    if not any(link.direction == wanted.subject for _, one in told for link in one.links):
        raise UnknownError(f"there is no link {wanted.subject[:80]!r}")
    rows = [next((link for link in one.links if link.direction == wanted.subject), None) for _, one in inside]
    found = []
    for name in wanted.kpis:
        if name not in _OF_LINKS:
            raise UnknownError(f"there is no indicator {name[:40]!r} of a link")
        about = indicator(name, "link")
        found.append(
            OneSeries(
                kpi=name,
                unit=about.unit,
                bad=about.bad,
                meaning=about.meaning,
                shadow=[getattr(link, _OF_LINKS[name]) if link else None for link in rows],
                production=None,
                baseline=None,
            )
        )
    return found


def forecast(state: WatchState, cycles: Sequence[Cycle]) -> ForecastAnswer:
    """The newest there is."""
    one = next((each for each in reversed(cycles) if each.ahead is not None and each.ahead.growth), None)
    if one is None or one.ahead is None:
        told = next((each.ahead.headline for each in reversed(cycles) if each.ahead is not None), "")
        return ForecastAnswer(forecast=None, why=told or "no cycle has looked ahead yet")
    growth = {float(name): value for name, value in one.ahead.growth.items()}
    low, median, high = (growth.get(share) for share in (0.1, 0.5, 0.9))
    at_s = (one.telemetry_to_ns or one.ended_ns) / NS_PER_S
    now = one.demand_mbps
    ahead = [DemandAhead(at_s=at_s, low=now, median=now, high=now)]
    ahead.append(
        DemandAhead(
            at_s=at_s + one.ahead.horizon_s,
            low=None if low is None else low * now,
            median=None if median is None else median * now,
            high=None if high is None else high * now,
        )
    )
    links = sorted(
        (each for each in one.links if each.forecast_utilisation is not None),
        key=lambda each: (-(each.forecast_utilisation or 0.0), each.direction),
    )
    return ForecastAnswer(
        why="",
        forecast=Forecast(
            at_s=at_s,
            horizon_s=one.ahead.horizon_s,
            model=one.ahead.model,
            headline=one.ahead.headline,
            growth=Growth(low=low, median=median, high=high),
            demand=[Demand(at_s=moment, mbps=value) for moment, value in state.demand],
            ahead=ahead,
            violations=list(one.ahead.violations),
            links=[
                LinkAhead(direction=each.direction, now=each.utilisation, then=each.forecast_utilisation)
                for each in links[:MOST_LINKS]
            ],
        ),
    )
