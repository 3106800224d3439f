"""Demand over time, at even steps.

In: moments and values as somebody recorded them.  Out: a series whose missing steps are NaN; gaps filled, level changes
undone, so that a model sees one course.  Never: a value invented without being counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DAY_S = 86_400
LEAST_VALUES = 24
_MOST_STEPS = 200_000
_CLEARER = 0.7
"""A step explains what no trend does if it leaves at most so much of the trend's mean error."""


@dataclass(frozen=True, kw_only=True, eq=False)
class DemandSeries:
    """``values`` has shape (N,), one for each step of ``step_s`` from ``start_s`` (Unix time) on, NaN where there is
    none."""

    name: str
    start_s: float
    step_s: float
    values: Floats

    @property
    def end_s(self) -> float:
        """The end of the last step."""
        return self.start_s + self.step_s * len(self.values)

    def period(self, seconds: float) -> int:
        """So many steps, at least one."""
        return max(1, round(seconds / self.step_s))


@dataclass(frozen=True, kw_only=True, eq=False)
class Steady:
    """A series made whole.  ``ratio`` is by how much what lies before ``changed_at`` (a step, None if none) was
    multiplied to bring it to the present level."""

    values: Floats
    filled: int
    changed_at: int | None
    ratio: float


def regular(name: str, times_s: Floats, values: Floats, step_s: float | None = None) -> DemandSeries:
    """Means over even steps.  Without ``step_s`` it is the median distance of the moments.

    Raises ValueError for fewer than :data:`LEAST_VALUES` values, or moments that make too many steps.
    """
    order = np.argsort(times_s, kind="stable")
    times, sorted_values = times_s[order], values[order]
    seen = np.isfinite(times) & np.isfinite(sorted_values)
    times, sorted_values = times[seen], sorted_values[seen]
    if len(times) < LEAST_VALUES:
        raise ValueError(f"series {name} has {len(times)} values; at least {LEAST_VALUES} are needed to learn from")
    if (sorted_values < 0).any():
        raise ValueError(f"series {name} has a value below zero: demand has none")
    gaps = np.diff(times)
    gaps = gaps[gaps > 0]
    if not gaps.size:
        raise ValueError(f"series {name}: all values are of one moment")
    step = float(np.median(gaps)) if step_s is None else step_s
    start = float(np.floor(times[0] / step) * step)
    place = np.floor((times - start) / step + 1e-6).astype(np.int64)
    if place[-1] >= _MOST_STEPS:
        raise ValueError(
            f"series {name} would have {place[-1] + 1} steps of {step:g} s; at most {_MOST_STEPS} are read"
        )
    sums = np.bincount(place, weights=sorted_values)
    counts = np.bincount(place)
    means = np.full(len(counts), np.nan)
    means[counts > 0] = sums[counts > 0] / counts[counts > 0]
    return DemandSeries(name=name, start_s=start, step_s=step, values=means)


def steady(values: Floats, period: int) -> Steady:
    """Gaps filled by what the same phase of the period was around them, and the last lasting change of level undone.

    ``period`` is the season in steps.  A level change is told from a trend by what each leaves unexplained.
    """
    whole, filled = _filled(values, period)
    changed_at, ratio = _level_change(whole, period)
    if changed_at is not None:
        whole = np.concatenate([whole[:changed_at] * ratio, whole[changed_at:]])
    return Steady(values=whole, filled=filled, changed_at=changed_at, ratio=ratio)


def _filled(values: Floats, period: int) -> tuple[Floats, int]:
    missing = np.isnan(values)
    if not missing.any():
        return values.copy(), 0
    whole = values.copy()
    seen = np.flatnonzero(~missing)
    for index in np.flatnonzero(missing):
        around = [index + turn * period for turn in (-1, 1, -2, 2)]
        known = [values[one] for one in around if 0 <= one < len(values) and not np.isnan(values[one])]
        whole[index] = np.mean(known[:2]) if known else np.interp(index, seen, values[seen])
    return whole, int(missing.sum())


def _level_change(values: Floats, period: int) -> tuple[int | None, float]:
    """Where the last lasting change is, and the ratio of the level after it to that before."""
    count = len(values)
    least = max(6, period // 2)
    if count < 2 * least + period:
        return None, 1.0
    phases = np.arange(count) % period
    profile = np.array([np.median(values[phases == phase]) for phase in range(min(period, count))])
    left = values - profile[phases]
    x = np.arange(count)
    slope = theil_sen(left)
    of_trend = left - slope * x
    of_trend = of_trend - np.median(of_trend)
    sums = np.abs(np.cumsum(left - left.mean()))[least : count - least]
    place = int(np.argmax(sums)) + least + 1
    before, after = left[:place], left[place:]
    of_step = np.concatenate([before - np.median(before), after - np.median(after)])
    effect = abs(np.median(after) - np.median(before))
    noise = 1.4826 * np.median(np.abs(of_step))
    clear = np.abs(of_step).mean() < _CLEARER * np.abs(of_trend).mean()
    if not clear or effect < 3 * noise or effect < 0.05 * abs(values.mean()):
        return None, 1.0
    ratios = [
        np.median(values[place:][phases[place:] == phase]) / np.median(values[:place][phases[:place] == phase])
        for phase in np.unique(phases[place:])
        if (phases[:place] == phase).any() and np.median(values[:place][phases[:place] == phase]) > 0
    ]
    return (place, float(np.median(ratios))) if ratios else (None, 1.0)


def theil_sen(values: Floats, most: int = 300) -> float:
    """The median slope, per step, over pairs half the series apart and less (Theil 1950, Sen 1968), of at most ``most``
    evenly chosen points."""
    index = np.unique(np.linspace(0, len(values) - 1, min(most, len(values))).astype(np.int64))
    rows, columns = np.triu_indices(len(index), k=max(1, len(index) // 10))
    if not len(rows):
        return 0.0
    slopes = (values[index[columns]] - values[index[rows]]) / (index[columns] - index[rows])
    return float(np.median(slopes))
