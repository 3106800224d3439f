"""The recorded shape of a paced flow, repeated without end.

In: phases, the moment the first one begins.  Out: how much is earned between two moments, and when it goes on.
Never: a clock.  Imported inside the guest: standard library only.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from shadowlab.model.flow import Phase


class Pattern:
    """Phases of ``factor`` times their rate, the first of them from ``begin_ns`` on."""

    def __init__(self, phases: Sequence[Phase], begin_ns: int, factor: float = 1.0) -> None:
        self._begin_ns = begin_ns
        self._rates = [round(one.rate_bps * factor) for one in phases]
        self._ends = list(accumulate(one.duration_ns for one in phases))
        self._sums = list(accumulate(rate * one.duration_ns for rate, one in zip(self._rates, phases, strict=True)))

    def earned(self, since_ns: int, until_ns: int) -> int:
        """Bits per second times nanoseconds between two moments, neither of them before the beginning."""
        return self._until(until_ns) - self._until(since_ns)

    def goes_on_ns(self, now_ns: int) -> int | None:
        """The first moment from ``now_ns`` on at which something is earned; None: never."""
        if not any(self._rates):
            return None
        period = self._ends[-1]
        rounds, within = divmod(now_ns - self._begin_ns, period)
        index = bisect_right(self._ends, within)
        if self._rates[index]:
            return now_ns
        while not self._rates[index % len(self._rates)]:
            index += 1
        rounds, index = rounds + index // len(self._rates), index % len(self._rates)
        return self._begin_ns + rounds * period + (self._ends[index - 1] if index else 0)

    def _until(self, now_ns: int) -> int:
        rounds, within = divmod(now_ns - self._begin_ns, self._ends[-1])
        index = bisect_right(self._ends, within)
        before = self._sums[index - 1] if index else 0
        since = self._ends[index - 1] if index else 0
        return rounds * self._sums[-1] + before + self._rates[index] * (within - since)
