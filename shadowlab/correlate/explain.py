"""What accounts for a change in production: nothing but its demand, a few links, or a shadow that is wrong everywhere?

In: per path and indicator how production changed, what shadows predict, and how sure that is; which links paths cross.
Out: hypotheses with their fit and price, the best first.  Never: a choice by fit alone.

All accounts are held against the same data, production's change from before to after, in units of its noise::

    the demand alone        what a shadow of a sound network under today's demand changed by
    the scenario's events   what the shadow that replayed them changed by
    a few links             the first, and an excess of delay or loss on each of up to MOST_LINKS directions
    one factor              the first, and for an indicator a multiple of its value, or the same amount, on all paths
    each path by itself     the first, and an amount of its own for each path and indicator

A deviation counts at most :data:`MOST_DEVIATION` squared, so that one wild value does not decide.  A parameter costs
log(values) (Schwarz 1978); choosing k of M links costs twice the logarithm of the number of choices on top (Chen and
Chen 2008), since with many links one fits by chance.  A fault is sparse in links; drift of the shadow is dense.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shadowlab.model.verdict import Hypothesis

BASE = "base_rtt_ms"
"""The least round-trip time: of the way itself, without queues."""
ADDITIVE = ("retransmission_share", BASE, "srtt_ms")
"""Indicators that grow by what each link of a way adds; what a link loses comes first, for losses drain its queue."""
_SIZES: Mapping[str, str] = {
    "retransmission_share": "{:+.2%} retransmitted",
    BASE: "{:+.3g} ms",
    "srtt_ms": "{:+.3g} ms waiting",
}
MOST_LINKS = 3
MOST_DEVIATION = 10.0
MOST_FACTOR = 3.0
"""What grows by more than this times itself all over is no drift."""
CLEAR = 6.0
"""By how much the best account must beat the best of another verdict: strong evidence (Kass and Raftery 1995)."""
_NOTABLE = 2.0

DEMAND, EVENTS, LINKS, FACTOR, EACH = (
    "the demand alone",
    "the scenario's events",
    "a few links",
    "one factor",
    "each path by itself",
)


@dataclass(frozen=True, kw_only=True)
class Change:
    """Of one indicator on one path, from before to after: production's, and what the two shadows changed by.

    ``replayed`` is NaN where no events were replayed.  ``noise`` is that of the difference between production's change
    and a right prediction of it; ``level`` the shadow's value before (of a least round-trip time, production's).
    """

    path: str
    kpi: str
    production: float
    demand: float
    replayed: float
    noise: float
    level: float
    scatter: float = 0.0
    calm: float = 0.0
    """Production's own part of the noise, and its value before."""


@dataclass(frozen=True, kw_only=True)
class Explained:
    """``hypotheses`` by rising BIC; ``suspects`` are the directions (or classes of them) of the account by links."""

    hypotheses: tuple[Hypothesis, ...]
    suspects: tuple[str, ...]

    @property
    def best(self) -> Hypothesis:
        """The account with the least BIC."""
        return self.hypotheses[0]

    @property
    def margin(self) -> float:
        """By how much it beats the best account of another verdict."""
        others = [one.bic for one in self.hypotheses if one.verdict != self.best.verdict]
        return min(others) - self.best.bic if others else math.inf


Ways = Mapping[str, tuple[str, ...]]
"""By path, the directions that it crosses, by name; of the way back those of the reversed path."""
_Floats = NDArray[np.float64]


