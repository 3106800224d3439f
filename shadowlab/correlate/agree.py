"""Production and shadow side by side, path by path, and what that means.

In: production's connections after the event (and before it), the shadow's indicators over a window (and a baseline), if
it was run also those of the null model: a sound network under today's demand.  Out: a :class:`Correlation`.
Never: a verdict without its evidence.

Whether two values *agree* is judged in units of noise: the largest of the shadow's own deviation from window to window
and production's counting noise together, a tenth of the shadow's value (fibre is longer than the map says, delayed ACKs
are in the smoothed RTT), and a floor in the indicator's unit.  Two values agree within :data:`TOLERANCE` of it; a side
left its baseline on a path if an indicator moved by more than that.  Where one side stayed just below that and the
values agree, both are taken to have left.

How far they are apart (the *score*) is told in production's own noise, without that allowance: see
:mod:`shadowlab.correlate.fidelity`.

The verdict comes from accounts of the change that are weighed against each other (:mod:`shadowlab.correlate.explain`)
once the null model was run; an instance that contradicts all its peers is found before.  Without the null model the
pattern decides: a few paths that only production left are a broken network, many are a wrong shadow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from shadowlab.correlate.align import certain, clock_offsets
from shadowlab.correlate.cross_check import Liar, find_liars
from shadowlab.correlate.evidence import base_changes, demand_moved, expected
from shadowlab.correlate.explain import CLEAR, DEMAND, EVENTS, LINKS, Change, Explained, Ways, explain
from shadowlab.correlate.fidelity import advice, fidelities
from shadowlab.correlate.noise import batch_error, typical_difference
from shadowlab.correlate.production import Observed, observe_production
from shadowlab.correlate.residual import production_series
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.verdict import Agreement, Correlation, Hypothesis
from shadowlab.telemetry.attach import Connection
from shadowlab.telemetry.clock import ClockJump

RELATIVE_NOISE = 0.1
TOLERANCE = 2.0
COUNTING = 2.0
"""Counting noise is taken twice: losses come in bursts."""
FLOORS: Mapping[str, float] = {"srtt_ms": 1.0, "retransmission_share": 0.002, "throughput_mbps": 0.02}
"""The least noise of each indicator that both sides know, in its unit."""
SPARSE = 0.5
"""Up to this share of the paths a departure counts as sparse."""
TRUE_ENOUGH = 0.5
"""Below this share of agreeing values the shadow is not believed."""
SHOWN = 0.95
"""From this share of agreeing values on, a shadow that replayed the events has shown what happened."""

LEAST_ERRORS: Mapping[str, float] = {"srtt_ms": 0.05, "retransmission_share": 0.0002, "throughput_mbps": 0.002}
"""Run-to-run noise is not taken for smaller than this: nothing is measured more finely."""
LEAST_RELATIVE_ERROR = 0.005
UNTRUE = 0.5
"""Of what the shadow was off by before: what it does not show at rest, it does not show in motion."""
DRIFT_NOISE = 0.03
"""Of a value: what a change of it may be off by because demands are read from a short recording."""

Verdict = Literal[
    "confirmed", "demand moved", "network broke", "shadow drifted", "measurement fault", "unsure", "not compared"
]
Moves = frozenset[tuple[str, int]]


@dataclass(frozen=True, kw_only=True)
class _Sides:
    """On how many paths each side left its baseline."""

    both: int
    production: int
    shadow: int
    neither: int

    @property
    def paths(self) -> int:
        return self.both + self.production + self.shadow + self.neither


def compare(
    production: Sequence[Connection],
    shadow: SeriesTable,
    *,
    window_ns: tuple[int, int],
    production_before: Sequence[Connection] = (),
    baseline_ns: tuple[int, int] | None = None,
    production_scale: float = 1.0,
    events_replayed: bool = True,
    null: SeriesTable | None = None,
    null_ns: tuple[int, int] = (0, 0),
    ways: Ways | None = None,
    spread: bool = False,
    jumps: Sequence[ClockJump] = (),
) -> Correlation:
    """Compare what production shows after the event with the shadow's ``window_ns`` (from < time <= to).

    ``production_before`` and ``baseline_ns`` are either side's normal state; without them only values are compared.
    ``production_scale`` divides production's rates.  ``events_replayed`` says that the shadow ran the scenario's
    events; False makes it the null model: today's demand and a sound network.  ``null`` are the indicators of the null
    model where that was run by itself, of which ``null_ns`` counts.  ``ways`` are the directions of each path there, of
    all that is to be told of links; ``spread`` says that flows are spread over equal ones.
    ``jumps`` are leaps of instances' clocks that were put right in ``production``.
    """
    everybody = [*production_before, *production]
    offsets = clock_offsets(everybody)
    seen = observe_production(production, scale=production_scale)
    if not seen:
        return _not_compared("no connection of production after the event runs between two instances of the map")
    shown = _observe_shadow(shadow, window_ns)
    today = shown if null is None or events_replayed else _observe_shadow(null, null_ns)
    errors = _errors(production, production_scale, certain(offsets))
    agreements = tuple(
        _agreement(path, kpi, seen[path][kpi], today[path][kpi], errors.get((path, kpi), math.nan))
        for path in seen
        if path in today
        for kpi in FLOORS
        if kpi in seen[path] and kpi in today[path]
    )
    if not agreements:
        return _not_compared(
            "none of production's paths has an indicator that the shadow measured too (a rate needs two dumps)"
        )
    share = sum(one.agrees for one in agreements) / len(agreements)
    before = observe_production(production_before, scale=production_scale)
    normal = _observe_shadow(shadow, baseline_ns) if baseline_ns is not None else {}
    agreed = frozenset((one.path, one.kpi) for one in agreements if one.agrees)
    sides = _count_sides(seen, before, today, normal, agreed)
    explained = None
    suspects: tuple[str, ...] = ()
    liars = find_liars(production)
    if null is not None and ways is not None and sides.paths:
        without = {one.instance for one in liars}
        asked = _observe_shadow(null, null_ns)
        changes = _changes(seen, before, asked, shown if events_replayed else {}, normal, errors, without)
        changes += base_changes(production_before, production, without, spread=spread)
        moved = demand_moved(changes)
        explained = explain(expected(changes, ways, moved), ways, moved=bool(moved)) if changes else None
    if explained is None:
        verdict, why = _judge(sides, share, events_replayed)
    else:
        verdict, why, suspects = _weigh(explained, sides, share)
    if liars:
        verdict, why, suspects = _blame(liars, why)
    elif jumps and verdict != "demand moved" and verdict != "network broke":
        verdict, why, suspects = _leapt(jumps, why)
    missing = len(set(seen) - set(shown))
    if missing:
        why += f" {missing} paths of production are not in the shadow."
    known = ways or {}
    links = sorted({direction for way in known.values() for direction in way})
    scores = fidelities(agreements, known, links)
    return Correlation(
        verdict=verdict,
        why=why,
        agreements=agreements,
        share_agreeing=share,
        fidelity=scores,
        hypotheses=explained.hypotheses if explained is not None else (),
        suspects=suspects,
        offsets=offsets,
        advice=advice(agreements, scores),
    )


def _not_compared(why: str) -> Correlation:
    return Correlation(verdict="not compared", why=why)


def _observe_shadow(shadow: SeriesTable, window_ns: tuple[int, int]) -> Mapping[str, Mapping[str, Observed]]:
    """Mean and deviation from window to window of each path; a mean over many windows is as sure as its error."""
    inside = (shadow.times_ns > window_ns[0]) & (shadow.times_ns <= window_ns[1])
    found: dict[str, dict[str, Observed]] = {}
    for kpi in FLOORS:
        if kpi not in shadow.values:
            continue
        for column, path in enumerate(shadow.subjects):
            values = shadow.values[kpi][inside, column]
            values = values[np.isfinite(values)]
            if not len(values):
                continue
            deviation = float(values.std())
            # Production's smoothed RTT is a moment's, its rates are means over many seconds.
            noise = deviation if kpi == "srtt_ms" else deviation / math.sqrt(len(values))
            error = batch_error(values)
            found.setdefault(path, {})[kpi] = Observed(
                value=float(values.mean()),
                noise=noise,
                records=len(values),
                error=error if math.isfinite(error) else deviation,
            )
    return found


def _noise(kpi: str, reference: float, *some: Observed) -> float:
    counted = COUNTING * math.sqrt(sum(one.noise**2 for one in some))
    return max(FLOORS[kpi], RELATIVE_NOISE * abs(reference), counted)


def _errors(
    production: Sequence[Connection], scale: float, offsets: Mapping[str, int]
) -> Mapping[tuple[str, str], float]:
    """The standard error of each path's mean in production, where it has windows enough."""
    series = production_series(production, scale=scale, offsets=offsets)
    return {
        (path, kpi): batch_error(values[:, column])
        for kpi, values in series.values.items()
        for column, path in enumerate(series.subjects)
    }


