"""Change points of a level with bursts, habits of two minds and slow queues about it: round-trip times of real paths.

In: values.  Out: readings; the onset is where the two levels part, and is told once, when they have.  Never: a burst of
some packets that take another way for a change of the way.

Two tests run side by side on the values since the last step:

- *far*: ``hold`` values in a row ``limit`` robust deviations from the level's median, and beyond what bursts of this
  series usually reach.  Told within seconds of a large step.
- *split*: a two-sided sum of clipped residuals (E. S. Page, 1954) says that it is worth looking; then the best split of
  the last ``kept`` values in two means, of clipped residuals, must gain ``gain`` by half its squared t over the
  long-run variance (lag-1 correlation taken into account), be ``sharp`` (near the split most of the difference is
  there; a slow queue is not) and pure (at most ``mixed`` of the later values on the former side).

A level that the series has touched of late in single values or short runs is part of a mixture, and a path just before
a step may have been of two minds already: then ``mixture_hold`` values are wanted instead of ``hold``.  The onset is
placed where the sum of absolute distances from the two medians is least.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from shadowlab.detect.online.ordered import Ordered
from shadowlab.detect.online.reading import QUIET, Reading, Value, graded, normal_tail, scalar

_WARM, _YOUNG = 6, 30
LEAST_RELATIVE = 2e-3
"""The least spread beside the level: what is nearer is one level to an operator."""
_LEAST_BEFORE, _LEAST_AFTER = 5, 3
"""So many values are wanted on either side of a split."""
_LEAST_VARIANCE, _MOST_CORRELATED = 0.15, 0.8


@dataclass(slots=True)
class Steps:
    """Limits in robust standard deviations of the present level, times in samples; ``floor`` is the least spread in
    the value's unit.  State: at most some 600 numbers.  By ``mixed`` a step of less than some 2.6 deviations stays
    untold, however long it lasts: of such, more are slow queues than steps."""

    limit: float = 6.0
    hold: int = 3
    large: float = 12.0
    """A step that is smaller than this needs one value more."""
    clip: float = 2.5
    drift: float = 0.5
    trigger: float = 8.0
    gain: float = 20.0
    least: float = 1.25
    sharp: float = 0.7
    near: int = 6
    mixed: float = 0.1
    kept: int = 120
    wild_part: float = 0.06
    wild_times: float = 2.0
    """A far value is farther than this many times what ``wild_part`` of the last distances from the level exceeded."""
    mixture_hold: int = 30
    touched_times: int = 3
    touched_near: float = 3.0
    touched_age: int = 600
    before: int = 30
    before_part: float = 0.03
    flap: int = 60
    """Each but the first of the steps told within so many samples asks for one value more."""
    floor: float = 1e-9
    level: Ordered = field(default_factory=lambda: Ordered(length=60))
    wild: Ordered = field(default_factory=lambda: Ordered(length=300))
    spread: float = 0.0
    """That of the level before: a prior until the present one has values enough."""
    values: list[float] = field(default_factory=list)
    times_ns: list[int] = field(default_factory=list)
    touched: list[list[float]] = field(default_factory=list)
    """When (by count), and where, runs too short for a step ended."""
    told: list[int] = field(default_factory=list)
    pending: int = 0
    side: int = 0
    up: float = 0.0
    down: float = 0.0
    correlation: float = 0.0
    last: float = 0.0
    away: float = 0.0
    count: int = 0

    def observe(self, now_ns: int, value: Value) -> Reading:
        x = scalar(value)
        if x != x:
            return QUIET
        self.count += 1
        self.values.append(x)
        self.times_ns.append(now_ns)
        if len(self.values) > self.kept:
            del self.values[0], self.times_ns[0]
        if self.spread == 0.0 and len(self.level.ring) < _WARM:
            self.level.push(x)
            if len(self.level.ring) == _WARM:
                self.spread = self._floored(self.level.spread())
            return QUIET
        centre, spread = self.level.median(), self.present_spread()
        deviation = (x - centre) / spread
        wild = self.wild.ascending
        usual = wild[int((1 - self.wild_part) * len(wild))] if len(wild) > 20 else 0.0
        self.wild.push(abs(x - centre))
        beyond = abs(deviation) >= self.limit
        self.away += (beyond - self.away) / 60
        clipped = max(-self.clip, min(self.clip, deviation))
        if beyond and abs(x - centre) >= self.wild_times * usual:
            side = 1 if deviation > 0 else -1
            self.pending = self.pending + 1 if side == self.side else 1
            self.side = side
            if self.pending >= self.hold and self.pending >= self._wanted(x, self.pending, centre, spread):
                size = abs(deviation)
                return Reading(graded(size, self.limit), normal_tail(size), self._begin(self.pending, spread))
        else:
            self._ends_a_run()
            self._correlate(clipped)
        if not beyond or self.away > 0.6:  # a level of two minds for long is learned as what it is
            self.level.push(x)
        self.up = max(0.0, self.up + clipped - self.drift)
        self.down = max(0.0, self.down - clipped - self.drift)
        total = max(self.up, self.down)
        if total < self.trigger:
            return Reading(0.5 * graded(total, self.trigger), 1.0, None) if total else QUIET
        if self.count % 2:  # every other sample is often enough for what takes ten and more to show
            return _WATCHED
        return self._by_split(centre, spread)

    def _by_split(self, centre: float, spread: float) -> Reading:
        after, gain = self._split(centre, spread)
        if gain < self.gain:
            return _WATCHED
        middle = sorted(self.values[-after:])[after // 2]
        if after < self._wanted(middle, after, centre, spread):
            return _WATCHED
        return Reading(graded(gain, self.gain), normal_tail((2 * gain) ** 0.5), self._begin(after, spread))

    def _split(self, centre: float, spread: float) -> tuple[int, float]:
        """How many values lie behind the best split, and what it gains; (0, 0) where it is no step."""
        low, high, scale = centre - self.clip * spread, centre + self.clip * spread, 1 / spread
        z = [-self.clip if x < low else self.clip if x > high else (x - centre) * scale for x in self.values]
        size, total = len(z), sum(z)
        left = sum(z[: _LEAST_BEFORE - 1])
        best, at = 0.0, 0
        for place in range(_LEAST_BEFORE, size - _LEAST_AFTER):
            left += z[place - 1]
            difference = total * place - left * size
            squared = difference * difference / (place * (size - place))
            if squared > best:
                best, at = squared, place
        if not at:
            return 0, 0.0
        former, later = sum(z[:at]) / at, sum(z[at:]) / (size - at)
        moved = later - former
        here = z[at : at + self.near]
        there = z[max(0, at - self.near) : at]
        parted = sum(here) / len(here) - sum(there) / len(there)
        middle = (former + later) / 2
        wrong = sum((one < middle) == (moved > 0) for one in z[at:])
        if abs(moved) < self.least or parted / moved < self.sharp or wrong > self.mixed * (size - at):
            return 0, 0.0
        squares = sum((one - former) ** 2 for one in z[:at]) + sum((one - later) ** 2 for one in z[at:])
        variance = max(squares / (size - 2), _LEAST_VARIANCE)
        together = max(0.0, min(_MOST_CORRELATED, self.correlation))
        return size - at, 0.5 * best / size / variance * (1 - together) / (1 + together)

    def _wanted(self, x: float, after: int, centre: float, spread: float) -> int:
        """How many values a step to ``x`` needs, of which there are ``after``."""
        begin = len(self.values) - after
        before = self.values[max(0, begin - self.before) : begin]
        middle = (x + centre) / 2
        already = sum((one > middle) == (x > middle) for one in before)
        if already > 1 + self.before_part * len(before):
            return self.mixture_hold
        oldest, near = self.count - self.touched_age, self.touched_near * spread
        times = sum(at >= oldest and abs(one - x) <= near for at, one in self.touched)
        if times >= self.touched_times:
            return self.mixture_hold
        plain = self.hold + (abs(x - centre) < self.large * spread)
        return plain + max(0, sum(self.count - at <= self.flap for at in self.told) - 1)

    def _ends_a_run(self) -> None:
        if self.pending:
            self.touched.append([self.count, self.values[-2]])
            del self.touched[:-24]
        self.pending = self.side = 0

    def _correlate(self, clipped: float) -> None:
        product = max(-1.0, min(1.0, clipped * self.last / 2))
        self.correlation += (product - self.correlation) / min(self.count, 200)
        self.last = clipped

    def _begin(self, after: int, spread: float) -> int:
        """A level anew, with the values that told it; its onset."""
        after = self._placed(after)
        self.spread = spread
        del self.values[:-after], self.times_ns[:-after]
        self.level.clear()
        for one in self.values[-self.level.length :]:
            self.level.push(one)
        self.told = [*self.told[-7:], self.count]
        self.pending = self.side = 0
        self.up = self.down = self.away = 0.0
        return self.times_ns[0]

    def _placed(self, after: int, reach: int = 8) -> int:
        """How many values lie behind the place, near by, that parts the two medians best."""
        values, size = self.values, len(self.values)
        at = size - after
        former, later = sorted(values[max(0, at - 30) : at]), sorted(values[at : at + 30])
        if len(former) < _LEAST_BEFORE or len(later) < _LEAST_AFTER:
            return after
        a, b = former[len(former) // 2], later[len(later) // 2]
        most = abs(b - a)
        first, last = max(1, at - reach), min(size - 2, at + reach)
        best = cost = 0.0
        best_at = first
        for place in range(first, last):
            x = values[place]
            cost += min(abs(x - a), most) - min(abs(x - b), most)
            if cost < best:
                best, best_at = cost, place + 1
        return size - best_at

    def centre(self) -> float:
        """The present level, 0 before anything is known."""
        return self.level.median() if self.level.ring else 0.0

    def present_spread(self) -> float:
        """The level's own spread, 0 before anything is known; while it is young, mixed with that of the one before."""
        known = len(self.level.ring)
        if not known:
            return 0.0
        own = self.level.spread()
        if known < _YOUNG:
            own = (own * known + self.spread * (_YOUNG - known)) / _YOUNG
        return self._floored(own)

    def _floored(self, spread: float) -> float:
        return max(spread, LEAST_RELATIVE * abs(self.level.median()), self.floor)


_WATCHED = Reading(0.3, 1.0, None)
"""Something may be under way."""