def explain(changes: Sequence[Change], ways: Ways, *, moved: bool) -> Explained:
    """``moved``: whether production left its baseline at all.  Raises ValueError without a single change."""
    if not changes:
        raise ValueError("nothing is known before and after")
    noise = np.array([one.noise for one in changes])
    left = np.array([one.production - one.demand for one in changes])
    price = math.log(max(2, len(changes)))
    found = [
        Hypothesis(name=DEMAND, verdict="demand moved" if moved else "confirmed", bic=_misfit(left / noise)),
    ]
    replayed = np.array([one.production - one.replayed for one in changes])
    if np.isfinite(replayed).all():
        found.append(Hypothesis(name=EVENTS, verdict="confirmed", bic=_misfit(replayed / noise)))
    sparse, suspects = _few_links(changes, ways, left, noise, price)
    if sparse is not None:
        found.append(sparse)
    factor = _one_factor(changes, left, noise, price)
    if factor.parameters:
        found.append(factor)
    found.append(Hypothesis(name=EACH, verdict="shadow drifted", bic=price * len(changes)))
    # Of accounts that fit alike the plainer one stands first.
    found.sort(key=lambda one: (round(one.bic, 6), len(one.parameters)))
    return Explained(hypotheses=tuple(found), suspects=suspects)


def _misfit(deviations: _Floats) -> float:
    return float(np.minimum(deviations**2, MOST_DEVIATION**2).sum())


# --- a few links -----------------------------------------------------------------------------------------------------


def _few_links(
    changes: Sequence[Change], ways: Ways, left: _Floats, noise: _Floats, price: float
) -> tuple[Hypothesis | None, tuple[str, ...]]:
    """Greedy: the class of directions that explains most, then the next, as long as it is worth its price."""
    crossing, classes, columns = _classes(changes, ways)
    if not classes:
        return None, ()
    indicator = np.array([one.kpi for one in changes])
    rows_of = {name: np.flatnonzero(indicator == name) for name in ADDITIVE}
    carried = ~np.isin(indicator, ADDITIVE)
    best = math.inf
    parameters: tuple[str, ...] = ()
    chosen: tuple[str, ...] = ()
    picked: list[int] = []
    for _ in range(min(MOST_LINKS, len(classes))):
        tried = {
            one: _fit([*picked, one], columns, rows_of, carried, left, noise, price)
            for one in range(len(classes))
            if one not in picked
        }
        pick = min(tried, key=lambda one: (tried[one][0], classes[one]))
        misfit, sizes = tried[pick]
        picked.append(pick)
        ways_to_choose = 2 * math.log(math.comb(len(classes), len(picked)))
        if misfit + ways_to_choose >= best:
            break
        best = misfit + ways_to_choose
        named = {
            _name(classes[one], crossing, changes, kpis): kpis for one, kpis in zip(picked, sizes, strict=True) if kpis
        }
        parameters = tuple(f"{name}: {' and '.join(kpis.values())}" for name, kpis in named.items())
        chosen = tuple(named)
    # Without a link this is the demand's account again, and is no rival of it.
    return Hypothesis(name=LINKS, verdict="network broke", bic=best, parameters=parameters) if chosen else None, chosen


def _classes(changes: Sequence[Change], ways: Ways) -> tuple[Mapping[str, list[int]], list[list[str]], _Floats]:
    """By direction the values that it could have raised; directions that could have raised the same ones, together; a
    column of zeros and ones for each such class."""
    crossing: dict[str, list[int]] = {}
    for row, one in enumerate(changes):
        source, _, target = one.path.partition("→")
        there = ways.get(one.path, ())
        back = ways.get(f"{target}→{source}", ()) if one.kpi in (BASE, "srtt_ms") else ()
        for direction in sorted({*there, *back}):
            crossing.setdefault(direction, []).append(row)
    classes: dict[tuple[int, ...], list[str]] = {}
    for direction in sorted(crossing):
        classes.setdefault(tuple(crossing[direction]), []).append(direction)
    columns = np.zeros((len(changes), len(classes)))
    for place, rows in enumerate(classes):
        columns[list(rows), place] = 1.0
    return crossing, list(classes.values()), columns


def _name(
    some: Sequence[str], crossing: Mapping[str, list[int]], changes: Sequence[Change], kpis: Mapping[str, str]
) -> str:
    """All directions that these indicators, which alone speak here, cannot tell from these."""
    wanted = [row for row in crossing[some[0]] if changes[row].kpi in kpis]
    alike = [one for one, rows in crossing.items() if [row for row in rows if changes[row].kpi in kpis] == wanted]
    return " or ".join(sorted(alike))


