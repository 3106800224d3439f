"""Split-conformal p-values of scores: how many of the calibration's scores are as large.

In: scores without a fault (handed in, as from a fault-free run of the shadow, or the series' own past), a new score.
Out: its p-value.  Never: the new score among those it is judged by.

``(1 + number not below) / (n + 1)`` (Vovk et al.; for anomalies Bates et al., Annals of Statistics 2023) cannot be
below
``1 / (n + 1)``.  A score beyond all of them goes on from there by a generalised Pareto tail of the largest twentieth.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

from shadowlab.detect.online.ordered import Ordered
from shadowlab.detect.online.peaks import tail_chance

PEAKS = 0.05


@dataclass(slots=True)
class Conformal:
    """Needs ``warm`` scores; until then every p-value is 1.  Keeps the last ``past.length``."""

    warm: int = 50
    past: Ordered = field(default_factory=lambda: Ordered(length=1000))

    def p_value(self, score: float) -> float:
        """How rare the score is among those learned.  0 and what is not above 0 has the p-value 1."""
        ascending, known = self.past.ascending, len(self.past.ring)
        if known < self.warm or not score > 0:
            return 1.0
        size = _unbounded(score)
        not_below = known - bisect_left(ascending, size)
        if not_below:
            return (1 + not_below) / (known + 1)
        peaks = max(int(PEAKS * known), 5)
        at = ascending[-peaks - 1]
        excesses = [one - at for one in ascending[-peaks:]]
        mean = max(sum(excesses) / peaks, 0.02)
        variance = sum((one - mean) ** 2 for one in excesses) / peaks
        return min(1 / (known + 1), peaks / known * tail_chance(size - at, mean, variance))

    def learn(self, score: float) -> None:
        """Let a score be one of those without a fault."""
        self.past.push(_unbounded(score))


def _unbounded(score: float) -> float:
    """A score in [0, 1] in units of the detector's own limit: 1 at 0.5.  A tail is fitted to these."""
    return score / max(1 - score, 1e-6)
