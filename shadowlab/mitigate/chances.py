"""How sure a rank is: whether it hangs on a few promises.

In: of each cure the share of broken windows, promise by promise (a level on a path or of a service).  Out: the
probabilities that it is the best, and that it is worse than doing nothing.

The promises are drawn anew, with replacement, :data:`DRAWS` times, the same ones for all cures; each draw has a best.
This is the bootstrap of Efron (1979) over promises: it tells how far the rank hangs on which of them one looks at, not
what another hour of traffic would bring.  For that rehearse with another seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

DRAWS = 1000
_SEED = 20261122


def chances(shares: Sequence[Mapping[tuple[str, str], float]]) -> list[tuple[float, float]]:
    """(probability of being best, probability of harm) of each; the first is doing nothing.

    Promises that not all have been observed with are left out.  Cures that are best alike in a draw share it.
    """
    promises = sorted(set(shares[0]).intersection(*shares[1:]))
    if not promises:
        return [(0.0, 0.0)] * len(shares)
    broken = np.array([[one[promise] for promise in promises] for one in shares])
    drawn = np.random.default_rng(_SEED).integers(len(promises), size=(DRAWS, len(promises)))
    means = broken[:, drawn].mean(axis=2)
    best = np.isclose(means, means.min(axis=0))
    return [
        (float((best[index] / best.sum(axis=0)).mean()), float((means[index] > means[0] + 1e-9).mean()))
        for index in range(len(shares))
    ]
