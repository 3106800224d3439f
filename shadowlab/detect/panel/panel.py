"""The default detector of one series: a step, a new extreme, each where it fits.

In: values.  Out: readings.  Never: a decision about a series from what comes later.

What a series is like is told from its own past, and may change:

- *steady*: small noise around a large level, neighbours as different as any two values of late: round-trip times.
  There a step has the vote, and an extreme of one sample, which is no fault of a network, only raises the score.
- *wandering*: everything else (loads, temperatures, demand over a day).  There a step means little; new extremes of
  the value and of its running mean have the vote.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from shadowlab.detect.online.new_extreme import NewExtreme
from shadowlab.detect.online.reading import QUIET, Reading, Value, scalar
from shadowlab.detect.online.steps import LEAST_RELATIVE, Steps

STEADY = 0.03
"""A steady level's robust spread is at most this part of it: a path's round-trip time is propagation first of all."""
ALIKE = 0.8
"""Neighbours are alike below this many spreads of difference in the mean: 1.13 for white noise, 0.36 for a
correlation of 0.9."""
DAY_NS, HABIT_NS = 86_400 * 10**9, 3_600 * 10**9
ALIKE_STEPS = 0.25
"""A step is a habit when it comes within an hour of the same time of day, and begins and ends within this part of its
size of where the others did."""
SILENT = 0.49
"""What a detector without a vote may raise the score to: just below an alarm."""


@dataclass(slots=True)
class Panel:
    """``steps`` is the running mean of the absolute difference of neighbours, in spreads and clipped at six of them;
    ``part`` is the running mean of the spread's part of the level.  Both remember ``memory`` samples."""

    level: Steps = field(default_factory=Steps)
    extreme: NewExtreme = field(default_factory=NewExtreme)
    memory: int = 300
    last: float = 0.0
    steps: float = 0.0
    part: float = 0.0
    count: int = 0
    habits: list[list[float]] = field(default_factory=list)
    """The last steps: when, from which level, to which."""

    def observe(self, now_ns: int, value: Value) -> Reading:
        x = scalar(value)
        if x != x:
            return QUIET
        before = self.level.centre()
        step = self.level.observe(now_ns, x)
        extreme = self.extreme.observe(now_ns, x)
        steady = self._steady(x)
        p_value = min(1.0, 2 * min(step.p_value, extreme.p_value))
        if steady:
            if step.score >= 0.5 and step.onset_ns is not None and not self._habit(step.onset_ns, before):
                return Reading(max(0.5, extreme.score), p_value, step.onset_ns)
            return Reading(min(extreme.score, SILENT), p_value, None)
        return Reading(extreme.score, p_value, extreme.onset_ns if extreme.score >= 0.5 else None)

    def _habit(self, onset_ns: int, before: float) -> bool:
        """Whether such a step came at this time of two other days, of the last 32 steps.  It is remembered."""
        after = self.level.centre()
        near = max(3 * self.level.present_spread(), ALIKE_STEPS * abs(after - before))
        days = {
            round((onset_ns - at) / DAY_NS)
            for at, start, end in self.habits
            if abs((onset_ns - at + DAY_NS // 2) % DAY_NS - DAY_NS // 2) <= HABIT_NS
            and abs(start - before) <= near
            and abs(end - after) <= near
        }
        self.habits = [*self.habits[-31:], [onset_ns, before, after]]
        return len(days - {0}) >= 2

    def _steady(self, x: float) -> bool:
        spread, centre = self.level.present_spread(), abs(self.level.centre())
        self.count += 1
        weight = 1 / min(self.count, self.memory)
        if spread:
            self.steps += weight * (min(abs(x - self.last) / spread, 6.0) - self.steps)
        self.part += weight * (min(spread / centre if centre else 1.0, 1.0) - self.part)
        self.last = x
        return self.part <= STEADY and (self.steps >= ALIKE or self.part <= 1.5 * LEAST_RELATIVE)
