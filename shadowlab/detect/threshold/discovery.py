"""Online control of the false-discovery rate: which p-value is small enough, after so many tests.

In: one p-value after the other.  Out: whether it is a discovery.  Never: a decision taken back.

LORD++ (A. Ramdas, F. Yang, M. Wainwright, M. Jordan, "Online control of the false discovery rate with decaying memory",
NeurIPS 2017): the level of test t is ``g(t) w + (r - w) g(t - t1) + r sum over later discoveries g(t - tj)`` with
``g(j) = 0.0722 log(max(j, 2)) / (j exp(sqrt(log j)))``, which adds up to 1; r is the rate, w the wealth at the start.
Each discovery earns levels for later tests.  Only the last ``kept`` discoveries are remembered: what is forgotten would
only have added to the level, so the rate still holds.  P-values must be valid and independent, or positively dependent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(slots=True)
class Lord:
    """``rate`` of false ones among all discoveries."""

    rate: float = 0.05
    kept: int = 64
    tests: int = 0
    found: int = 0
    discoveries: list[int] = field(default_factory=list)
    first: int = 0

    def level(self) -> float:
        """The level of the test to come."""
        at, wealth = self.tests + 1, self.rate / 2
        level = wealth * _share(at)
        if self.found:
            level += (self.rate - wealth) * _share(at - self.first)
        return level + self.rate * sum(_share(at - one) for one in self.discoveries)

    def test(self, p_value: float) -> bool:
        """Whether this p-value is a discovery."""
        is_found = p_value <= self.level()
        self.tests += 1
        if is_found:
            self.found += 1
            if self.found == 1:
                self.first = self.tests
            else:
                self.discoveries = [*self.discoveries[-self.kept + 1 :], self.tests]
        return is_found


def _share(j: int) -> float:
    return 0.0722 * math.log(max(j, 2)) / (j * math.exp(math.sqrt(math.log(j))))