def _fit(
    picked: Sequence[int],
    columns: _Floats,
    rows_of: Mapping[str, NDArray[np.intp]],
    carried: NDArray[np.bool_],
    left: _Floats,
    noise: _Floats,
    price: float,
) -> tuple[float, list[dict[str, str]]]:
    """Misfit and price of an excess on these classes, per additive indicator; and the sizes in words, by indicator.

    ``rows_of`` are the rows of each such indicator, ``carried`` (N,) says which rows are of none.
    """
    rest, parameters = left.copy(), 0
    sizes: list[dict[str, str]] = [{} for _ in picked]
    places = np.array(picked, dtype=np.intp)
    lossy = np.zeros(len(picked), dtype=np.bool_)
    for kpi, rows in rows_of.items():
        if not len(rows):
            continue
        matrix = columns[np.ix_(rows, places)] / noise[rows, None]
        drained = lossy if kpi == "srtt_ms" else np.zeros_like(lossy)
        excess = _not_negative(matrix, left[rows] / noise[rows], but=drained)
        for place, size in enumerate(excess):
            strength = abs(size) * math.sqrt(float((matrix[:, place] ** 2).sum()))
            if strength > math.sqrt(price):  # what is not worth its price is left out
                rest[rows] -= columns[rows, picked[place]] * size
                parameters += 1
                lossy[place] |= kpi == "retransmission_share"
                sizes[place][kpi] = _SIZES[kpi].format(size)
    hit = (columns[:, places] > 0).any(axis=1)
    fell = carried & hit & (rest < -_NOTABLE * noise)  # by an amount that no formula here tells
    rest[fell] = 0.0
    parameters += int(fell.sum())
    return _misfit(rest / noise) + price * parameters, sizes


def _not_negative(matrix: _Floats, wanted: _Floats, *, but: NDArray[np.bool_], rounds: int = 50) -> _Floats:
    """Least squares with no value below zero ``but`` for these, one value after the other until none moves (there are
    at most three)."""
    found = np.zeros(matrix.shape[1])
    squares = (matrix**2).sum(axis=0)
    for _ in range(rounds):
        before = found.copy()
        for place in np.flatnonzero(squares > 0):
            others = wanted - matrix @ found + matrix[:, place] * found[place]
            size = float(matrix[:, place] @ others) / squares[place]
            found[place] = size if but[place] else max(0.0, size)
        if np.allclose(found, before, rtol=1e-9, atol=0.0):
            break
    return found


# --- one factor ------------------------------------------------------------------------------------------------------


def _one_factor(changes: Sequence[Change], left: _Floats, noise: _Floats, price: float) -> Hypothesis:
    """For each indicator nothing, a multiple of its value, or one amount, whatever is cheapest."""
    total, parameters = 0.0, []
    for kpi in sorted({one.kpi for one in changes}):
        rows = np.flatnonzero([one.kpi == kpi for one in changes])
        wanted, scale = left[rows] / noise[rows], noise[rows]
        level = np.array([one.level for one in changes])[rows] / scale
        choices = [(_misfit(wanted), "")]
        for column, words in ((level, "{:+.0%} of its value on every path"), (1 / scale, "{:+.3g} on every path")):
            square = float(column @ column)
            if square > 0:
                size = float(column @ wanted) / square
                if column is level and abs(size) > MOST_FACTOR:
                    continue
                cost = _misfit(wanted - column * size) + price + 2 * math.log(2)
                choices.append((cost, f"{kpi}: {words.format(size)}"))
        best = min(choices, key=lambda one: one[0])
        total += best[0]
        parameters += [best[1]] if best[1] else []
    return Hypothesis(name=FACTOR, verdict="shadow drifted", bic=total, parameters=tuple(parameters))
