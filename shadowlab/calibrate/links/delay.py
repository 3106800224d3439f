"""How long each direction takes without queues, from the least RTTs of many connections.

In: what was seen, what the map says of delays, how long a small frame takes to be sent.  Out: per direction a value,
and the RTTs that no set of delays explains.  Never: a delay below what light needs.

The least RTT of a connection is the sum of the delays of its way there and back, plus what hosts add: a stalled
process, a delayed acknowledgement, a queue that never emptied.  That error is never negative, so a row that lies above
its sum is trusted less the further it does, and one below it always: iteratively reweighted non-negative least squares
(Lawson and Hanson) above the floor, with the map's word and the likeness of a link's two directions as further rows.
RTTs alone cannot tell a link's directions apart where routes are symmetric; half of the round trip is each one's, then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shadowlab.calibrate.links.algebra.classes import Classes, classes_of
from shadowlab.calibrate.links.algebra.large import gram, not_negative
from shadowlab.calibrate.links.numbers import Flags, Floats, Ints
from shadowlab.calibrate.links.seen import Seen
from shadowlab.model.calibration import Finding, Value
from shadowlab.model.units import NS_PER_US, format_duration

ROW_NS = 20 * NS_PER_US
ROW_SHARE = 0.003
"""An RTT's own error: what hosts take at least, and a share of it."""
_CLEAR, _TAIL = 0.25, 2.0
"""Of connections that are spread over several ways this quantile of their least RTTs is taken for the ways' mean, if
the ninth decile lies more than so many times as far above the middle one as the first lies below it: on busy links half
of those that live for a moment never see an empty queue."""
_WAYS_APART = 0.1
"""How far one of several equal ways may be from their mean, a share of its RTT."""
_ROUNDS = 12
_CLEAN = 3.0
"""Rows that lie more than so many errors above their sum are trusted less and less."""
_STATED_SHARE, _STATED_NS = 0.1, 50 * NS_PER_US
_ALIKE_SHARE = 0.3
_ACCESS_SHARE, _ACCESS_DOUBT = 0.2, 0.3
"""An instance hangs near its router: without any word of the map its link is taken as this part of a usual one, give or
take the other."""
_UNEXPLAINED_SHARE, _UNEXPLAINED_NS = 0.1, 1000 * NS_PER_US
_MOST_NAMED = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class DelayPrior:
    """What is known beforehand, by direction, shape (D,): what the map states (NaN: nothing), by how much that may be
    off (a share), the time below which nothing can be, whether the link is an instance's own, the reverse direction's
    number, the link's number, and the time a small frame takes to be sent."""

    stated_ns: Floats
    doubt: Floats
    floor_ns: Floats
    access: Flags
    reverse: Ints
    link: Ints
    sending_ns: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Delays:
    """``values`` by direction; ``covariance`` (K, K) of those in ``places``; ``classes`` of links, by link number."""

    values: tuple[Value, ...]
    places: Ints
    covariance: Floats
    classes: Classes
    explained_ns: Floats
    """The RTT of each connection by these values, (C,); NaN where its ways are unknown."""
    findings: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Tellable:
    """A row of ``rows`` for each pair of instances: what it crosses, its RTT, that one's error, the connections; which
    links these rows tell apart, and which directions.  The same for all sending times."""

    rows: Floats
    rtts: Floats
    errors: Floats
    groups: Sequence[Sequence[int]]
    links: Classes
    directions: Classes


def tellable(seen: Seen, prior: DelayPrior, trusted: Flags) -> Tellable:
    """``trusted`` (C,) are the connections whose RTT is to be believed."""
    rows, rtts, errors, groups = _rows(seen, seen.forward + seen.back, trusted)
    merged = np.zeros((len(rows), int(prior.link.max(initial=-1)) + 1))
    for one in range(rows.shape[1]):
        merged[:, prior.link[one]] += rows[:, one]
    return Tellable(
        rows=rows, rtts=rtts, errors=errors, groups=groups, links=classes_of(merged), directions=classes_of(rows)
    )


