"""The rate of links that were never full: from how first windows drew apart, and from links of their kind.

In: what was seen, the least RTTs, rates that are known, the kind of each link.  Out: per direction a rate beforehand,
with its interval.  Never: a value called measured: it rests on links of one kind being built alike.

Each pair of instances whose connections sent first windows gives one equation: a weighted sum of 1/rate over its way
and of the greatest 1/rate on it (see :mod:`~shadowlab.calibrate.links.flights`).  Queues mostly add to it, so of a
pair's connections a low quantile counts.  Rates of one kind of links are
taken to scatter log-normally about a middle one that is found with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shadowlab.calibrate.links.numbers import Flags, Floats, Ints
from shadowlab.calibrate.links.seen import Seen
from shadowlab.model.units import NS_PER_S

LEAST_FLIGHTS = 5
"""Fewer connections of a pair tell too little of it."""
_LOW, _NEXT, _NEXT_ONE_WAY = 0.2, 0.5, 0.3
"""The quantile of a pair's connections that counts, each above its own least RTT: a queue that stood all the time is in
both; one that grew meanwhile adds to it, one that drained takes from it.  Then the one above it, whose distance tells
how sure it is: where ways differ, the low ones are those of the fastest way."""
_OWN_SHARE = 1 / 3
"""Instances' own links are taken to send a segment in this share of a trunk's time: they are seldom the slowest."""
_KIND = 0.35
"""How far the rates of links of one kind lie apart: the standard deviation of their logarithm."""
_ERROR, _SCATTERED = 0.12, 1.5
"""Of one pair's equation, in logarithms; and so many times as far off as the next quantile lies above the low one:
where queues moved, connections differ."""
_HOST_S = 150e-6
"""Hosts add so much to an RTT by themselves: of links so fast that a first window takes no longer nothing is told."""
_ROUNDS = 12
_MOST_LINKS = 800
_WIDE = 2.0
_STEP = 0.7


@dataclass(frozen=True, kw_only=True)
class Told:
    """A rate that is known from elsewhere: the slowest of ``links`` (their numbers) has it; ``error`` in logarithms."""

    links: tuple[int, ...]
    rate_bps: float
    error: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Kinds:
    """By link, shape (L,): its kind (-1: of none that is estimated), the most that crossed either direction, and what
    its rate hardly is below.  ``link`` (D,) is the link of each direction."""

    kind: Ints
    least_bps: Floats
    likely_bps: Floats
    link: Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class Beforehand:
    """By direction, shape (D,): a rate and the ends of its interval, NaN where there is nothing to go by; ``pairs`` and
    ``connections`` (D,) that stand behind it directly."""

    rate_bps: Floats
    low_bps: Floats
    high_bps: Floats
    pairs: Ints
    connections: Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class _Equations:
    """One row per pair: over (L,) links how often (how probably) it crosses them, the weights, the excess in s, and its
    error in logarithms."""

    crossing: Floats
    on_all: Floats
    on_slowest: Floats
    excess_s: Floats
    error: Floats
    flights: Ints


def rates_beforehand(
    seen: Seen, least_rtt_ns: Floats, usable: Flags, kinds: Kinds, told: Sequence[Told] = ()
) -> Beforehand:
    """``least_rtt_ns`` (C,) is the RTT of small packets where nothing waits, ``usable`` (C,) which of them count."""
    directions = len(seen.directions)
    links = len(kinds.kind)
    inverse = np.full(links, np.nan)
    spread = np.full(links, np.nan)
    equations = _equations(seen, least_rtt_ns, usable, kinds)
    for kind in sorted(set(kinds.kind[kinds.kind >= 0].tolist())):
        members = np.flatnonzero(kinds.kind == kind)
        about = [one for one in told if set(one.links) <= set(members.tolist())]
        solved = _solved(equations, members, kinds.likely_bps, about)
        if solved is not None:
            inverse[members], spread[members] = solved
    nothing = np.zeros(directions, dtype=np.int64)
    crossed = equations.crossing > 0
    pairs = crossed.sum(axis=0)[kinds.link] if len(crossed) else nothing
    flights = (crossed.T.astype(np.int64) @ equations.flights)[kinds.link] if len(crossed) else nothing
    rate = np.exp(-inverse)[kinds.link]
    width = _WIDE * spread[kinds.link]
    low = np.maximum(rate * np.exp(-width), kinds.least_bps[kinds.link])
    rate = np.maximum(rate, kinds.likely_bps[kinds.link])
    return Beforehand(
        rate_bps=rate,
        low_bps=np.where(np.isfinite(rate), low, np.nan),
        high_bps=rate * np.exp(width),
        pairs=pairs,
        connections=flights,
    )


def _equations(seen: Seen, least_rtt_ns: Floats, usable: Flags, kinds: Kinds) -> _Equations:
    links = len(kinds.kind)
    groups: dict[tuple[str, str], list[int]] = {}
    for row, connection in enumerate(seen.flights.connection.tolist()):
        if usable[connection] and np.isfinite(least_rtt_ns[connection]):
            groups.setdefault(seen.pairs[connection], []).append(row)
    crossings, figures, counts = [], [], []
    for rows in groups.values():
        if len(rows) < LEAST_FLIGHTS:
            continue
        which = seen.flights.connection[rows]
        crossing = np.bincount(kinds.link, weights=seen.forward[which[0]], minlength=links)
        length = float(crossing[kinds.kind >= 0].sum())
        if length <= 0:
            continue
        on_all, on_slowest = seen.flights.on_all[rows], seen.flights.on_slowest[rows]
        bits = on_all * (length + _OWN_SHARE * float(crossing[kinds.kind < 0].sum())) + on_slowest
        least_ns, more = least_rtt_ns[which], _NEXT  # of several ways that is each connection's own already
        if seen.certain[which].all():
            least_ns, more = np.fmax(seen.flights.least_ns[rows], least_ns), _NEXT_ONE_WAY
        alike = (seen.flights.srtt_ns[rows] - least_ns) / NS_PER_S / bits  # 1/rate, were all links of the way alike
        usual, above = (float(one) for one in np.quantile(alike, (_LOW, more)))
        middle_all, middle_slowest = float(np.median(on_all)), float(np.median(on_slowest))
        whole = usual * (middle_all * length + middle_slowest)
        if whole < _HOST_S:
            continue
        crossings.append(crossing)
        scattered = _SCATTERED * float(np.log(max(above / usual, 1.0)))
        figures.append((middle_all, middle_slowest, whole, float(np.hypot(_ERROR, scattered))))
        counts.append(len(rows))
    columns = np.array(figures, dtype=np.float64).reshape(-1, 4)
    return _Equations(
        crossing=np.array(crossings, dtype=np.float64).reshape(-1, links),
        on_all=columns[:, 0],
        on_slowest=columns[:, 1],
        excess_s=columns[:, 2],
        error=columns[:, 3],
        flights=np.array(counts, dtype=np.int64),
    )


def _solved(
    equations: _Equations, members: Ints, likely_bps: Floats, told: Sequence[Told]
) -> tuple[Floats, Floats] | None:
    """ln(1/rate) of ``members`` and its standard deviation; None if nothing tells of any of them."""
    crossing = equations.crossing[:, members]
    rows = np.flatnonzero(crossing.sum(axis=1) > 0)
    where = {int(one): number for number, one in enumerate(members)}
    starts = []
    if len(rows):
        length = crossing[rows].sum(axis=1)
        starts = np.log(
            equations.excess_s[rows] / (equations.on_all[rows] * length + equations.on_slowest[rows])
        ).tolist()
    starts += [-float(np.log(one.rate_bps)) for one in told]
    if not starts:
        return None
    count = len(members)
    with np.errstate(divide="ignore"):
        most = -np.log(np.maximum(likely_bps[members], 1.0))
    x = np.minimum(np.full(count, float(np.quantile(starts, 0.4))), most)
    middle = float(np.mean(x))
    covariance = np.full(count, _KIND**2)
    if count > _MOST_LINKS:
        return x, np.full(count, max(_KIND, float(np.std(starts))))
    for _ in range(_ROUNDS):
        jacobian, left, weights = [], [], []
        for row in rows.tolist():
            gradient, predicted = _gradient(equations, row, crossing[row], x)
            residual = float(np.log(equations.excess_s[row])) - predicted
            jacobian.append(gradient)
            left.append(residual)
            weights.append(1 / float(equations.error[row]))
        for one in told:
            places = [where[link] for link in one.links]
            slowest = max(places, key=lambda place: x[place])
            gradient = np.zeros(count)
            gradient[slowest] = 1.0
            jacobian.append(gradient)
            left.append(-float(np.log(one.rate_bps)) - float(x[slowest]))
            weights.append(1 / max(one.error, 0.02))
        system = np.array(jacobian).reshape(-1, count) * np.array(weights)[:, None]
        normal = system.T @ system + np.eye(count) / _KIND**2
        wanted = system.T @ (np.array(left) * np.array(weights)) + (middle - x) / _KIND**2
        change = np.linalg.solve(normal, wanted)
        covariance = np.diag(np.linalg.inv(normal))
        before = x
        x = np.minimum(x + _STEP * np.clip(change, -1.0, 1.0), most)
        touched = system.any(axis=0) if len(system) else np.zeros(count, dtype=np.bool_)
        middle = float(np.mean(x[touched])) if touched.any() else float(np.mean(x))
        if np.allclose(before, x, atol=1e-3):
            break
    # Of a link that nothing crossed the middle one's own error is added to the scatter about it.
    return x, np.sqrt(covariance + _KIND**2 / max(len(starts), 1))


def _gradient(equations: _Equations, row: int, crossing: Floats, x: Floats) -> tuple[Floats, float]:
    """Of the logarithm of what the row comes to, and that logarithm."""
    inverse = np.exp(x) * (crossing > 0)
    slowest = int(np.argmax(inverse))
    part = equations.on_all[row] * crossing * inverse
    part[slowest] += equations.on_slowest[row] * inverse[slowest]
    total = float(part.sum())
    return part / total, float(np.log(total))
