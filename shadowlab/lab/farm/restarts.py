"""When a worker's process that died is started again.

In: how long it lived, the time.  Out: how long to wait, or that it is enough.  Never: an effect, a clock.
"""

from __future__ import annotations

from dataclasses import dataclass

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 30.0
MOST_IN_A_ROW = 10
"""Deaths, each soon after the start, after which it is not started again."""
STEADY_S = 60.0
"""Whoever lived for so long begins anew."""


@dataclass(kw_only=True)
class Restarts:
    """Of one process."""

    in_a_row: int = 0

    def after(self, lived_s: float) -> float | None:
        """Seconds until the next start; None: it is given up."""
        self.in_a_row = 1 if lived_s >= STEADY_S else self.in_a_row + 1
        if self.in_a_row > MOST_IN_A_ROW:
            return None
        return float(min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (self.in_a_row - 1)))
