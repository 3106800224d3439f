"""Whether what was seen is what chance would show.

In: counts and samples.  Out: intervals, distances, their critical values.  Never: a normal approximation for counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shadowlab.monitor.linktest.chance import allowed

HALF_DOUBT = 0.025
TOGETHER = 0.05
"""Of tests that belong together, the chance that honest samples fail any: each of ten is held to a tenth of it."""


def binomial_interval(count: int, share: float) -> tuple[int, int]:
    """The counts that a share of ``count`` trials comes to in 95 % of cases, by the exact distribution."""
    return allowed(count, share, HALF_DOUBT)


def least_inside(cells: int, coverage: float = 0.95) -> int:
    """So many of ``cells`` honest intervals hold at the least, in 97.5 % of cases."""
    return allowed(cells, coverage, HALF_DOUBT)[0]


def ks_distance(samples: NDArray[Any], distribution: Callable[[NDArray[Any]], NDArray[Any]]) -> float:
    """The greatest distance between the share of samples below a value and the distribution's (Kolmogorov-Smirnov)."""
    ordered = np.sort(samples)
    expected = distribution(ordered)
    count = len(ordered)
    above = np.arange(1, count + 1) / count - expected
    below = expected - np.arange(count) / count
    return float(max(above.max(), below.max()))


def ks_critical(count: int, doubt: float = 0.05) -> float:
    """The distance that samples of the distribution itself exceed with a chance of ``doubt`` (asymptotic)."""
    return math.sqrt(-0.5 * math.log(doubt / 2) / count)


def share_of(count: int, cells: int) -> float:
    """A share, for tables."""
    return count / cells if cells else math.nan


def runs_of(lost: NDArray[Any]) -> NDArray[Any]:
    """Lengths of the bursts in a series of "was lost"."""
    edges = np.diff(np.concatenate([[0], lost.astype(np.int8), [0]]))
    return np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)
