"""From the raw records of a run to anomalies, evidence and a fault domain.

In: the folder a run left behind, what was prepared.  Out: indicator tables, traces, anomalies, the fault domain and the
moment it was known.  Never: a look at the scenario's events: the judging rooms see only what was measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shadowlab.correlate.fault_free import fault_free
from shadowlab.detect.baseline import learn, widened
from shadowlab.detect.registry import DETECTORS
from shadowlab.errors import ShadowFailedError
from shadowlab.lab.detecting.flow_voices import Voice, Way, flow_voices, last_ways
from shadowlab.lab.detecting.loads import grown_loads, last_route, utilisations
from shadowlab.lab.prepare import Prepared
from shadowlab.lab.recorded.watched import derive, watched_of
from shadowlab.localize.domain import fault_domain
from shadowlab.localize.load import with_long_queues
from shadowlab.localize.routing_state import looped_directions, with_black_holes
from shadowlab.model.flow import FlowSpec
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.network import Direction
from shadowlab.model.result import PathTrace
from shadowlab.model.units import NS_PER_S
from shadowlab.model.verdict import Anomaly, FaultDomain, PathEvidence, Suspect
from shadowlab.monitor.indicators import FlowCounts, PathCounts, flow_counts, path_counts
from shadowlab.monitor.layout import FAULT_MARK, TRACE_FILE
from shadowlab.monitor.void_windows import LATE_NS, Punctual, read_punctual

WINDOW_NS = NS_PER_S
"""Indicators are derived once a second."""

EVIDENCE_STEPS_NS = tuple(seconds * NS_PER_S for seconds in (5, 10, 20, 40, 80, 160))
"""After a detection evidence is weighed at these delays, until a link explains it."""


SURE = 0.99
"""Evidence suffices when its explanation is at least so probable twice in a row; until then more is waited for."""


SILENT_NS = 4 * NS_PER_S
"""A path of which no probe came back for so long is silent."""


_NOTICED_NS = 5 * NS_PER_S
"""So long before a route is known to be cut its packets may have been lost."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """The indicators of one run."""

    paths: SeriesTable
    links: SeriesTable
    counts: PathCounts
    traces: tuple[PathTrace, ...]
    hops: tuple[tuple[int, str, tuple[Direction, ...]], ...]
    """(since, path, directions), in order of time: the probes' way."""
    flow_hops: tuple[tuple[int, str, tuple[Direction, ...]], ...] = ()
    """(since, flow, directions from its source to its target), where flows are spread over several ways."""
    flow_counts: FlowCounts | None = None
    """Of each flow by itself, where they are spread: their path's counts speak of no way in particular."""
    punctual: Punctual = field(default_factory=Punctual)
    """What is void of it: there the tables hold nothing, and the counts are 0."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What was noticed, and where it is.  ``localised_ns`` is when the evidence sufficed (or was given up)."""

    anomalies: tuple[Anomaly, ...]
    domain: FaultDomain | None
    localised_ns: int


def measure(folder: Path, prepared: Prepared, duration_ns: int, late_ns: int = LATE_NS) -> Measured:
    """Derive everything from the raw records of a run of ``duration_ns``; what was later than ``late_ns`` is void."""
    tables = derive(folder, watched_of(prepared, WINDOW_NS, late_ns), duration_ns)
    counts = path_counts(folder, prepared.paths, prepared.flows, duration_ns, WINDOW_NS, turns=prepared.flow_turns)
    punctual = read_punctual(folder, len(counts.times_ns), WINDOW_NS, late_ns)
    lines = _lines(folder)
    ends = {flow.id: f"{flow.source}→{flow.target}" for flow in prepared.flows}
    flow_hops = tuple((one.at_ns, one.flow, one.steps) for one in lines if one.flow and one.path == ends[one.flow])
    each = None
    if flow_hops:
        each = flow_counts(folder, prepared.flows, duration_ns, WINDOW_NS, turns=prepared.flow_turns)
        kept = ~punctual.void[:, None]
        each = replace(each, sent=each.sent * kept, again=each.again * kept)
    return Measured(
        paths=tables["path"],
        links=tables["link"],
        counts=_counts_without(counts, punctual.void),
        traces=tuple(_traces(lines, prepared)),
        hops=tuple((one.at_ns, one.path, one.steps) for one in lines if not one.flow),
        punctual=punctual,
        flow_hops=flow_hops,
        flow_counts=each,
    )


