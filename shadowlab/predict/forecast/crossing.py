"""When a forecast crosses a limit.

In: moments and values at quantiles of demand.  Out: when the limit is first broken, and between when and when that is
with 80 %.  Never: a moment beyond the horizon.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """Seconds from now.  ``expected`` is None if it is broken at the higher quantile of demand only; ``early`` and
    ``late`` are the ends of the 80 % interval, ``late`` None if it may also not be broken within the horizon."""

    early: float
    expected: float | None
    late: float | None


def first_crossing(
    seconds: Sequence[float], values: Sequence[float | None], limit: float, *, less_is_bad: bool = False
) -> float | None:
    """The first moment beyond the limit, straight between the points; None if there is none.  A value of None is one
    that nothing gets through at."""
    before: tuple[float, float] | None = None
    for moment, value in zip(seconds, values, strict=True):
        if value is None:
            return moment
        beyond = limit - value if less_is_bad else value - limit
        if beyond > 0:
            if before is None or before[1] == beyond:
                return moment
            share = -before[1] / (beyond - before[1])
            return before[0] + share * (moment - before[0])
        before = (moment, beyond)
    return None


def rising(pairs: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The nearest course that never falls, by least squares, through (demand, value) in the order of demand: pooling
    adjacent violators (Ayer et al. 1955).  What one run shows by chance, and runs of more demand do not, is averaged
    out."""
    pooled: list[tuple[float, int]] = []
    ordered = sorted(pairs)
    for _, value in ordered:
        total, count = value, 1
        while pooled and pooled[-1][0] / pooled[-1][1] >= total / count:
            before = pooled.pop()
            total, count = total + before[0], count + before[1]
        pooled.append((total, count))
    means = [total / count for total, count in pooled for _ in range(count)]
    return [(demand, mean) for (demand, _), mean in zip(ordered, means, strict=True)]


def breaking_demand(
    pairs: Sequence[tuple[float, float | None]], limit: float, *, less_is_bad: bool = False
) -> float | None:
    """The demand from which on a limit is broken, of (demand, value) in any order; a value of None is one that nothing
    gets through at.  None if it holds at all of them."""
    sign = -1.0 if less_is_bad else 1.0
    cut = min((demand for demand, value in pairs if value is None), default=None)
    course = rising([(demand, sign * value) for demand, value in pairs if value is not None])
    found = first_crossing([one[0] for one in course], [one[1] for one in course], sign * limit)
    known = [one for one in (cut, found) if one is not None]
    return min(known, default=None)


def crossing(
    seconds: Sequence[float],
    by_quantile: Mapping[float, Sequence[float | None]],
    limit: float,
    *,
    less_is_bad: bool = False,
) -> Crossing | None:
    """Of the lowest, middle and highest of the quantiles; None if not even the highest demand breaks the limit."""
    found = [
        first_crossing(seconds, by_quantile[quantile], limit, less_is_bad=less_is_bad)
        for quantile in sorted(by_quantile)
    ]
    known = [one for one in found if one is not None]
    if not known:
        return None
    expected, late = found[len(found) // 2], found[0]
    if expected is not None and late is not None:
        late = max(late, expected)
    return Crossing(early=min(known), expected=expected, late=late)
