"""ADWIN: a window that drops its past when the mean of its newer part has moved.

In: values.  Out: readings: a flag of drift, not of a fault.  Never: more than ``buckets`` sums per power of two.

After A. Bifet, R. Gavalda, "Learning from Time-Changing Data with Adaptive Windowing", SDM 2007, section 3: exponential
histogram, and for each cut the bound ``sqrt(2/m var ln(2/d')) + 2/(3m) ln(2/d')`` with m the harmonic mean of the two
sizes and d' = d / ln(n).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from shadowlab.detect.online.reading import QUIET, Reading, Value, scalar


@dataclass(slots=True)
class Adwin:
    """``confidence`` is d; the window is cut at every ``every``-th sample only.  The bound is for values in a range of
    1; they are scaled by the range of the first ``warm`` ones, and clipped at twice of it beyond."""

    confidence: float = 0.002
    buckets: int = 5
    every: int = 16
    warm: int = 32
    first: list[float] = field(default_factory=list)
    rows: list[list[list[float]]] = field(default_factory=list)
    """Row i holds buckets (sum, sum of squares, time of the first in ns) of 2^i values, the newest last."""
    count: int = 0

    def observe(self, now_ns: int, value: Value) -> Reading:
        x = scalar(value)
        if x != x:
            return QUIET
        if len(self.first) < self.warm:
            self.first.append(x)
            if len(self.first) == self.warm:
                self.first.sort()
            return QUIET
        low, high = self.first[1], self.first[-2]
        width = max(high - low, 1e-3 * abs(high), 1e-12)
        x = max(-2.0, min(3.0, (x - low) / width))
        self._push(x, now_ns)
        self.count += 1
        if self.count % self.every:
            return QUIET
        return self._cut()

    def _push(self, x: float, now_ns: int) -> None:
        carried: list[float] | None = [x, x * x, float(now_ns)]
        for row in self.rows:
            row.append(carried)  # type: ignore[arg-type]
            if len(row) <= self.buckets:
                return
            older, newer = row.pop(0), row.pop(0)
            carried = [older[0] + newer[0], older[1] + newer[1], older[2]]
        self.rows.append([carried])  # type: ignore[list-item]

    def _cut(self) -> Reading:
        sizes = [(2.0**power, bucket) for power in range(len(self.rows) - 1, -1, -1) for bucket in self.rows[power]]
        n = sum(size for size, _ in sizes)
        total, squares = sum(bucket[0] for _, bucket in sizes), sum(bucket[1] for _, bucket in sizes)
        variance = max(squares / n - (total / n) ** 2, 0.0)
        log = math.log(2 * math.log(max(n, 3.0)) / self.confidence)
        left = left_sum = worst = 0.0
        cut = 0
        for index, (size, bucket) in enumerate(sizes[:-1]):
            left += size
            left_sum += bucket[0]
            right = n - left
            if left < 8 or right < 8:
                continue
            m = 1 / (1 / left + 1 / right)
            bound = math.sqrt(2 / m * variance * log) + 2 / (3 * m) * log
            ratio = abs(left_sum / left - (total - left_sum) / right) / bound
            if ratio > worst:
                worst, cut = ratio, index + 1
        if worst < 1:
            return Reading(0.5 * worst**4, 1.0, None)
        onset = int(sizes[cut][1][2])
        self._drop(cut)
        return Reading(worst / (1 + worst), self.confidence, onset)

    def _drop(self, buckets: int) -> None:
        """Forget the oldest buckets."""
        for row in reversed(self.rows):
            gone = min(buckets, len(row))
            del row[:gone]
            buckets -= gone
        while self.rows and not self.rows[-1]:
            del self.rows[-1]