def _counts_without(counts: PathCounts, void: NDArray[np.bool_]) -> PathCounts:
    """What void windows counted weighs nothing."""
    kept = ~void[:, None]
    return replace(
        counts,
        probes_sent=counts.probes_sent * kept,
        probes_lost=counts.probes_lost * kept,
        segments_sent=counts.segments_sent * kept,
        segments_retransmitted=counts.segments_retransmitted * kept,
    )


@dataclass(frozen=True, kw_only=True)
class _Line:
    """One line of the trace file.  ``fault`` is empty or says why the route ends early."""

    at_ns: int
    path: str
    flow: str
    steps: tuple[Direction, ...]
    fault: str


def _lines(folder: Path) -> list[_Line]:
    try:
        text = (folder / TRACE_FILE).read_text()
        return [
            _Line(
                at_ns=one["at_ns"],
                path=one["path"],
                flow=one.get("flow", ""),
                steps=tuple(_direction(hop) for hop in one["hops"] if not hop.startswith(FAULT_MARK)),
                fault=next((hop.removeprefix(FAULT_MARK) for hop in one["hops"] if hop.startswith(FAULT_MARK)), ""),
            )
            for one in map(json.loads, text.splitlines())
        ]
    except (OSError, ValueError, KeyError) as error:
        raise ShadowFailedError(f"the routes of the run cannot be read from {folder / TRACE_FILE}: {error}") from error


def _direction(hop: str) -> Direction:
    link, source, target = hop.split("|")
    return Direction(link=link, source=source, target=target)


def _traces(lines: Sequence[_Line], prepared: Prepared) -> list[PathTrace]:
    driven = {str(path) for path in prepared.paths}
    return [
        PathTrace(
            path=one.path,
            since_ns=one.at_ns,
            nodes=(one.steps[0].source, *(step.target for step in one.steps))
            if one.steps
            else (one.path.partition("→")[0],),
            fault=one.fault,
            flow=one.flow,
        )
        for one in lines
        if one.path in driven
    ]


def judge(
    measured: Measured, prepared: Prepared, detectors: Sequence[str], sound: SeriesTable | None = None
) -> Judgement:
    """Learn the baseline, let the detectors look, and place what they find.  ``sound`` are settled windows of the same
    network without a fault under today's demand: what varies there by itself is no anomaly."""
    from_ns, to_ns = prepared.scenario.baseline_ns
    baseline = learn(measured.paths, from_ns=from_ns, to_ns=to_ns)
    if sound is not None and len(sound.times_ns):
        first_ns, last_ns = int(sound.times_ns[0]) - 1, int(sound.times_ns[-1])
        baseline = widened(baseline, fault_free(sound, from_ns=first_ns, to_ns=last_ns))
    found = [one for name in detectors for one in DETECTORS[name].detect(measured.paths, baseline)]
    anomalies = tuple(sorted(found, key=lambda one: (one.detected_ns, one.path)))
    if not anomalies:
        return Judgement(anomalies=(), domain=None, localised_ns=prepared.scenario.duration_ns)
    end_ns = prepared.scenario.duration_ns
    usual = gather(measured, prepared, set(), (from_ns, to_ns), (from_ns, to_ns))
    best: Judgement | None = None
    before: tuple[str, ...] = ()
    for moment in sorted({min(one.detected_ns + step, end_ns) for one in anomalies for step in EVIDENCE_STEPS_NS}):
        known = [one for one in anomalies if moment - EVIDENCE_STEPS_NS[-1] <= one.detected_ns <= moment]
        onset = min(one.onset_ns for one in known)
        evidence = gather(measured, prepared, {one.path for one in known}, (from_ns, to_ns), (onset, moment))
        routes = (*measured.hops, *measured.flow_hops)
        full = grown_loads(measured.paths, measured.links, routes, prepared.network, (from_ns, to_ns), (onset, moment))
        domain = fault_domain(known, evidence, prepared.network, prepared.flows, before=usual, utilisation=full)
        looped = looped_directions((*measured.hops, *measured.flow_hops), to_ns, moment)
        cut = looped or cut_directions(measured, to_ns, moment)
        if cut and domain is not None:
            broken = _broken_route(domain, cut, measured, known, prepared.flows, "loop" if looped else "black hole")
            return Judgement(anomalies=anomalies, domain=broken, localised_ns=moment)
        if domain is not None:
            domain = _named(domain, measured, prepared, (onset, moment), moment)
        if domain is None or not domain.links or not domain.affected_paths:
            best = best or Judgement(anomalies=anomalies, domain=domain, localised_ns=moment)
            continue
        if best is None or best.domain is None or domain.confidence > best.domain.confidence:
            best = Judgement(anomalies=anomalies, domain=domain, localised_ns=moment)
        sure = domain.confidence >= SURE
        confirmed, before = sure and domain.links == before, domain.links if sure else ()
        if confirmed:
            whole = gather(measured, prepared, {one.path for one in anomalies}, (from_ns, to_ns), (onset, end_ns))
            later = [one for one in anomalies if one.onset_ns >= onset]
            refined = fault_domain(later, whole, prepared.network, prepared.flows, before=usual, utilisation=full)
            # What came later sharpens the size and the list of the affected; it does not change where the fault is.
            if refined is not None and refined.links == domain.links:
                domain = _named(refined, measured, prepared, (onset, end_ns), moment)
            return Judgement(anomalies=anomalies, domain=domain, localised_ns=moment)
    assert best is not None  # there was at least one moment
    return best


