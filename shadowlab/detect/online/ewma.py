"""An EWMA control chart on standardised residuals (S. W. Roberts, Technometrics 1959).

In: values.  Out: readings.  Never: a single outlier's alarm: residuals are clipped.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from shadowlab.detect.online.reading import QUIET, Reading, Value, graded, normal_tail, scalar
from shadowlab.detect.online.residual import Residual


@dataclass(slots=True)
class Ewma:
    """``weight`` of the newest residual; ``limit`` in standard deviations of the chart, sqrt(w / (2 - w))."""

    weight: float = 0.2
    limit: float = 5.0
    clip: float = 6.0
    residual: Residual = field(default_factory=Residual)
    level: float = 0.0
    since_ns: int | None = None

    def observe(self, now_ns: int, value: Value) -> Reading:
        x = scalar(value)
        if x != x:
            return QUIET
        z = self.residual.of(x)
        self.residual.learn(x)
        if z != z:
            return QUIET
        self.level += self.weight * (max(-self.clip, min(self.clip, z)) - self.level)
        size = abs(self.level) / math.sqrt(self.weight / (2 - self.weight))
        if size < self.limit / 2:
            self.since_ns = None
        elif self.since_ns is None:
            self.since_ns = now_ns
        return Reading(graded(size, self.limit), normal_tail(size), self.since_ns if size >= self.limit else None)
