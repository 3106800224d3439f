"""New extremes, and windows unlike any of the last: for series of loads, demand and habits.

In: values.  Out: readings.  Never: two alarms for one excursion, whichever rule saw it first.

Every ``stride`` values become one: their mean, or their highest or lowest value, whichever is farther from it.
``width`` of these, over the range of all that was seen, and the same over their own range, are a vector; its distance
from the nearest of the last ``kept`` vectors is how new it is (a discord: E. Keogh, J. Lin, A. Fu, ICDM 2005).  What
counts is a distance beyond the largest so far, which fades slowly.  The larger of this and of the new extremes
(``new_extreme``) decides, with one hold-off for both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shadowlab.detect.online.new_extreme import NewExtreme
from shadowlab.detect.online.reading import QUIET, Reading, Value, scalar

_SOFT = 0.5
"""So much beyond the largest distance is half of the way from the least score to the largest."""
_FLAT = 0.05
"""A window that moves less than this part of the range has no shape of its own."""


@dataclass(slots=True)
class Shapes:
    """``margin`` is the part of the largest distance that does not count as beyond it, ``fade`` what is forgotten of it
    with each vector, ``weight`` how much a new shape says beside a new extreme."""

    stride: int = 4
    width: int = 8
    kept: int = 400
    warm: int = 40
    margin: float = 0.25
    fade: float = 0.0015
    weight: float = 0.7
    hold_off: float = 0.07
    extreme: NewExtreme = field(default_factory=lambda: NewExtreme(hold_off=0.0))
    block: list[float] = field(default_factory=list)
    recent: list[float] = field(default_factory=list)
    known: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 16)))
    at: int = 0
    largest: float = 0.0
    vectors: int = 0
    count: int = 0
    last: int = -(10**9)

    def observe(self, now_ns: int, value: Value) -> Reading:
        x = scalar(value)
        if x != x:
            return QUIET
        self.count += 1
        extreme = self.extreme.observe(now_ns, x)
        self.block.append(x)
        shape = self._shape() if len(self.block) == self.stride else 0.0
        best = max(extreme.score, self.weight * shape)
        if not best:
            return QUIET
        score = best * (1 - math.exp((self.last - self.count) / (self.hold_off * self.count)))
        if score > 0.2:
            self.last = self.count
        return Reading(score, 5 / (self.count + 1), now_ns)  # five extremes, each as likely now as at any time before

    def _shape(self) -> float:
        mean, high, low = sum(self.block) / self.stride, max(self.block), min(self.block)
        self.block.clear()
        self.recent.append(high if high - mean >= mean - low else low)
        del self.recent[: -self.width]
        if len(self.recent) < self.width:
            return 0.0
        window, span = np.array(self.recent), (self.extreme.high - self.extreme.low) or 1.0
        own = float(window.max() - window.min())
        shape = (window - window.min()) / own if own > _FLAT * span else np.zeros(self.width)
        vector = np.concatenate([(window - self.extreme.low) / span, shape * min(1.0, 2 * own / span)])
        distance = float(np.abs(self.known - vector).mean(axis=1).min()) if len(self.known) else 0.0
        self._learn(vector)
        beyond = distance / self.largest - 1 if self.largest > 0 else math.inf if distance > 0 else 0.0
        self.largest = max(self.largest * (1 - self.fade), distance)
        self.vectors += 1
        if self.vectors <= self.warm or beyond <= self.margin:
            return 0.0
        return 0.5 + 0.5 * (beyond / (beyond + _SOFT) if beyond < math.inf else 1.0)

    def _learn(self, vector: NDArray[np.float64]) -> None:
        if len(self.known) < self.kept:
            self.known = np.vstack([self.known.reshape(-1, 2 * self.width), vector])
        else:
            self.known[self.at] = vector
            self.at = (self.at + 1) % self.kept
