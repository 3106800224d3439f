"""From trials at one or two sizes to the size that fits, and to the verdict over all explanations.

In: symptoms observed, noise, trials.  Out: fits with intervals; Bayes factors.  Never: a size beyond what was tried by
more than a half.

Between two sizes that were imposed the symptoms are taken to lie on the straight line; size 0 is the fault-free trial.
Each explanation pays half the logarithm of the number of symptoms for its size (Schwarz 1978).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from shadowlab.localize.ablation.symptoms import (
    Noise,
    Predicted,
    Symptoms,
    best_possible,
    between,
    log_likelihood,
    predicted,
)
from shadowlab.model.diagnosis.ablation import CAP

_STEPS = 40
_BEYOND = 1.5
_INTERVAL = 1.92
"""Half of the 95 % quantile of chi-squared with one degree of freedom."""
UNDECIDED = 1.0
"""Explanations within ten to one (log10) are not told apart."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """The size of most likelihood, its 95 % interval, and the log-likelihood there.  ``next_size`` would be imposed
    next, and is hoped to reach ``hoped`` of log-likelihood."""

    size: float
    interval: tuple[float, float]
    log_likelihood: float
    next_size: float = 0.0
    hoped: float = -math.inf


def fit(
    seen: Symptoms,
    noise: Noise,
    fault_free: Symptoms,
    tried: Mapping[float, Symptoms],
    *,
    most: float = math.inf,
    proportional: bool = True,
) -> Fit:
    """The best size of one kind at one place.  ``tried`` holds the symptoms by the size (> 0) that was imposed; no size
    above ``most`` is possible.  Of a kind that does not act in proportion to its size (a queue does nothing until it is
    full) only sizes that were imposed count; the line between them says what to try next.
    """
    points = [(0.0, predicted(fault_free, noise))]
    points += [(size, predicted(one, noise)) for size, one in sorted(tried.items())]
    top = min(_BEYOND * points[-1][0], most)

    def told_of(some: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.array([log_likelihood(seen, _at(points, float(size)), noise) for size in some])

    coarse = np.geomspace(points[1][0] / 20, top, _STEPS)
    near = coarse[int(told_of(coarse).argmax())]
    sizes = np.unique(np.concatenate((coarse, np.geomspace(near / 1.6, min(near * 1.6, top), 2 * _STEPS))))
    told = told_of(sizes)
    best = int(told.argmax())
    inside = sizes[told >= told[best] - _INTERVAL]
    low, high, next_size, hoped = float(inside.min()), float(inside.max()), float(sizes[best]), float(told[best])
    if proportional:
        return Fit(size=next_size, interval=(low, high), log_likelihood=hoped, next_size=next_size, hoped=hoped)
    reached = {size: log_likelihood(seen, predicted(one, noise), noise) for size, one in tried.items()}
    size = max(sorted(reached), key=lambda one: reached[one])
    return Fit(
        size=size,
        interval=(min(low, size), max(high, size)),
        log_likelihood=reached[size],
        next_size=next_size,
        hoped=hoped,
    )


def _at(points: Sequence[tuple[float, Predicted]], size: float) -> Predicted:
    """What is to be expected at a size, from the two trials around it, or the last two."""
    for (first, before), (second, after) in pairwise(points):
        if size <= second or second == points[-1][0]:
            return between(before, after, (size - first) / (second - first))
    raise ValueError("a size is fitted between trials, and there is none")


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One explanation against no fault (log10), and the share of the misfit that it takes away."""

    log10_bayes: float
    explained: float


@dataclass(frozen=True, kw_only=True)
class Weighed:
    """All explanations, in the order they came in; ``order`` is from the best on."""

    standings: tuple[Standing, ...]
    order: tuple[int, ...]
    sufficiency: float
    necessity: float
    lead: float
    undecided: tuple[int, ...]


def weigh(
    seen: Symptoms,
    noise: Noise,
    fault_free: Symptoms,
    fits: Sequence[Fit],
    *,
    windows: int,
    prices: Sequence[float] = (),
) -> Weighed:
    """Bayes factors by BIC.  ``windows`` is how many seconds stand behind each symptom; ``prices`` what each
    explanation costs beyond its size (natural logarithm; none where left out).  Raises ValueError without fits."""
    if not fits:
        raise ValueError("no explanation was tried")
    costs = prices or [0.0] * len(fits)
    none = log_likelihood(seen, predicted(fault_free, noise), noise)
    ideal, values = best_possible(seen, noise)
    price = 0.5 * math.log(max(values, 2))
    misfit = max(ideal - none, 1e-9)
    standings = tuple(
        Standing(
            log10_bayes=capped((one.log_likelihood - price - cost - none) / math.log(10)),
            explained=(one.log_likelihood - none) / misfit,
        )
        for one, cost in zip(fits, costs, strict=True)
    )
    net = [one.log_likelihood - cost for one, cost in zip(fits, costs, strict=True)]
    order = tuple(sorted(range(len(fits)), key=lambda index: (-net[index], index)))
    best = order[0]
    behind = {index: (net[best] - net[index]) / math.log(10) for index in order}
    free = 0.5 * values * math.log(max(windows, 2))
    return Weighed(
        standings=standings,
        order=order,
        sufficiency=capped((fits[best].log_likelihood - ideal + free) / math.log(10)),
        necessity=standings[best].log10_bayes,
        lead=capped(behind[order[1]]) if len(order) > 1 else CAP,
        undecided=tuple(index for index in order[1:] if behind[index] < UNDECIDED),
    )


def capped(log10: float) -> float:
    """Within what is stated."""
    return max(-CAP, min(CAP, log10))
