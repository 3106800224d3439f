"""Holt-Winters with a day's or a week's season: a level, a slope, and what each hour adds to it.

In: values with their times.  Out: readings of the one-step forecast's error.  Never: a season before it was seen twice.

The season is kept by the hour of the week when ``weekly``, else of the day, in UTC; a gap changes nothing, the hour
after it is known by its place.  Additive form (P. R. Winters, Management Science 1960), the slope damped.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from shadowlab.detect.online.reading import QUIET, Reading, Value, graded, normal_tail, scalar
from shadowlab.detect.online.residual import least_spread

HOUR_NS = 3_600 * 10**9


@dataclass(slots=True)
class HoltWinters:
    """``limit`` in standard deviations of the errors, which are exponentially weighted and clipped at ``limit``."""

    limit: float = 5.0
    weekly: bool = False
    level_weight: float = 0.1
    slope_weight: float = 0.01
    season_weight: float = 0.1
    damping: float = 0.98
    warm: int = 20
    count: int = 0
    level: float = 0.0
    slope: float = 0.0
    spread: float = 0.0
    season: dict[int, float] = field(default_factory=dict)
    seen: dict[int, int] = field(default_factory=dict)
    since_ns: int | None = None

    def observe(self, now_ns: int, value: Value) -> Reading:
        x = scalar(value)
        if x != x:
            return QUIET
        hour = now_ns // HOUR_NS % (168 if self.weekly else 24)
        if self.count == 0:
            self.level = x
        self.count += 1
        known = self.seen.get(hour, 0) >= 2
        offset = self.season.get(hour, 0.0) if known else 0.0
        forecast = self.level + self.damping * self.slope + offset
        error = x - forecast
        scale = least_spread(1.2533 * self.spread, forecast)  # mean absolute error to deviation, sqrt(pi / 2)
        size = abs(error) / scale if self.count > self.warm else 0.0
        learned = max(-self.limit * scale, min(self.limit * scale, error)) if self.count > self.warm else error
        before = self.level
        self.level += self.damping * self.slope + self.level_weight * learned
        self.slope = self.damping * self.slope + self.slope_weight * (self.level - before - self.damping * self.slope)
        self.season[hour] = self.season.get(hour, 0.0) + self.season_weight * learned
        self.seen[hour] = self.seen.get(hour, 0) + 1
        self.spread += (abs(learned) - self.spread) / min(self.count, 200)
        self.since_ns = None if size < self.limit else self.since_ns if self.since_ns is not None else now_ns
        return Reading(graded(size, self.limit), normal_tail(size), self.since_ns)
