"""Losses are counts: the likelihood ratio of what was lost of what was sent, over short and long windows.

In: vectors (lost, sent).  Out: readings; the onset is the first lossy sample of the window that decided.
Never: a Gaussian on a rate.

Root of twice the log-likelihood ratio of two binomial samples, each trailing window and all that came *before it*
outside of alarms (with a prior of one lost in a thousand), against one share for both (the G-test; see
``detect.counts`` for the Poisson form).  What a window holds must not excuse it: losses that begin slowly would be
taken for usual while they come.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import compress

from shadowlab.detect.online.reading import QUIET, Reading, Value, graded

PRIOR_LOST, PRIOR_SENT = 0.1, 100.0
LEAST_BEFORE = 10
"""A window counts once so many samples (or as many as it has) came before it; one that lost all counts at once."""


@dataclass(slots=True)
class CountRatio:
    """``windows`` are lengths in samples; one with ``hold`` lossy samples, or all lost, counts."""

    limit: float = 4.5
    windows: list[int] = field(default_factory=lambda: [3, 10, 30, 120])
    hold: int = 2
    lost: list[float] = field(default_factory=list)
    sent: list[float] = field(default_factory=list)
    times_ns: list[int] = field(default_factory=list)
    quiet: list[bool] = field(default_factory=list)
    """Which of the kept samples were outside of alarms: those are in ``all_lost`` and ``all_sent``."""
    all_lost: float = 0.0
    all_sent: float = 0.0
    count: int = 0

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
            del self.lost[0], self.sent[0], self.times_ns[0], self.quiet[0]
        self.quiet.append(False)
        self.count += 1
        best, of = 0.0, 0
        for length in self.windows if lost or any(self.lost) else ():
            recent, asked = self.lost[-length:], self.sent[-length:]
            k, n = sum(recent), sum(asked)
            known = self.count - length >= min(length, LEAST_BEFORE)
            if not ((known and len(recent) - recent.count(0.0) >= self.hold) or k == n):
                continue
            own = self.quiet[-length:]
            before = self.all_lost - sum(compress(recent, own)) + PRIOR_LOST
            of_so_many = self.all_sent - sum(compress(asked, own)) + PRIOR_SENT
            if k * of_so_many > before * n:
                pooled = min((k + before) / (n + of_so_many), 1 - 1e-12)  # of 1e308 it would be 1
                ratio = n * _divergence(k / n, pooled) + of_so_many * _divergence(before / of_so_many, pooled)
                z = math.sqrt(2 * max(ratio, 0.0))
                if z > best:
                    best, of = z, min(length, len(self.lost))
        if best < self.limit:
            self.all_lost += lost
            self.all_sent += sent
            self.quiet[-1] = True
            return Reading(graded(best, self.limit), 0.5 * math.erfc(best / math.sqrt(2.0)), None)
        first = next(at for at in range(len(self.lost) - of, len(self.lost)) if self.lost[at] > 0)
        return Reading(graded(best, self.limit), 0.5 * math.erfc(best / math.sqrt(2.0)), self.times_ns[first])


def _divergence(p: float, q: float) -> float:
    """Kullback-Leibler divergence of two Bernoulli variables."""
    return (p * math.log(p / q) if p > 0 else 0.0) + ((1 - p) * math.log((1 - p) / (1 - q)) if p < 1 else 0.0)
