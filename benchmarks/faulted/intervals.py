"""Intervals of 95 % for shares, medians and rates, and how well probabilities are calibrated.

In: counts, samples.  Out: numbers.  Never: chance that is not seeded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

_Z = 1.959964
BINS = (0.0, 0.5, 0.7, 0.9, 0.99, 1.0)


def wilson(right: int, of: int) -> tuple[float, float]:
    """Of a share (E. B. Wilson, 1927); (0, 1) of nothing."""
    if not of:
        return 0.0, 1.0
    share, square = right / of, _Z * _Z / of
    middle = (share + square / 2) / (1 + square)
    half = _Z * math.sqrt(share * (1 - share) / of + square / (4 * of)) / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """By drawing with replacement, a thousand times, from a fixed seed.  Raises ValueError for no values."""
    if not values:
        raise ValueError("no values have no median")
    some = np.asarray(values, dtype=np.float64)
    drawn = np.median(some[np.random.default_rng(0).integers(len(some), size=(1000, len(some)))], axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(low), float(high)


def rate_interval(events: int, exposure: float) -> tuple[float, float]:
    """Of a Poisson rate per unit of exposure, exact (Garwood 1936) up to the approximation of the chi-square quantile
    by Wilson and Hilferty (1931).  Raises ValueError for no exposure."""
    if exposure <= 0:
        raise ValueError("a rate needs an exposure above zero")
    low = _gamma_quantile(events, -_Z) if events else 0.0
    return low / exposure, _gamma_quantile(events + 1, _Z) / exposure


def _gamma_quantile(shape: int, z: float) -> float:
    return shape * max(0.0, 1 - 1 / (9 * shape) + z / (3 * math.sqrt(shape))) ** 3


def calibration(stated: Sequence[float], came: Sequence[bool]) -> tuple[float, float, list[tuple[float, int, int]]]:
    """Brier score, expected calibration error over :data:`BINS`, and of each bin that holds something the mean stated
    probability, how many claims, how many of them right.  (0, 0, []) of nothing."""
    if not stated:
        return 0.0, 0.0, []
    said, true = np.asarray(stated, dtype=np.float64), np.asarray(came, dtype=np.float64)
    place = np.clip(np.digitize(said, BINS[1:-1]), 0, len(BINS) - 2)
    bins, error = [], 0.0
    for number in range(len(BINS) - 1):
        inside = place == number
        count = int(inside.sum())
        if count:
            mean, right = float(said[inside].mean()), int(true[inside].sum())
            error += count / len(said) * abs(mean - right / count)
            bins.append((mean, count, right))
    return float(np.mean((said - true) ** 2)), error, bins
