"""Where production broke, by production's own records held against the shadow.

In: connections now and in the baseline, what a sound network under each demand shows.  Out: paths that left what their
demand accounts for, and the fault domain.  Never: a path judged that one of the four sides does not know.

What counts is the change of the difference: (production − shadow) now, less the same in the baseline.  What the shadow
is always off by is off on both sides.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from shadowlab.correlate.agree import FLOORS
from shadowlab.correlate.production import Observed, observe_production
from shadowlab.localize.domain import fault_domain
from shadowlab.model.flow import FlowSpec, Path
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.network import Direction, Network
from shadowlab.model.verdict import Anomaly, FaultDomain, PathEvidence
from shadowlab.telemetry.attach import Connection
from shadowlab.topology.routing import intended_way

CLEARLY = 3.0
"""Standard deviations beyond which a path is flagged."""
LEAST_SEGMENTS = 200
"""Of fewer a retransmission share says too little to flag a path."""
_WORSE = {"srtt_ms": 1, "retransmission_share": 1, "throughput_mbps": -1}
_RELATIVE = 0.05
"""Of the round-trip time: what demand read from a short recording leaves open."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """Production in a window, and the shadow under the demand of that window."""

    connections: Sequence[Connection]
    shadow: SeriesTable
    window_ns: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Shift:
    """By how much production moved beyond its demand, and the standard deviation of that."""

    path: str
    kpi: str
    value: float
    noise: float

    @property
    def score(self) -> float:
        """In standard deviations; positive is worse."""
        return _WORSE[self.kpi] * self.value / self.noise


def shifts(now: Side, before: Side) -> tuple[Shift, ...]:
    """Of every path and indicator that all four sides know."""
    real_now, real_before = observe_production(now.connections), observe_production(before.connections)
    asked_now, asked_before = _means(now), _means(before)
    found = []
    for path in sorted(real_now):
        for kpi in _WORSE:
            sides = [one.get(path, {}).get(kpi) for one in (real_now, real_before, asked_now, asked_before)]
            if None in sides:
                continue
            there, earlier, shown, rest = (one for one in sides if one is not None)
            value = (there.value - earlier.value) - (shown.value - rest.value)
            noise = math.sqrt(there.noise**2 + earlier.noise**2 + shown.error**2 + rest.error**2)
            relative = _RELATIVE * abs(earlier.value) if kpi != "retransmission_share" else 0.0
            found.append(Shift(path=path, kpi=kpi, value=value, noise=max(noise, FLOORS[kpi] / 2, relative)))
    return tuple(found)


def _means(side: Side) -> dict[str, dict[str, Observed]]:
    table = side.shadow
    inside = (table.times_ns > side.window_ns[0]) & (table.times_ns <= side.window_ns[1])
    found: dict[str, dict[str, Observed]] = {}
    for kpi in _WORSE:
        for column, path in enumerate(table.subjects):
            values = table.values[kpi][inside, column]
            values = values[np.isfinite(values)]
            if len(values):
                error = float(values.std()) / math.sqrt(len(values))
                one = Observed(value=float(values.mean()), noise=error, records=len(values), error=error)
                found.setdefault(path, {})[kpi] = one
    return found


def flagged(moved: Sequence[Shift], *, began_ns: int, now_ns: int) -> tuple[Anomaly, ...]:
    """The paths that got worse beyond what their demand accounts for."""
    by_path: dict[str, dict[str, float]] = {}
    for one in moved:
        if one.kpi != "throughput_mbps" and one.score >= CLEARLY:
            by_path.setdefault(one.path, {})[one.kpi] = round(one.score, 3)
    return tuple(
        Anomaly(
            path=path,
            onset_ns=began_ns,
            detected_ns=now_ns,
            score=max(scores.values()),
            leading_kpi=max(scores, key=lambda kpi: scores[kpi]),
            zscores=scores,
            detector="watch",
        )
        for path, scores in sorted(by_path.items())
    )


def evidence(
    now: Side, moved: Sequence[Shift], hops: Mapping[str, tuple[Direction, ...]], affected: Sequence[str]
) -> tuple[PathEvidence, ...]:
    """Two voices of each path: its data segments on the way there, and its round-trip times there and back."""
    delays = {one.path: one for one in moved if one.kpi == "srtt_ms"}
    counts: dict[str, list[int]] = {}
    for one in now.connections:
        sent, again = _segments(one)
        total = counts.setdefault(str(one.path), [0, 0])
        total[0] += sent
        total[1] += again
    found = []
    for path, (sent, again) in sorted(counts.items()):
        there = hops.get(path, ())
        source, _, target = path.partition("→")
        back = hops.get(f"{target}→{source}", ())
        if not there:
            continue
        hit = path in affected
        lost = min(again, sent)
        nothing = float("nan")
        found.append(
            PathEvidence(path=path, directions=there, sent=sent, lost=lost, excess_delay_ns=nothing, affected=hit)
        )
        if path in delays and back:
            found.append(
                PathEvidence(
                    path=path,
                    directions=(*there, *back),
                    sent=0,
                    lost=0,
                    excess_delay_ns=delays[path].value * 1e6,
                    delay_noise_ns=delays[path].noise * 1e6,
                    affected=hit,
                )
            )
    return tuple(found)


def _segments(one: Connection) -> tuple[int, int]:
    """Data segments sent in the window, and those sent again although they were needed."""
    records = one.sender_records
    if len(records) < 2:
        return 0, 0

    def grown(name: str) -> int | None:
        first, last = getattr(records[0], name), getattr(records[-1], name)
        return None if first is None or last is None else max(0, last - first)

    sent, again = grown("data_segments_out"), grown("retransmits_total")
    if not sent or again is None:
        return 0, 0
    return sent, max(0, again - (grown("dsack_duplicates") or 0))


def localise(
    now: Side,
    before: Side,
    network: Network,
    flows: Sequence[FlowSpec],
    hops: Mapping[str, tuple[Direction, ...]],
    *,
    began_ns: int,
    now_ns: int,
) -> tuple[tuple[Anomaly, ...], FaultDomain | None]:
    """The flagged paths and what explains them; None where no path is flagged."""
    moved = shifts(now, before)
    anomalies = flagged(moved, began_ns=began_ns, now_ns=now_ns)
    heard = evidence(now, moved, hops, [one.path for one in anomalies])
    return anomalies, fault_domain(anomalies, heard, network, flows)


def hops_of(network: Network, paths: Iterable[Path]) -> dict[str, tuple[Direction, ...]]:
    """By path and by its reverse."""
    found: dict[str, tuple[Direction, ...]] = {}
    for path in sorted(paths):
        for source, target in ((path.source, path.target), (path.target, path.source)):
            name = f"{source}→{target}"
            if name not in found:
                found[name] = intended_way(network, source, target).directions
    return found
