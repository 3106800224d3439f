"""A value against the recent past of its series, in robust standard deviations.

In: one value after the other.  Out: its standardised residual.  Never: an outlier's pull on centre or spread.

Charts of sums (CUSUM, Page-Hinkley, EWMA) want residuals of mean 0 and deviation 1; they stand on this.  The centre is
held while a chart is filling (``learn`` false), so that a shift is not learned before it is told.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from shadowlab.detect.online.ordered import Ordered

LEAST_RELATIVE = 1e-3
"""The least spread beside the level: a series that never moved says nothing of what a move means."""


@dataclass(slots=True)
class Residual:
    """``warm`` values are learned from before the first is judged."""

    warm: int = 20
    past: Ordered = field(default_factory=lambda: Ordered(length=120))

    def clipped(self, value: float, clip: float) -> float:
        """The residual of a value, at most ``clip`` from 0.  NaN for a missing value, and for one too few are known
        before, which is learned."""
        residual = self.of(value)
        if residual != residual:
            if value == value:
                self.learn(value)
            return math.nan
        return max(-clip, min(clip, residual))

    def of(self, value: float) -> float:
        """The residual of a value against the past without it; NaN while too little is known."""
        if len(self.past.ring) < self.warm:
            return math.nan
        centre = self.past.median()
        return (value - centre) / least_spread(self.past.spread(), centre)

    def learn(self, value: float) -> None:
        """Let the value be part of the past."""
        self.past.push(value)


def least_spread(spread: float, centre: float) -> float:
    """A spread that can divide."""
    return max(spread, LEAST_RELATIVE * abs(centre), 1e-12)