def delays(seen: Seen, prior: DelayPrior, trusted: Flags, queued: Flags, told: Tellable | None = None) -> Delays:
    """``queued`` (C,) are the connections whose way leads through a queue: that their RTT is above the sum of its
    delays needs no other reason.  ``told``: what :func:`tellable` says of the same, where it is known already."""
    both = seen.forward + seen.back
    told = tellable(seen, prior, trusted) if told is None else told
    rows, rtts, errors, groups = told.rows, told.rtts, told.errors, told.groups
    classes, alone = told.links, told.directions
    sending = rows @ prior.sending_ns
    wanted = np.maximum(rtts - sending, 0.0)
    places = np.flatnonzero((rows > 1e-9).any(axis=0)) if len(rows) else np.zeros(0, dtype=np.int64)
    mean, deviation = _beforehand(prior, rows, wanted)
    if not len(places):
        return Delays(
            values=tuple(_unseen(prior, one, mean, deviation) for one in range(len(seen.directions))),
            places=places,
            covariance=np.zeros((0, 0)),
            classes=classes,
            explained_ns=np.full(len(seen.pairs), np.nan),
            findings=(),
        )
    solution, covariance, left = _solve(rows[:, places], wanted, errors, prior, places, mean, deviation)
    delay = mean.copy()
    delay[places] = solution
    last_ns = int(seen.last_ns.max(initial=0))
    crossing = (both[trusted] > 0).sum(axis=0) if trusted.any() else np.zeros(len(mean), dtype=np.int64)
    samples = (both[trusted] > 0).T.astype(np.int64) @ seen.records[trusted]
    where = {int(place): number for number, place in enumerate(places)}
    values = []
    for one in range(len(seen.directions)):
        if one not in where:
            values.append(_unseen(prior, one, mean, deviation))
            continue
        number = where[one]
        half = 2 * float(np.sqrt(covariance[number, number]))
        known = bool(classes.known[prior.link[one]] or alone.known[one])
        why = (
            "from least RTTs"
            if alone.known[one]
            else "half of the link's round trip: RTTs cannot tell its directions apart"
        )
        values.append(
            Value(
                value=float(delay[one]),
                low=max(float(delay[one]) - half, float(prior.floor_ns[one])),
                high=float(delay[one]) + half,
                standing="measured" if known else "unidentifiable",
                flows=int(crossing[one]),
                samples=int(samples[one]),
                seen_ns=last_ns,
                why=why if known else "only a sum with other links is known; divided by what was known beforehand",
            )
        )
    explained = both @ (delay + prior.sending_ns)
    explained[~seen.usable] = np.nan
    return Delays(
        values=tuple(values),
        places=places,
        covariance=covariance,
        classes=classes,
        explained_ns=explained,
        findings=tuple(_unexplained(seen, groups, left, rtts, queued)),
    )


def _rows(seen: Seen, both: Floats, trusted: Flags) -> tuple[Floats, Floats, Floats, list[list[int]]]:
    """One row for each pair of instances: what its connections cross, their RTT, its error, the connections."""
    groups: dict[tuple[str, str], list[int]] = {}
    for one in np.flatnonzero(trusted & np.isfinite(seen.least_rtt_ns)):
        source, target = seen.pairs[one]
        same = (target, source) in groups and np.allclose(both[groups[target, source][0]], both[one])
        groups.setdefault((target, source) if same else (source, target), []).append(int(one))
    rows, rtts, errors = [], [], []
    for members in groups.values():
        known = seen.least_rtt_ns[members]
        if seen.certain[members].all():
            rtt, error = float(known.min()), 0.0
        else:  # each took one of several ways, and many of them met a queue: ways differ both ways, queues only add
            rtt = _mean_way(known)
            error = _WAYS_APART * rtt
        rows.append(both[members[0]])
        rtts.append(rtt)
        errors.append(float(np.hypot(ROW_NS + ROW_SHARE * rtt, error)))
    empty = np.zeros((0, both.shape[1]))
    return np.array(rows) if rows else empty, np.array(rtts), np.array(errors), list(groups.values())


def _mean_way(least_ns: Floats) -> float:
    """The mean RTT of several equal ways, of which each connection took one."""
    low, middle, high = np.quantile(least_ns, (0.1, 0.5, 0.9))
    if high - middle > _TAIL * (middle - low):
        return float(np.quantile(least_ns, _CLEAR))
    return float(least_ns[least_ns <= high].mean())