def _agreement(path: str, kpi: str, production: Observed, shadow: Observed, error: float) -> Agreement:
    noise = _noise(kpi, shadow.value, production, shadow)
    apart = abs(production.value - shadow.value)
    least = max(LEAST_ERRORS[kpi], LEAST_RELATIVE_ERROR * abs(production.value), production.noise)
    own = max(least, error if math.isfinite(error) else shadow.error)
    return Agreement(
        path=path,
        kpi=kpi,
        production=production.value,
        shadow=shadow.value,
        noise=noise,
        agrees=apart <= TOLERANCE * noise,
        records=production.records,
        score=apart / typical_difference(own),
    )


def _changes(
    seen: Mapping[str, Mapping[str, Observed]],
    before: Mapping[str, Mapping[str, Observed]],
    asked: Mapping[str, Mapping[str, Observed]],
    replayed: Mapping[str, Mapping[str, Observed]],
    normal: Mapping[str, Mapping[str, Observed]],
    errors: Mapping[tuple[str, str], float],
    without: set[str],
) -> list[Change]:
    """Of every value that all sides know; not of paths that end at an instance that lies."""
    found = []
    for path in seen:
        if without & set(path.split("→")):
            continue
        for kpi in FLOORS:
            sides = [side.get(path, {}).get(kpi) for side in (seen, before, asked, normal)]
            if None in sides:
                continue
            after, calm, demanded, rest = (one for one in sides if one is not None)
            then = replayed.get(path, {}).get(kpi)
            error = errors.get((path, kpi), math.nan)
            own = max(after.noise, error if math.isfinite(error) else demanded.error)
            wrong = UNTRUE * abs(calm.value - rest.value)
            noise = math.hypot(own, max(calm.noise, own), demanded.error, rest.error, wrong)
            least = max(FLOORS[kpi] / 2, DRIFT_NOISE * max(abs(calm.value), abs(after.value)))
            found.append(
                Change(
                    path=path,
                    kpi=kpi,
                    production=after.value - calm.value,
                    demand=demanded.value - rest.value,
                    replayed=then.value - rest.value if then is not None else math.nan,
                    noise=max(noise, least),
                    level=rest.value,
                    scatter=math.hypot(own, max(calm.noise, own)) if math.isfinite(error) else after.noise,
                    calm=calm.value,
                )
            )
    return found


