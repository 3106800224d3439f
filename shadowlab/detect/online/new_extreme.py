"""A value outside all that was seen: the strongest of the cheap rules on many series.

In: values.  Out: readings.  Never: two alarms for one excursion: after one the hold-off has to decay.

Two streams are watched, the value and its mean over ``mean_of`` samples; a new extreme of either counts by how far it
lies beyond the old ones, in units of their distance.  The hold-off is a part of the history so far: what is new after a
day means more than what is new after a minute.  ``renew`` (called on a drift that is accepted) forgets the extremes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from shadowlab.detect.online.reading import QUIET, Reading, Value, scalar

SOFT = 0.05
"""This part of the range beyond an extreme is half of the way from the least score to the largest."""


@dataclass(slots=True)
class NewExtreme:
    """``value_margin`` and ``mean_margin`` are parts of the range that do not count as beyond it; without a
    ``hold_off`` each is told."""

    mean_of: int = 24
    value_margin: float = 0.005
    mean_margin: float = 0.01
    warm: int = 20
    hold_off: float = 0.07
    count: int = 0
    mean: float = 0.0
    low: float = math.inf
    high: float = -math.inf
    mean_low: float = math.inf
    mean_high: float = -math.inf
    last: int = -(10**9)

    def observe(self, now_ns: int, value: Value) -> Reading:
        x = scalar(value)
        if x != x:
            return QUIET
        at = self.count
        self.count = at + 1
        self.mean = mean = self.mean + (x - self.mean) / (self.mean_of if at > self.mean_of else at + 1)
        best = 0.0
        if x > self.high or x < self.low:
            best = _beyond(x, self.low, self.high, self.value_margin)
            self.low, self.high = min(self.low, x), max(self.high, x)
        if mean > self.mean_high or mean < self.mean_low:
            best = max(best, _beyond(mean, self.mean_low, self.mean_high, self.mean_margin))
            self.mean_low, self.mean_high = min(self.mean_low, mean), max(self.mean_high, mean)
        if at <= self.warm or not best:
            return QUIET
        score = best * (1 - math.exp((self.last - at) / (self.hold_off * at))) if self.hold_off else best
        if score > 0.2:
            self.last = at
        return Reading(score, 4 / (at + 1), now_ns)  # four extremes, each as likely now as at any time before

    def renew(self) -> None:
        """Begin anew: what was seen belongs to another time."""
        self.count, self.mean, self.last = 0, 0.0, -(10**9)
        self.low = self.mean_low = math.inf
        self.high = self.mean_high = -math.inf


def _beyond(x: float, low: float, high: float, margin: float) -> float:
    """How far beyond, from 0.5 to 1; 0 within the margin, or where nothing was seen."""
    if high < low:
        return 0.0
    width = high - low if high > low else (abs(high) or 1.0)
    part = (x - high if x > high else low - x) / width
    if part <= margin:
        return 0.0
    return 0.5 + 0.5 * part / (part + SOFT) if part < math.inf else 1.0
