"""Sub-PCA: subsequences of a series that the usual shapes do not explain.

In: values.  Out: readings of the subsequence that ends with each.  Never: a subsequence with a missing value in it.

The last ``length`` values are a vector; its squared coordinates along all principal directions, each over its variance,
add up to the outlyingness (C. C. Aggarwal, Outlier Analysis, 3.3; the name as in TSB-AD, NeurIPS 2024).  Directions of
little variance weigh most: a shape that is broken shows in them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from shadowlab.detect.online.reading import QUIET, Reading, Value, scalar
from shadowlab.detect.window.covariance import Principal, chi_square_tail


@dataclass(slots=True)
class SubPca:
    """Speaks at p-values below ``chance``, by a chi-square matched to the running mean and variance of the
    statistic."""

    length: int = 24
    chance: float = 1e-6
    warm: int = 64
    ring: list[float] = field(default_factory=list)
    times_ns: list[int] = field(default_factory=list)
    model: Principal = field(default_factory=lambda: Principal(share=1.0))
    judged: int = 0
    mean: float = 0.0
    variance: float = 0.0
    since_ns: int | None = None

    def observe(self, now_ns: int, value: Value) -> Reading:
        x = scalar(value)
        if x != x:
            self.ring.clear()
            self.times_ns.clear()
            return QUIET
        self.ring.append(x)
        self.times_ns.append(now_ns)
        if len(self.ring) > self.length:
            del self.ring[0], self.times_ns[0]
        if len(self.ring) < self.length:
            return QUIET
        vector = np.array(self.ring)
        if not self.model.directions.size:
            self.model.learn(vector)
            return QUIET
        size, _ = self.model.split(vector)
        chance = self._chance(size) if self.judged >= self.warm else 1.0
        surprise = -math.log10(max(chance, 1e-300))
        told = chance < self.chance
        if not told or self.judged < self.warm:
            self.judged += 1
            weight = 1 / min(self.judged, 1000)
            off = size - self.mean
            self.mean += weight * off
            self.variance = (1 - weight) * (self.variance + weight * off * off)
        self.model.learn(vector if not told else self.model.mean + 0.1 * (vector - self.model.mean))
        self.since_ns = (self.times_ns[-1] if self.since_ns is None else self.since_ns) if told else None
        return Reading(surprise / (surprise - math.log10(self.chance)), chance, self.since_ns)

    def _chance(self, size: float) -> float:
        if self.mean <= 0:
            return 1.0
        factor = max(self.variance / (2 * self.mean), 1e-9)
        return chi_square_tail(size / factor, self.mean / factor)
