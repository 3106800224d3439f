"""What production alone tells of a change, before any shadow is asked: did its demand move, did its ways get longer?

In: changes per path and indicator, production's connections before and after.  Out: the paths whose demand moved; the
changes of idle round-trip times; changes whose noise says how far the shadow's queues can be believed.
Never: a verdict.

Two things a shadow need not be asked for.  What a way takes when nothing waits is in the least round-trip time, which
no demand changes: where it moved, a way did.  And how much is asked for is seen in rates: of a link that carries more
than before more waiting is to be expected, but how much more is what a shadow knows least (its buffers and rates are
estimates), so there its prediction is believed to within the change itself.  Where nobody asks for anything else than
before, the best prediction is what there was before.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from statistics import median

from shadowlab.correlate.explain import BASE, Change, Ways
from shadowlab.model.units import NS_PER_MS
from shadowlab.telemetry.attach import Connection

GREW = 0.15
"""A rate that differs by this share has moved, if it is also more than :data:`CLEARLY` times its noise."""
CLEARLY = 3.0
LEAST_PATHS, LEAST_SHARE = 2, 0.25
"""So many paths must have moved, and so large a share of those known, before demand is said to have."""
_FLOOR_MS, _RELATIVE = 0.3, 0.04
"""A least round-trip time is that of the luckiest packet: another run's is as much longer or shorter."""
_DOUBT = 1.5
"""What a shadow says of queues under another load may be off by the whole change, at so many deviations."""
LEAST_NOISE: Mapping[str, float] = {"srtt_ms": 1.0, "retransmission_share": 0.002, "throughput_mbps": 0.05}
CALM_NOISE: Mapping[str, float] = {"srtt_ms": 0.1, "retransmission_share": 0.25, "throughput_mbps": 0.1}
SPREAD_NOISE: Mapping[str, float] = {"srtt_ms": 0.4, "retransmission_share": 0.5, "throughput_mbps": 0.3}
"""Of two runs of the same production: at least so much, in the indicator's unit and of its value before, beside what
the records' own scatter says; the last where connections are spread over ways, and meet other ones in each run."""
LEAST_READINGS = 8
"""Of round-trip times of a path, before the least of them says what the way takes."""
MAD_TO_STD = 1.4826

Key = tuple[str, int, str, int]


def base_changes(
    before: Sequence[Connection], after: Sequence[Connection], without: Set[str] = frozenset(), *, spread: bool = False
) -> list[Change]:
    """Of each path recorded before and after, how its idle round trip changed; not of those that end ``without``.

    A kernel remembers the least round-trip time of minutes.  Of a connection that was there before, the least smoothed
    one since then is taken instead.  Where flows are ``spread`` over equal ways, a new connection has another one, and
    what paths differ by among each other says how much that matters.
    """
    then = _bases(before, {})
    continued = {_key(one): one for one in before}
    now = _bases(after, continued)
    paths = [path for path in sorted(set(then) & set(now)) if not without & set(path.split("→"))]
    scatter = _scatter([now[path] - then[path] for path in paths]) if spread and paths else 0.0
    found = []
    for path in paths:
        noise = math.hypot(_FLOOR_MS, _RELATIVE * then[path], scatter)
        found.append(
            Change(path=path, kpi=BASE, production=now[path] - then[path], demand=0.0, replayed=0.0, noise=noise,
                   level=then[path], scatter=scatter)
        )  # fmt: skip
    return found


def _scatter(values: Sequence[float]) -> float:
    """The standard deviation of most of them."""
    middle = median(values)
    return MAD_TO_STD * median([abs(one - middle) for one in values])


def _bases(connections: Iterable[Connection], continued: Mapping[Key, Connection]) -> dict[str, float]:
    found: dict[str, float] = {}
    readings: Counter[str] = Counter()
    for one in connections:
        stale = _continues(continued.get(_key(one)), one)
        name = "srtt_ns" if stale else "min_rtt_ns"
        values = [value for record in one.sender_records if (value := getattr(record, name))]
        if values:
            path = str(one.path)
            found[path] = min(found.get(path, math.inf), min(values) / NS_PER_MS)
            readings[path] += len(values)
    return {path: least for path, least in found.items() if readings[path] >= LEAST_READINGS}


def _key(one: Connection) -> Key:
    return one.source_address, one.source_port, one.target_address, one.target_port


def _continues(earlier: Connection | None, one: Connection) -> bool:
    """Whether it is the same connection, gone on: its counter did not begin anew."""
    if earlier is None or not earlier.sender_records or not one.sender_records:
        return False
    last, first = earlier.sender_records[-1].bytes_acked, one.sender_records[0].bytes_acked
    return last is None or first is None or first >= last


def demand_moved(changes: Sequence[Change]) -> frozenset[str]:
    """The paths whose demand moved; none if they are too few to speak of demand.

    A rate that rose was asked to rise.  One that fell may have been throttled: it counts if the shadow, too, carries
    less under the recorded demand, and its path loses no more than before.
    """
    rates = [one for one in changes if one.kpi == "throughput_mbps"]
    lossier = {
        one.path for one in changes if one.kpi == "retransmission_share" and one.production > CLEARLY * one.scatter
    }
    moved = {
        one.path
        for one in rates
        if abs(one.production) > max(GREW * max(one.calm, one.calm + one.production), CLEARLY * one.scatter)
        and (one.production > 0 or (one.demand < 0 and one.path not in lossier))
    }
    enough = len(moved) >= LEAST_PATHS and len(moved) >= LEAST_SHARE * len(rates)
    return frozenset(moved) if enough else frozenset()


def expected(changes: Sequence[Change], ways: Ways, moved: Set[str]) -> list[Change]:
    """What to expect of a sound network, and how surely.

    On paths that share no link, there or back, with one whose demand moved: what there was before, to within
    production's own noise; no shadow knows it better.  On the others: what the shadow says, to within the change
    itself.  Round-trip times differ, too, as much as ways do that connections are spread over.
    """
    busy = {direction for path in moved for direction in _both(path, ways)}
    spread = max((one.scatter for one in changes if one.kpi == BASE), default=0.0)
    found = []
    for one in changes:
        if one.kpi == BASE:
            found.append(one)
            continue
        ways_differ = spread if one.kpi == "srtt_ms" else 0.0
        if busy & set(_both(one.path, ways)):
            doubt = max(abs(one.production), abs(one.demand)) / _DOUBT
            found.append(replace(one, noise=math.hypot(one.noise, doubt, ways_differ)))
        else:
            share = (SPREAD_NOISE if spread else CALM_NOISE)[one.kpi]
            noise = math.hypot(one.scatter, max(LEAST_NOISE[one.kpi], share * one.calm), ways_differ)
            found.append(replace(one, demand=0.0, level=one.calm, noise=noise))
    return found


def _both(path: str, ways: Ways) -> tuple[str, ...]:
    source, _, target = path.partition("→")
    return (*ways.get(path, ()), *ways.get(f"{target}→{source}", ()))
