"""Hotelling's T² and the residual Q of a principal-component model: several indicators together.

In: vectors of one dimension.  Out: readings; the p-value is twice the lesser of the two statistics'.
Never: a fault learned: vectors that are told do not move the model until ``patience`` of them came in a row.

T² sees a vector that is far out along the usual directions, Q one that breaks the usual relation between indicators
(J. E. Jackson, G. S. Mudholkar, Technometrics 1979; Q's law here by Box's matched chi-square).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from shadowlab.detect.online.reading import QUIET, Reading, Value
from shadowlab.detect.window.covariance import Principal, chi_square_tail


@dataclass(slots=True)
class T2Q:
    """Speaks at p-values below ``chance``."""

    chance: float = 1e-6
    patience: int = 300
    model: Principal = field(default_factory=Principal)
    told: int = 0
    since_ns: int | None = None

    def observe(self, now_ns: int, value: Value) -> Reading:
        x = np.atleast_1d(np.asarray(value, dtype=np.float64))
        if np.isnan(x).any():
            return QUIET
        if self.model.count and len(x) != len(self.model.mean):
            raise ValueError(f"t2-q learned vectors of {len(self.model.mean)} values, and now gets {len(x)}")
        if not self.model.directions.size:
            self.model.learn(x)
            return QUIET
        t2, q = self.model.split(x)
        total, freedom = self.model.rest()
        chance = chi_square_tail(t2, float(self.model.kept))
        if total > 0:
            chance = min(chance, chi_square_tail(q * freedom / total, freedom))
        chance = min(2 * chance, 1.0)
        surprise = -math.log10(max(chance, 1e-300))
        told = chance < self.chance
        self.told = self.told + 1 if told else 0
        self.since_ns = (now_ns if self.since_ns is None else self.since_ns) if told else None
        if not told or self.told > self.patience:
            self.model.learn(x)
        return Reading(surprise / (surprise - math.log10(self.chance)), chance, self.since_ns)