def _weigh(explained: Explained, sides: _Sides, share: float) -> tuple[Verdict, str, tuple[str, ...]]:
    """The best account's verdict, if it is clearly the best."""
    best = _standing_account(explained)
    values = f"Values agree in {share:.0%} of the comparisons."
    rival = next((one for one in explained.hypotheses if one.verdict != best.verdict), None)
    margin = rival.bic - best.bic if rival is not None else math.inf
    evidence = f"by {margin:.0f} in BIC over “{rival.name}”" if rival is not None and margin > 0 else ""
    if rival is not None and margin <= 0:
        evidence = f"and “{rival.name}” ({rival.verdict}) is not clearly better ({-margin:.1f} in BIC)"
    what = f": {'; '.join(best.parameters)}" if best.parameters else ""
    if rival is not None and explained.margin < CLEAR and best.name != DEMAND:
        both = f"“{best.name}”{what} ({best.verdict}) and “{rival.name}” ({rival.verdict})"
        return "unsure", f"Two accounts fit about as well ({explained.margin:.1f} apart): {both}. {values}", ()
    where = f"production left its baseline on {sides.both + sides.production} of {sides.paths} paths"
    if best.verdict != "confirmed" and share >= SHOWN and _replay_helps(explained):
        # Changes are told more finely than values: a base that wandered on the real clock may ask for more links.
        return "confirmed", f"Production did what the shadow did, events replayed: {where}. {values}", ()
    if best.name == DEMAND and best.verdict == "demand moved":
        why = f"A sound network under today's demand shows the same: {where}; this account is best {evidence}."
        return "demand moved", f"{why} {values}", ()
    if best.name == LINKS:
        why = f"The shadow does not show what happened: {where}; few links account for it{what}; best {evidence}."
        return "network broke", f"{why} {values}", explained.suspects
    if best.verdict == "shadow drifted":
        cure = "calibrate again" if best.parameters else "no pattern fits: calibrate again, or mend the map"
        return "shadow drifted", f"All over, production is not where the shadow is{what}; {cure}. {values}", ()
    if share < TRUE_ENOUGH:
        values += " The shadow was not true before, either: see its fidelity."
    if best.name == EVENTS:
        return "confirmed", f"Production did what the shadow did, events replayed: {where}. {values}", ()
    return "confirmed", f"Nothing happened that today's demand does not account for, {evidence}. {values}", ()