def _named(
    domain: FaultDomain, measured: Measured, prepared: Prepared, window_ns: tuple[int, int], now_ns: int
) -> FaultDomain:
    """With what needs no statistics: black holes, and queues that are longer than the map says."""
    holes = with_black_holes(domain, *_silent(measured, prepared, now_ns))
    return with_long_queues(holes, prepared.network, utilisations(measured.links, prepared.network, window_ns))


def _silent(
    measured: Measured, prepared: Prepared, now_ns: int
) -> tuple[dict[str, tuple[Direction, ...]], frozenset[str]]:
    """What the probes of each path cross, there and back, and the paths of which none came back lately."""
    counts = measured.counts
    lately = (counts.times_ns > now_ns - SILENT_NS) & (counts.times_ns <= now_ns)
    sent, lost = counts.probes_sent[lately].sum(axis=0), counts.probes_lost[lately].sum(axis=0)
    silent = {str(path) for path, a, b in zip(prepared.paths, sent, lost, strict=True) if a and a == b}
    crossing = {
        str(path): (
            *last_route(measured.hops, str(path), now_ns)[0],
            *last_route(measured.hops, f"{path.target}→{path.source}", now_ns)[0],
        )
        for path in prepared.paths
    }
    return crossing, frozenset(silent)


def _broken_route(
    domain: FaultDomain,
    cut: Mapping[Direction, int],
    measured: Measured,
    known: Sequence[Anomaly],
    flows: Sequence[FlowSpec],
    kind: Literal["black hole", "loop"],
) -> FaultDomain:
    """The domain when the routing state itself shows what is broken."""
    crossing = {path for _, path, hops in measured.hops if set(hops) & set(cut)}
    affected = tuple(sorted({one.path for one in known} & crossing)) or domain.affected_paths
    suspects = tuple(
        Suspect(
            directions=(one,),
            score=0.0,
            posterior=1.0,
            loss=1.0,
            excess_delay_ns=0.0,
            paths_affected=len(affected),
            paths_crossing=len(crossing),
        )
        for one in cut
    )
    return replace(
        domain,
        links=tuple(sorted({one.link for one in cut})),
        kind=kind,
        confidence=1.0,
        suspects=suspects,
        runners_up=(),
        affected_paths=affected,
        affected_flows=tuple(sorted(flow.id for flow in flows if f"{flow.source}→{flow.target}" in affected)),
        onset_ns=_onset([one.onset_ns for one in known if one.path in affected or not crossing], min(cut.values())),
    )


def _onset(onsets: Sequence[int], cut_ns: int) -> int:
    """The first of these that the cut can have caused: routers notice a second late, and something else may have moved
    the paths before.  The cut itself where none of its paths has alerted."""
    return min((one for one in onsets if one >= cut_ns - _NOTICED_NS), default=min(onsets, default=cut_ns))


