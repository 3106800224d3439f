"""Peaks over threshold: how rare a value is, beyond all that was seen.

In: values.  Out: readings with a p-value by a generalised Pareto tail on either side.  Never: more than ``kept`` peaks.

The excesses over a high quantile of the past follow a generalised Pareto law (Pickands 1975; streaming form after
Siffer
et al., "Anomaly Detection in Streams with Extreme Value Theory", KDD 2017).  Shape and scale are fitted by the moments
of the excesses, shape = (1 - m²/v) / 2 and scale = m (1 + m²/v) / 2 (Hosking & Wallis 1987).  What is told is not
learned.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from shadowlab.detect.online.ordered import Ordered
from shadowlab.detect.online.reading import QUIET, Reading, Value, scalar


def tail_chance(excess: float, mean: float, variance: float) -> float:
    """The chance that an excess is larger, given mean and variance of those that were seen."""
    if mean <= 0:
        return 0.0
    ratio = mean * mean / variance if variance > 0 else 1.0
    shape = max(-0.4, min(0.4, (1 - ratio) / 2))
    scale = mean * (1 - shape)
    if abs(shape) < 1e-6:
        return math.exp(-excess / scale)
    inside = 1 + shape * excess / scale
    return inside ** (-1 / shape) if inside > 0 else 0.0


@dataclass(slots=True)
class PeaksOverThreshold:
    """``chance`` is where it speaks: p-values below it.  ``part`` of the past lies beyond each threshold."""

    chance: float = 1e-5
    part: float = 0.05
    warm: int = 100
    past: Ordered = field(default_factory=lambda: Ordered(length=600))
    since_ns: int | None = None

    def observe(self, now_ns: int, value: Value) -> Reading:
        x = scalar(value)
        if x != x:
            return QUIET
        known = len(self.past.ring)
        if known < self.warm:
            self.past.push(x)
            return QUIET
        ascending, peaks = self.past.ascending, max(int(self.part * known), 5)
        high, low = ascending[-peaks - 1], ascending[peaks]
        if x > high:
            excesses = [one - high for one in ascending[-peaks:]]
            chance = self._chance(x - high, excesses, peaks / known, high)
        elif x < low:
            excesses = [low - one for one in ascending[:peaks]]
            chance = self._chance(low - x, excesses, peaks / known, low)
        else:
            self.past.push(x)
            self.since_ns = None
            return QUIET
        surprise = -math.log10(max(chance, 1e-300))
        told = chance < self.chance
        self.since_ns = (now_ns if self.since_ns is None else self.since_ns) if told else None
        if not told:
            self.past.push(x)
        return Reading(surprise / (surprise - math.log10(self.chance)), min(2 * chance, 1.0), self.since_ns)

    @staticmethod
    def _chance(excess: float, excesses: list[float], part: float, at: float) -> float:
        mean = max(sum(excesses) / len(excesses), 1e-4 * abs(at), 1e-12)
        variance = sum((one - mean) ** 2 for one in excesses) / len(excesses)
        return part * tail_chance(excess, mean, variance)
