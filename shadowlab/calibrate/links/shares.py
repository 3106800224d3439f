"""Shares of packets that something befell, per direction, from counts of connections that crossed several.

In: counts, how many packets they are counts of, and what each connection crossed.  Out: a rate for each direction, how
many events are its own, and its interval.  Never: a logarithm of a share that nothing was counted for.

−ln(1 − share) adds along a way.  With small shares the count of a connection is Poisson with mean n · Σ a·λ, whose
likelihood the EM iteration raises at each step (Shepp and Vardi's for tomography: each event is given to the directions
in proportion to what each would cause).  Faults are few: a penalty of ½·ln(λ + ε) per direction, some events in size,
lets those directions win that explain many connections at once, and the others fall to zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from shadowlab.calibrate.links.algebra.classes import Classes, classes_of
from shadowlab.calibrate.links.algebra.large import Matrix, quick
from shadowlab.calibrate.links.numbers import Flags, Floats, Ints

_PLAIN_ROUNDS = 50
_SPARSE_ROUNDS = 400
PENALTY_EVENTS = 1.5
"""So many events a direction must explain that no other one can, before it counts: about BIC's price of a parameter."""
_NOTHING = 1e-7
_WORTH_ASKING = 3.0
FAULT_PRICE = 3.0
"""In units of log-likelihood: one more lossy direction must make the counts twenty times as likely."""
_RIVAL = 0.2
"""A direction that can have this part of another one's rate may have caused a part of its events."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Shares:
    """By direction, shape (D,): the share, its interval (95 %), the events given to it, the packets that crossed it,
    how many connections did, and whether no other direction can have caused its events."""

    share: Floats
    low: Floats
    high: Floats
    events: Floats
    packets: Floats
    connections: Ints
    known: Flags


def shares(counts: Floats, packets: Floats, crossed: Floats) -> Shares:
    """``counts`` and ``packets`` (C,), ``crossed`` (C, D) from 0 to 1; rows without packets count for nothing."""
    used = (packets > 0) & np.isfinite(counts)
    kept, total, crossing = counts[used], packets[used], crossed[used]
    directions = crossed.shape[1]
    exposure = crossing.T @ total
    places = np.flatnonzero(exposure > 0)
    rate, events = np.zeros(directions), np.zeros(directions)
    if len(places):
        # Directions that the same connections cross alike share one rate: else they would compete, and all might fall.
        columns, which, sizes = np.unique(
            np.round(crossing[:, places], 9), axis=1, return_inverse=True, return_counts=True
        )
        which = which.reshape(-1)
        together, own = _solve(kept, columns, columns.T @ total)
        rate[places], events[places] = (together / sizes)[which], (own / sizes)[which]
    low, high = np.zeros(directions), np.ones(directions)
    for one in places:
        low[one] = chi2.ppf(0.025, 2 * events[one]) / 2 / exposure[one] if events[one] >= 1 else 0.0
        high[one] = chi2.ppf(0.975, 2 * events[one] + 2) / 2 / exposure[one]
    most = _most(kept, total, crossing)
    known = np.zeros(directions, dtype=np.bool_)
    seen: dict[tuple[int, ...], Classes] = {}  # most directions lost nothing, and have the same rivals: all
    for one in places:
        rivals = tuple(places[(places == one) | (most[places] >= _RIVAL * rate[one])].tolist())
        if rivals not in seen:
            seen[rivals] = classes_of(crossing[:, rivals])
        known[one] = seen[rivals].known[rivals.index(int(one))] or (
            events[one] >= _WORTH_ASKING and _indispensable(int(one), kept, total, crossing, rate)
        )
        if not known[one]:
            low[one], high[one] = 0.0, max(float(most[one]), float(high[one]))
    return Shares(
        share=-np.expm1(-rate),
        low=-np.expm1(-low),
        high=-np.expm1(-high),
        events=events,
        packets=exposure,
        connections=np.asarray((crossing > 0).sum(axis=0)),
        known=known,
    )


def _indispensable(one: int, counts: Floats, packets: Floats, crossing: Floats, rate: Floats) -> bool:
    """Whether the others would explain the counts clearly worse without this direction: less likely, or by more faults
    at once.  Of two explanations of about the same worth neither is."""
    without = crossing.copy()
    without[:, one] = 0.0
    alike = np.all(np.isclose(crossing, crossing[:, [one]], atol=1e-9), axis=0)
    if alike.sum() > 1:
        return False
    exposure = without.T @ packets
    places = np.flatnonzero(exposure > 0)
    columns = np.unique(np.round(without[:, places], 9), axis=1)
    other, _ = _solve(counts, columns, columns.T @ packets)
    return _worth(counts, packets, crossing, rate) > _worth(counts, packets, columns, other) + FAULT_PRICE


def _worth(counts: Floats, packets: Floats, crossing: Floats, rate: Floats) -> float:
    """Log-likelihood less the price of the directions it takes."""
    expected = np.maximum(packets * (crossing @ rate), 1e-9)
    return float((counts * np.log(expected) - expected).sum()) - FAULT_PRICE * int((rate > _NOTHING).sum())


def _most(counts: Floats, packets: Floats, crossing: Floats) -> Floats:
    """The highest rate (at 97.5 %) that each direction can have: that of the cleanest way across it, whole."""
    most = np.ones(crossing.shape[1])
    ways, which = np.unique(np.round(crossing, 9), axis=0, return_inverse=True)
    which = which.reshape(-1)
    for number, way in enumerate(ways):
        rows = which == number
        bound = chi2.ppf(0.975, 2 * counts[rows].sum() + 2) / 2 / packets[rows].sum()
        crossed = way > 0
        most[crossed] = np.minimum(most[crossed], bound / way[crossed])
    return most


def _solve(counts: Floats, matrix: Floats, exposure: Floats) -> tuple[Floats, Floats]:
    crossing: Matrix = quick(matrix)
    start = counts.sum() / max(float(exposure.sum()), 1e-12)
    rate = np.full(len(exposure), max(start, _NOTHING))
    given = np.zeros(len(exposure))
    for number in range(_PLAIN_ROUNDS + _SPARSE_ROUNDS):
        expected = np.maximum(crossing @ rate, 1e-15)
        given = rate * (crossing.T @ (counts / expected))
        penalty = PENALTY_EVENTS * rate / (rate + _NOTHING) if number >= _PLAIN_ROUNDS else 0.0
        before, rate = rate, np.maximum(given - penalty, 0.0) / exposure
        if number > _PLAIN_ROUNDS and np.allclose(before, rate, rtol=1e-5, atol=1e-10):
            break
    kept = rate > _NOTHING
    if kept.any():  # without the penalty once more, on what it left: it selects, it does not shrink
        rate = np.where(kept, rate, 0.0)
        for _ in range(_PLAIN_ROUNDS):
            expected = np.maximum(crossing @ rate, 1e-15)
            given = rate * (crossing.T @ (counts / expected))
            rate = given / exposure
        return rate, given
    return np.zeros_like(rate), np.zeros_like(rate)
