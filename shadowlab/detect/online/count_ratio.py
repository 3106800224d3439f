"""Losses are counts: the likelihood ratio of what was lost of what was sent, over short and long windows.

In: vectors (lost, sent).  Out: readings; the onset is the first lossy sample of the window that decided.
Never: a Gaussian on a rate.

Signed root of the binomial likelihood ratio of each trailing window against the expected share, ``z = sqrt(2 n KL(k/n
|| q))`` (see ``detect.counts`` for the Poisson form).  The expected share is learned from all samples outside of
alarms, beside a prior of one lost in a thousand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from shadowlab.detect.online.reading import QUIET, Reading, Value, graded

PRIOR_LOST, PRIOR_SENT = 0.1, 100.0


@dataclass(slots=True)
class CountRatio:
    """``windows`` are lengths in samples; one with ``hold`` lossy samples, or all lost, counts."""

    limit: float = 4.5
    windows: list[int] = field(default_factory=lambda: [3, 10, 30, 120])
    hold: int = 2
    lost: list[float] = field(default_factory=list)
    sent: list[float] = field(default_factory=list)
    times_ns: list[int] = field(default_factory=list)
    all_lost: float = 0.0
    all_sent: float = 0.0

    def observe(self, now_ns: int, value: Value) -> Reading:
        if not isinstance(value, list) or len(value) != 2:
            raise ValueError("count-ratio takes two values a sample: lost, sent")
        lost, sent = value
        if not (lost == lost and sent == sent):
            return QUIET
        if not 0 <= lost <= sent:
            raise ValueError(f"count-ratio: {lost:g} lost of {sent:g} sent cannot be")
        self.lost.append(lost)
        self.sent.append(sent)
        self.times_ns.append(now_ns)
        if len(self.lost) > self.windows[-1]:
            del self.lost[0], self.sent[0], self.times_ns[0]
        expected = min((self.all_lost + PRIOR_LOST) / (self.all_sent + PRIOR_SENT), 0.999)
        best, of = 0.0, 0
        for length in self.windows if lost or any(self.lost) else ():
            k, n = sum(self.lost[-length:]), sum(self.sent[-length:])
            lossy = sum(one > 0 for one in self.lost[-length:])
            if k > expected * n and (lossy >= self.hold or k == n):
                z = math.sqrt(2 * n * _divergence(k / n, expected))
                if z > best:
                    best, of = z, min(length, len(self.lost))
        if best < self.limit:
            self.all_lost += lost
            self.all_sent += sent
            return Reading(graded(best, self.limit), 0.5 * math.erfc(best / math.sqrt(2.0)), None)
        first = next(at for at in range(len(self.lost) - of, len(self.lost)) if self.lost[at] > 0)
        return Reading(graded(best, self.limit), 0.5 * math.erfc(best / math.sqrt(2.0)), self.times_ns[first])


def _divergence(p: float, q: float) -> float:
    """Kullback-Leibler divergence of two Bernoulli variables, p above q."""
    return p * math.log(p / q) + ((1 - p) * math.log((1 - p) / (1 - q)) if p < 1 else 0.0)
