"""Production and shadow side by side, path by path, and what that means.

In: production's connections after the event (and before it), the shadow's indicators over a window (and a baseline).
Out: a :class:`Correlation`.  Never: a verdict without its evidence.

A difference is measured in units of noise: the largest of the shadow's own deviation from window to window and
production's counting noise together, a tenth of the shadow's value (fibre is longer than the map says, delayed ACKs are
in the smoothed RTT), and a floor in the indicator's unit.  Two values agree within :data:`TOLERANCE` of it; a side left
its baseline on a path if an indicator moved by more than that.  Where one side stayed just below that and the values
agree, both are taken to have left.

A fault is sparse, drift is dense: a few paths that only production left are a broken network, many are a wrong shadow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from shadowlab.correlate.production import Observed, observe_production
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.verdict import Agreement, Correlation
from shadowlab.telemetry.attach import Connection

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

Verdict = Literal["confirmed", "demand moved", "network broke", "shadow drifted", "not compared"]
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
) -> Correlation:
    """Compare what production shows after the event with the shadow's ``window_ns`` (from < time <= to).

    ``production_before`` and ``baseline_ns`` are either side's normal state; without them only values are compared.
    ``production_scale`` divides production's rates.  ``events_replayed`` says that the shadow ran the scenario's
    events; False makes it the null model: today's demand and a sound network.
    """
    seen = observe_production(production, scale=production_scale)
    if not seen:
        return _not_compared("no connection of production after the event runs between two instances of the map")
    shown = _observe_shadow(shadow, window_ns)
    agreements = tuple(
        _agreement(path, kpi, seen[path][kpi], shown[path][kpi])
        for path in seen
        if path in shown
        for kpi in FLOORS
        if kpi in seen[path] and kpi in shown[path]
    )
    if not agreements:
        return _not_compared(
            "none of production's paths has an indicator that the shadow measured too (a rate needs two dumps)"
        )
    share = sum(one.agrees for one in agreements) / len(agreements)
    before = observe_production(production_before, scale=production_scale)
    normal = _observe_shadow(shadow, baseline_ns) if baseline_ns is not None else {}
    agreed = frozenset((one.path, one.kpi) for one in agreements if one.agrees)
    sides = _count_sides(seen, before, shown, normal, agreed)
    verdict, why = _judge(sides, share, events_replayed)
    missing = len(set(seen) - set(shown))
    if missing:
        why += f" {missing} paths of production are not in the shadow."
    return Correlation(verdict=verdict, why=why, agreements=agreements, share_agreeing=share)


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
            found.setdefault(path, {})[kpi] = Observed(value=float(values.mean()), noise=noise, records=len(values))
    return found


def _noise(kpi: str, reference: float, *some: Observed) -> float:
    counted = COUNTING * math.sqrt(sum(one.noise**2 for one in some))
    return max(FLOORS[kpi], RELATIVE_NOISE * abs(reference), counted)


def _agreement(path: str, kpi: str, production: Observed, shadow: Observed) -> Agreement:
    noise = _noise(kpi, shadow.value, production, shadow)
    return Agreement(
        path=path,
        kpi=kpi,
        production=production.value,
        shadow=shadow.value,
        noise=noise,
        agrees=abs(production.value - shadow.value) <= TOLERANCE * noise,
        records=production.records,
    )


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
