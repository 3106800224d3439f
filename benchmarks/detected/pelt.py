"""A peer: change points of a whole series at once by PELT with a Poisson cost.

In: values.  Out: the rows at which a segment begins, the first left out.  Never: online; it sees the end first.

R. Killick, P. Fearnhead, I. A. Eckley, "Optimal detection of changepoints with a linear computational cost", JASA 2012;
the cost is twice the negative log-likelihood of a Poisson variable with the segment's mean, of the values less the
least one, rounded; the penalty is the leading term of MBIC, three times the logarithm of the number of samples.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LEAST = 2


def segmented(values: NDArray[np.float64]) -> list[int]:
    """Where segments begin, ascending; missing values and timeouts count as the value before."""
    held = np.where(np.isfinite(values) & (values > 0), values, np.nan)
    place = np.maximum.accumulate(np.where(np.isnan(held), 0, np.arange(len(held))))
    counts = np.rint(np.nan_to_num(held[place], nan=np.nanmedian(held)))
    counts -= counts.min() - 1
    total = np.concatenate(([0.0], np.cumsum(counts)))
    penalty, size = 3 * np.log(len(values)), len(values)
    cost, before = np.full(size + 1, np.inf), np.zeros(size + 1, dtype=np.int64)
    cost[0] = -penalty
    open_from = np.array([0])
    for end in range(_LEAST, size + 1):
        many, sums = end - open_from, total[end] - total[open_from]
        each = cost[open_from] + 2 * sums * (1 - np.log(sums / many))
        best = int(each.argmin())
        cost[end], before[end] = each[best] + penalty, open_from[best]
        open_from = np.append(open_from[each <= cost[end]], end - _LEAST + 1)
    found: list[int] = []
    at = int(before[size])
    while at > 0:
        found.append(at)
        at = int(before[at])
    return found[::-1]
