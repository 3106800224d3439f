"""The reference of the concept: the distance from the mean of a fixed baseline, in its standard deviations.

In: values.  Out: readings.  Never: a baseline that moves after it was learned.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from shadowlab.detect.online.reading import QUIET, Reading, Value, graded, normal_tail, scalar
from shadowlab.detect.online.residual import least_spread


@dataclass(slots=True)
class ZScore:
    """The first ``baseline`` values are the baseline; mean and variance by Welford's recurrence."""

    limit: float = 4.0
    baseline: int = 100
    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    since_ns: int | None = None

    def observe(self, now_ns: int, value: Value) -> Reading:
        x = scalar(value)
        if x != x:
            return QUIET
        if self.count < self.baseline:
            self.count += 1
            step = x - self.mean
            self.mean += step / self.count
            self.squares += step * (x - self.mean)
            return QUIET
        z = abs(x - self.mean) / least_spread(math.sqrt(self.squares / max(self.count - 1, 1)), self.mean)
        self.since_ns = None if z < self.limit else self.since_ns if self.since_ns is not None else now_ns
        return Reading(graded(z, self.limit), normal_tail(z), self.since_ns)
