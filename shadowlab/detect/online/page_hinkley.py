"""Page-Hinkley test on standardised residuals: a mean that moved, against its own running mean.

In: values.  Out: readings; the onset is where the cumulated deviation had its extreme.  Never: more than six numbers of
state beside the residual's past.

After D. V. Hinkley, Biometrika 1971: the sum of deviations from the running mean less ``tolerance`` and its distance
from its least value so far, for both sides.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from shadowlab.detect.online.reading import QUIET, Reading, Value, graded, scalar
from shadowlab.detect.online.residual import Residual


@dataclass(slots=True)
class PageHinkley:
    """``tolerance`` and ``limit`` in standard deviations."""

    tolerance: float = 0.5
    limit: float = 20.0
    clip: float = 4.0
    residual: Residual = field(default_factory=Residual)
    count: int = 0
    mean: float = 0.0
    rise: float = 0.0
    fall: float = 0.0
    rise_from_ns: int = 0
    fall_from_ns: int = 0

    def observe(self, now_ns: int, value: Value) -> Reading:
        x = scalar(value)
        z = self.residual.clipped(x, self.clip)
        if z != z:
            return QUIET
        self.count += 1
        self.mean += (z - self.mean) / self.count
        self.rise += z - self.mean - self.tolerance
        self.fall += self.mean - z - self.tolerance
        if self.rise <= 0:
            self.rise, self.rise_from_ns = 0.0, now_ns
        if self.fall <= 0:
            self.fall, self.fall_from_ns = 0.0, now_ns
        largest = max(self.rise, self.fall)
        if largest < self.limit / 3:
            self.residual.learn(x)
        p_value = min(1.0, math.exp(-2 * self.tolerance * largest))
        if largest < self.limit:
            return Reading(graded(largest, self.limit), p_value, None)
        onset = self.rise_from_ns if self.rise >= self.fall else self.fall_from_ns
        if largest > 3 * self.limit:
            self.count, self.mean, self.rise, self.fall = 0, 0.0, 0.0, 0.0
            self.residual.past.clear()
        return Reading(graded(largest, self.limit), p_value, onset)