def gather(
    measured: Measured, prepared: Prepared, affected: set[str], baseline_ns: tuple[int, int], window_ns: tuple[int, int]
) -> tuple[PathEvidence, ...]:
    """What every path tells in a window, in three voices: its probes on their way there, the answers on theirs (both
    clocks are the shadow's, so a one-way time is as exact as a round trip), and the data segments of its flows, whose
    retransmissions speak of the way there alone.  Flows of a path that are spread over several ways speak with a voice
    for each way, as far as their ways were traced.

    A path whose route changed in the window speaks for its last route, from that change on; and of its delay it says
    nothing, for a longer way is not a slower link.
    """
    counts, times = measured.counts, measured.counts.times_ns
    before = (times > baseline_ns[0]) & (times <= baseline_ns[1])
    ways = last_ways(measured.flow_hops, window_ns[1])
    by_path: dict[str, list[str]] = {}
    for flow in prepared.flows:
        by_path.setdefault(flow_path(flow), []).append(flow.id)
    found = []
    for index, path in enumerate(prepared.paths):
        name = str(path)
        there, since = last_route(measured.hops, name, window_ns[1])
        back, back_since = last_route(measured.hops, f"{path.target}→{path.source}", window_ns[1])
        start = max(window_ns[0], since, back_since)
        inside = (times > start) & (times <= window_ns[1])
        voice = PathEvidence(path=name, directions=there, sent=0, lost=0, affected=name in affected)
        for way, sent_there, again in _data(measured, index, by_path.get(name, ()), ways, there, window_ns, start):
            data = replace(voice, directions=way, sent=sent_there, lost=again)
            found.append(replace(data, excess_delay_ns=float("nan")))
        sent, lost = counts.probes_sent[inside, index], counts.probes_lost[inside, index]
        share = np.nan_to_num(measured.paths.values["loss_there"][inside, index])
        lost_there = np.minimum(np.rint(share * sent).astype(np.int64), lost)
        for kpi, way, of, gone in (
            ("delay_there_ms", there, sent, lost_there),
            ("delay_back_ms", back, sent - lost_there, lost - lost_there),
        ):
            delays = measured.paths.values[kpi]
            normal, now = delays[before, index], delays[inside, index]
            normal, now = normal[~np.isnan(normal)], now[~np.isnan(now)]
            comparable = normal.size > 1 and now.size > 0 and max(since, back_since) <= baseline_ns[0]
            found.append(
                replace(
                    voice,
                    directions=way,
                    sent=int(of.sum()),
                    lost=int(gone.sum()),
                    excess_delay_ns=float(np.median(now) - np.median(normal)) * 1e6 if comparable else float("nan"),
                    delay_noise_ns=max(float(normal.std()) * 1e6, 1e4) if comparable else 1.0,
                )
            )
    return tuple(found)


def flow_path(flow: FlowSpec) -> str:
    """The path a flow runs on, by its name."""
    return f"{flow.source}→{flow.target}"


def _data(
    measured: Measured,
    index: int,
    flows: Sequence[str],
    ways: Mapping[str, tuple[Way, int]],
    probed: Way,
    window_ns: tuple[int, int],
    start_ns: int,
) -> tuple[Voice, ...]:
    """What the flows of a path sent, and sent again, by the way they take: that of the ``probed`` path since
    ``start_ns`` where flows are not spread."""
    if measured.flow_counts is not None:
        return flow_voices(measured.flow_counts, measured.counts.times_ns, flows, ways, window_ns)
    counts, times = measured.counts, measured.counts.times_ns
    heard = (times > start_ns) & (times <= window_ns[1])
    sent = int(counts.segments_sent[heard, index].sum())
    again = int(counts.segments_retransmitted[heard, index].sum())
    return (Voice(probed, sent, min(again, sent)),) if probed else ()


def cut_directions(measured: Measured, from_ns: int, to_ns: int) -> dict[Direction, int]:
    """The directions that routes lost without a replacement, in (from, to], and when: read from the routing state,
    before any statistics.  A route that ends early at a node lost the direction it used to leave that node by."""
    routes: dict[str, tuple[Direction, ...]] = {}
    cut: dict[Direction, int] = {}
    for since, path, hops in measured.hops:
        used = routes.get(path, ())
        if from_ns < since <= to_ns and used[: len(hops)] == hops and len(hops) < len(used):
            cut.setdefault(used[len(hops)], since)
        else:
            routes[path] = hops
    return dict(sorted(cut.items()))
