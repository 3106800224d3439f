"""How much a mean would differ if the same network ran again under the same demand.

In: a series.  Out: the standard error of its mean.  Never: an error of one sample taken for that of a mean.

Successive windows are alike, so their deviation over the root of their number is too small.  Means of a few long
batches hardly depend on each other (batch means: Law and Kelton, Simulation Modeling and Analysis, 9.5.3).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

BATCHES = 5
LEAST_BATCHES = 2
GAUSSIAN_HALF = 0.6744897501960817
"""Half of all deviations of a normal distribution are smaller than this share of its standard deviation."""


def batch_error(values: NDArray[np.float64]) -> float:
    """Of the mean of ``values``, NaN left out; NaN itself where there are fewer than :data:`LEAST_BATCHES` values."""
    known = values[np.isfinite(values)]
    count = min(BATCHES, len(known))
    if count < LEAST_BATCHES:
        return math.nan
    means = [float(part.mean()) for part in np.array_split(known, count)]
    return float(np.std(means, ddof=1)) / math.sqrt(count)


def typical_difference(error: float) -> float:
    """What two such means differ by, half of the time less and half of the time more."""
    return math.sqrt(2.0) * GAUSSIAN_HALF * error
