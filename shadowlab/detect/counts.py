"""Loss is a count: few probes a second, mostly none lost.

In: the share lost per window, how many were sent, the baseline's share.  Out: a z-score.  Never: a Gaussian on a rate.

With 5 probes a second one lost probe is a loss of 20 % for that second.  So the counts of a longer trailing window are
added up and compared with what the baseline lets expect, by the signed root of the Poisson likelihood ratio, which is
close to normal already for an expected count of a tenth (McCullagh & Nelder, Generalized Linear Models, 2.3.4)::

    z = sqrt(2 (k ln(k / e) - (k - e)))        k lost, e expected, z = 0 where k <= e
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LEAST_EXPECTED_SHARE = 0.001
"""A loss of 0.1 % is expected of any path: a baseline of minutes cannot prove less."""


def trailing_sum(values: Array, length: int) -> Array:
    """The sum of the last ``length`` rows up to each row, shape (T, S); NaN counts as nothing."""
    total = np.cumsum(np.where(np.isfinite(values), values, 0.0), axis=0)
    result = total.copy()
    if length < len(total):
        result[length:] -= total[:-length]
    return result


def count_zscore(loss: Array, sent: Array, expected: Array, *, lengths: Sequence[int], hold: int) -> Array:
    """The largest z over trailing windows of each of ``lengths`` rows; shapes (T, S), ``expected`` (S,).

    A window counts only if it holds ``hold`` rows with loss (or is all loss): one burst is no lossy path.
    """
    seen = np.isfinite(loss)
    lost = np.where(seen, loss * sent, 0.0)
    sent = np.where(seen, sent, 0.0)
    best = np.zeros_like(lost)
    for length in lengths:
        k = trailing_sum(lost, length)
        e = np.maximum(trailing_sum(sent, length) * expected, 1e-9)
        ratio = k * np.log(np.maximum(k, 1e-9) / e) - (k - e)
        z = np.where(k > e, np.sqrt(2 * np.maximum(ratio, 0.0)), 0.0)
        spread_out = trailing_sum((lost > 1e-9).astype(np.float64), length) >= min(hold, length) - 0.5
        best = np.maximum(best, np.where(spread_out, z, 0.0))
    return np.where(seen, best, np.nan)


def first_loss_row(loss: Array, row: int, *, lengths: Sequence[int]) -> int:
    """Where the loss that was noticed at ``row`` began: the first lossy row of the longest trailing window, shape (T,).

    Lossy rows that are farther apart than the shortest window do not belong together.
    """
    reach, gap = max(lengths), min(lengths)
    begin = row
    for earlier in range(row, max(row - reach, -1), -1):
        if np.isfinite(loss[earlier]) and loss[earlier] > 0:
            if begin - earlier > gap:
                break
            begin = earlier
    return begin