def _beforehand(prior: DelayPrior, rows: Floats, wanted: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each direction before any RTT is looked at."""
    lengths = rows.sum(axis=1)
    usual = float(np.median(wanted[lengths > 0] / lengths[lengths > 0])) if (lengths > 0).any() else 1e6
    guess = np.where(prior.access, _ACCESS_SHARE * usual, usual)
    stated = np.isfinite(prior.stated_ns)
    mean = np.where(stated, np.nan_to_num(prior.stated_ns), guess)
    doubt = np.where(prior.access, _ACCESS_DOUBT * usual, usual)
    deviation = np.where(stated, np.maximum(prior.doubt * mean, _STATED_NS), doubt)
    return np.maximum(mean, prior.floor_ns), np.maximum(deviation, 1.0)


def _solve(
    rows: Floats,
    wanted: Floats,
    errors: Floats,
    prior: DelayPrior,
    places: Ints,
    mean: Floats,
    deviation: Floats,
) -> tuple[Floats, Floats, Floats]:
    """The delays of ``places``, their covariance, and what of each RTT is left over."""
    floor, own = prior.floor_ns[places], mean[places]
    where = {int(place): number for number, place in enumerate(places)}
    beforehand = np.diag(1 / deviation[places])
    alike = []
    for number, place in enumerate(places):
        other = where.get(int(prior.reverse[place]))
        if other is not None and number < other:
            row = np.zeros(len(places))
            weight = 1 / max(_ALIKE_SHARE * float(deviation[place]), 1.0)
            row[number], row[other] = weight, -weight
            alike.append(row)
    fixed = np.vstack([beforehand, *alike]) if alike else beforehand
    fixed_wanted = fixed @ own
    weights = 1 / errors
    solution = own
    for _ in range(_ROUNDS):
        system = np.vstack([rows * weights[:, None], fixed])
        target = np.concatenate([wanted * weights, fixed_wanted]) - system @ floor
        above = not_negative(system, target)
        before, solution = solution, floor + above
        over = np.maximum(wanted - rows @ solution, 0.0) / errors
        weights = np.where(over > _CLEAN, _CLEAN / np.maximum(over, _CLEAN), 1.0) ** 2 / errors
        if np.allclose(before, solution, rtol=1e-6, atol=10.0):
            break
    system = np.vstack([rows * weights[:, None], fixed])
    left = wanted - rows @ solution
    inflation = max(1.0, float(np.median(np.abs(left) / errors))) if len(left) else 1.0
    return solution, np.asarray(np.linalg.inv(gram(system)) * inflation**2), left


def _unseen(prior: DelayPrior, one: int, mean: Floats, deviation: Floats) -> Value:
    if not np.isfinite(prior.stated_ns[one]):
        return Value(why="nothing crossed it, and the map does not say")
    value, half = float(mean[one]), 2 * float(deviation[one])
    low = max(value - half, float(prior.floor_ns[one]))
    return Value(value=value, low=low, high=value + half, why="nothing crossed it: what the map says")


def _unexplained(
    seen: Seen, groups: Sequence[Sequence[int]], left: Floats, rtts: Floats, queued: Flags
) -> list[Finding]:
    """RTTs far from their sums: the pair went another way than the map says, or its hosts add to each RTT."""
    far = np.abs(left) > np.maximum(_UNEXPLAINED_SHARE * rtts, _UNEXPLAINED_NS)
    far &= ~((left > 0) & np.array([queued[list(one)].all() for one in groups], dtype=np.bool_))
    order = sorted(np.flatnonzero(far).tolist(), key=lambda one: -abs(float(left[one])))
    found = []
    for one in order[:_MOST_NAMED]:
        source, target = seen.pairs[groups[one][0]]
        more = f"{format_duration(round(abs(float(left[one]))))} {'above' if left[one] > 0 else 'below'}"
        others = f" (and {len(order) - _MOST_NAMED} more pairs)" if len(order) > _MOST_NAMED and one == order[0] else ""
        found.append(
            Finding(
                kind="contradicts the map",
                subject=f"{source}→{target}",
                message=f"its least RTT, {format_duration(round(float(rtts[one])))}, is {more} what the other pairs' "
                f"RTTs leave for its way: it takes another one, or its hosts add to every RTT{others}",
                effect="it weighs little in the delays",
                records=int(seen.records[list(groups[one])].sum()),
            )
        )
    return found
