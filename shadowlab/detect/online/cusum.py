"""Two-sided CUSUM on standardised residuals (E. S. Page, Biometrika 1954).

In: values.  Out: readings; the onset is where the sum last left zero.  Never: a shift learned while the sum fills.

The p-value is one over the mean run length without a fault to a sum of this size, by Siegmund's approximation
(Sequential
Analysis, 1985): with reference k and b = sum + 1.166, ``(exp(2kb) - 2kb - 1) / (2k²)`` on each side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from shadowlab.detect.online.reading import QUIET, Reading, Value, graded, scalar
from shadowlab.detect.online.residual import Residual


@dataclass(slots=True)
class Cusum:
    """``reference`` and ``limit`` in standard deviations: 0.5 and 15 run 1e7 samples between false alarms on white
    noise.  No residual counts more than ``clip``."""

    reference: float = 0.5
    limit: float = 15.0
    clip: float = 4.0
    residual: Residual = field(default_factory=Residual)
    up: float = 0.0
    down: float = 0.0
    up_since_ns: int = 0
    down_since_ns: int = 0

    def observe(self, now_ns: int, value: Value) -> Reading:
        x = scalar(value)
        z = self.residual.clipped(x, self.clip)
        if z != z:
            return QUIET
        if self.up == 0.0:
            self.up_since_ns = now_ns
        if self.down == 0.0:
            self.down_since_ns = now_ns
        self.up = max(0.0, self.up + z - self.reference)
        self.down = max(0.0, self.down - z - self.reference)
        largest = max(self.up, self.down)
        if largest < self.limit / 3:
            self.residual.learn(x)
        if largest < self.limit:
            return Reading(graded(largest, self.limit), _p_value(largest, self.reference), None)
        onset = self.up_since_ns if self.up >= self.down else self.down_since_ns
        if largest > 3 * self.limit:  # the new level is accepted: learn it, begin anew
            self.up = self.down = 0.0
            self.residual.past.clear()
        return Reading(graded(largest, self.limit), _p_value(largest, self.reference), onset)


def _p_value(largest: float, reference: float) -> float:
    exponent = 2 * reference * (largest + 1.166)
    run_length = (math.exp(min(exponent, 700.0)) - exponent - 1) / (2 * reference**2)
    return min(1.0, 2 / max(run_length, 1e-9))
