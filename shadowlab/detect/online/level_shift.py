"""A robust detector of steps: several values in a row far from the running median, on one side.

In: values.  Out: readings; the onset is the first of the deviating values.  Never: a mean that one outlier can move.

The median is of the present level only: when a step is told, the level begins anew with the values that made it, so a
step back some samples later is told as well.  Spikes shorter than ``hold`` are neither told nor learned.  A smaller
step, lost among the noise of single values, is found by a two-sided sum of clipped residuals (a CUSUM on ranks' scale:
no single value adds more than ``clip``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from shadowlab.detect.online.ordered import Ordered
from shadowlab.detect.online.reading import QUIET, Reading, Value, graded, normal_tail, scalar

_WARM = 6
_KEPT = 1 - 1 / 120
_PRIOR = 5.0
"""As if so many independent values had been seen before."""
_MOST_RELATED = 0.97
_LONGEST = 240
LEAST_RELATIVE = 2e-3
"""The least spread beside the level: what is nearer is one level to an operator."""


@dataclass(slots=True)
class LevelShift:
    """``limit`` in robust standard deviations, ``hold`` values in a row; ``drift`` and ``total`` are the CUSUM's,
    ``floor`` the least spread in the value's unit."""

    limit: float = 6.0
    hold: int = 3
    clip: float = 3.0
    drift: float = 1.0
    total: float = 20.0
    floor: float = 1e-9
    bimodal: bool = True
    """Steps that were told count as bursts too: a path that changes between two ways is not told each time."""
    related: float | None = None
    """The correlation of neighbours, 0 to 1, learned where it is given: with it the sum must be larger by
    (1 + r) / (1 - r), which is how much more the mean of such values varies than that of independent ones (a
    first-order autoregression)."""
    products: float = 0.0
    squares: float = 0.0
    excursion: list[float] = field(default_factory=list)
    """What was heard since the sums were last 0: of a change no correlation is learned."""
    excursion_last: float = 0.0
    level: Ordered = field(default_factory=lambda: Ordered(length=60))
    wild: Ordered = field(default_factory=lambda: Ordered(length=300))
    wild_part: float = 0.05
    wild_times: float = 1.5
    """A step is larger than this many times what ``wild_part`` of the last distances from the level exceeded: a path of
    frequent bursts has its own idea of what is far."""
    spread: float = 0.0
    """That of the level before: a prior until the present one has values enough."""
    pending: list[float] = field(default_factory=list)
    side: int = 0
    since_ns: int = 0
    up: float = 0.0
    down: float = 0.0
    up_since_ns: int = 0
    down_since_ns: int = 0
    recent: list[float] = field(default_factory=list)

    def observe(self, now_ns: int, value: Value) -> Reading:
        x = scalar(value)
        if x != x:
            return QUIET
        known = len(self.level.ring)
        if known < _WARM and self.spread == 0.0:
            self.level.push(x)
            if known + 1 == _WARM:
                self.spread = self._floored(self.level.spread())
            return QUIET
        centre = self.level.median()
        spread = self.present_spread()
        deviation = (x - centre) / spread
        side = 1 if deviation > 0 else -1
        wild = self.wild.ascending
        far = wild[int((1 - self.wild_part) * len(wild))] if len(wild) > 20 else 0.0
        if abs(deviation) < self.limit or abs(x - centre) < self.wild_times * far:
            self.side = 0
            self._was_a_burst(centre)
            self.wild.push(abs(x - centre))
            self.level.push(x)
            return self._by_sum(now_ns, x, deviation)
        if side != self.side:
            self.side, self.since_ns = side, now_ns
            self._was_a_burst(centre)
        self.pending.append(x)
        if len(self.pending) < self.hold:
            score = 0.5 * graded(abs(deviation), self.limit) * len(self.pending) / self.hold
            return Reading(score, normal_tail(deviation), self.since_ns)
        size = min(abs(one - centre) for one in self.pending) / spread
        onset, told = self.since_ns, self.pending[:]
        if self.bimodal:
            self._was_a_burst(centre)
        self._begin(told, spread)
        return Reading(graded(size, self.limit), normal_tail(size), onset)

    def _was_a_burst(self, centre: float) -> None:
        """What was far and is over.  Not before: else a step would itself be what is usual, where little is known."""
        for one in self.pending:
            self.wild.push(abs(one - centre))
        self.pending.clear()

    def _by_sum(self, now_ns: int, x: float, deviation: float) -> Reading:
        step = max(-self.clip, min(self.clip, deviation))
        if self.up == 0.0:
            self.up_since_ns = now_ns
        if self.down == 0.0:
            self.down_since_ns = now_ns
        self.up = max(0.0, self.up + step - self.drift)
        self.down = max(0.0, self.down - step - self.drift)
        self.recent.append(x)
        if len(self.recent) > 8:
            del self.recent[0]
        total, limit = max(self.up, self.down), self.total
        if self.related is not None:
            limit *= (1 + self.related) / (1 - self.related)
            self.excursion.append(step)
        if total == 0 or len(self.excursion) > _LONGEST:
            self._relate(0.0)
        if total < limit:
            return Reading(0.5 * graded(total, limit), 1.0, None) if total else QUIET
        self._relate(sum(self.excursion) / max(len(self.excursion), 1))
        onset = self.up_since_ns if self.up >= self.down else self.down_since_ns
        self._begin(self.recent[:], self.present_spread())
        return Reading(graded(total, limit), normal_tail(self.limit), onset)

    def _relate(self, centre: float) -> None:
        """Learn from an excursion that is over how much neighbours, less ``centre``, have to do with each other."""
        if self.related is None or not self.excursion:
            return
        last = self.excursion_last
        for one in self.excursion:
            step = one - centre
            self.products = _KEPT * self.products + step * last
            self.squares = _KEPT * self.squares + step * step
            last = step
        self.excursion_last = 0.0 if centre else last
        self.related = min(max(self.products / (self.squares + _PRIOR), 0.0), _MOST_RELATED)
        self.excursion.clear()

    def _begin(self, values: list[float], spread: float) -> None:
        """A level anew, with the values that told it."""
        self.spread = spread
        self.level.clear()
        for one in values:
            self.level.push(one)
        self.pending.clear()
        self.recent.clear()
        self.side, self.up, self.down = 0, 0.0, 0.0

    def centre(self) -> float:
        """The present level, 0 before anything is known."""
        return self.level.median() if self.level.ring else 0.0

    def present_spread(self) -> float:
        """The level's own spread, 0 before anything is known; while it is young, mixed with the spread of the
        level before."""
        known = len(self.level.ring)
        if not known:
            return 0.0
        own = self.level.spread()
        if known < 30:
            own = (own * known + self.spread * (30 - known)) / 30
        return self._floored(own)

    def _floored(self, spread: float) -> float:
        return max(spread, LEAST_RELATIVE * abs(self.level.median()), self.floor)