def _replay_helps(explained: Explained) -> bool:
    """Whether the scenario's events account for more than today's demand does."""
    bic = {one.name: one.bic for one in explained.hypotheses}
    return EVENTS in bic and bic[EVENTS] + CLEAR < bic[DEMAND]


def _standing_account(explained: Explained) -> Hypothesis:
    """The best account; but that nothing happened beside today's demand stands until another one is clearly better."""
    demand = next(one for one in explained.hypotheses if one.name == DEMAND)
    best = explained.best
    return demand if best.verdict != "confirmed" and demand.bic - best.bic < CLEAR else best


def _blame(liars: Sequence[Liar], why: str) -> tuple[Verdict, str, tuple[str, ...]]:
    words = "; ".join(one.describe() for one in liars)
    rest = f" Without the paths of such instances: {why}"
    return (
        "measurement fault",
        f"An instance contradicts its peers: {words}.{rest}",
        tuple(one.instance for one in liars),
    )


def _leapt(jumps: Sequence[ClockJump], why: str) -> tuple[Verdict, str, tuple[str, ...]]:
    names = tuple(sorted({one.instance for one in jumps}))
    words = "; ".join(f"the clock of {one.instance} leapt by {one.by_ns / 1e9:+.3g} s" for one in jumps)
    return "measurement fault", f"No network does this: {words}; its times were put right. With them: {why}", names


def _moves(before: Mapping[str, Observed], after: Mapping[str, Observed]) -> Moves:
    """The indicators that left the baseline, and which way."""
    moved = set()
    for kpi in FLOORS:
        if kpi in before and kpi in after:
            change = after[kpi].value - before[kpi].value
            if abs(change) > TOLERANCE * _noise(kpi, before[kpi].value, before[kpi], after[kpi]):
                moved.add((kpi, 1 if change > 0 else -1))
    return frozenset(moved)


def _count_sides(
    seen: Mapping[str, Mapping[str, Observed]],
    before: Mapping[str, Mapping[str, Observed]],
    shown: Mapping[str, Mapping[str, Observed]],
    normal: Mapping[str, Mapping[str, Observed]],
    agreed: frozenset[tuple[str, str]],
) -> _Sides:
    both = production = shadow = neither = 0
    for path in seen:
        if not (path in before and path in shown and path in normal):
            continue
        real, emulated = _moves(before[path], seen[path]), _moves(normal[path], shown[path])
        moved = real | emulated
        if real & emulated or (moved and all((path, kpi) in agreed for kpi, _ in moved)):
            both += 1
        elif real:
            production += 1
        elif emulated:
            shadow += 1
        else:
            neither += 1
    return _Sides(both=both, production=production, shadow=shadow, neither=neither)


def _judge(sides: _Sides, share: float, events_replayed: bool) -> tuple[Verdict, str]:
    values = f"Values agree in {share:.0%} of the comparisons."
    if not sides.paths:
        return (
            "not compared",
            "No path was recorded before and after the event on both sides, so neither side can be said to have left "
            f"its baseline. {values}",
        )
    if sides.both and sides.both >= max(sides.production, sides.shadow):
        where = f"on {sides.both} of {sides.paths} paths production and shadow left their baseline the same way"
        if share < TRUE_ENOUGH:
            return "shadow drifted", f"Though {where}, too few values agree to believe the shadow. {values}"
        if events_replayed:
            return "confirmed", f"Production did what the shadow did: {where}. {values}"
        return "demand moved", f"A sound network under today's demand shows the same: {where}. {values}"
    if sides.production and sides.production >= sides.shadow:
        where = f"only production left its baseline on {sides.production} of {sides.paths} paths"
        if sides.production <= SPARSE * sides.paths:
            return "network broke", f"The shadow does not show what happened: {where}, the rest is as usual. {values}"
        return "shadow drifted", f"Nearly everywhere {where}: more likely the shadow is wrong than every link. {values}"
    if sides.shadow:
        return (
            "shadow drifted",
            f"The shadow left its baseline on {sides.shadow} of {sides.paths} paths where production did not. {values}",
        )
    if share < TRUE_ENOUGH:
        return "shadow drifted", f"Neither side left its baseline, yet they are far apart. {values}"
    return "confirmed", f"Neither production nor shadow left its baseline on any of {sides.paths} paths. {values}"
