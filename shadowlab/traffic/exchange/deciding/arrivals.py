"""When the next one comes.

In: an arrival process, its chance, a factor that may change at any moment.  Out: one moment after the other.
Never: a clock, a timer.  Imported inside the guest: standard library only.

Each gap is drawn as *work*: nanoseconds of time while on, at the specified rate.  The factor says how fast work is
done.  So another factor moves arrivals and changes no draw, and what was left of a gap is done at the new pace.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from shadowlab.model.traffic.chance import Chance
from shadowlab.model.traffic.distribution import Distribution
from shadowlab.model.traffic.workload import Arrivals

_NS = 1e9
_LEAST_PERIOD_NS = 1_000.0
"""On and off times below it are taken as that long: a pattern of periods without length has no end."""


class OnOff:
    """A pattern of periods, on first, from ``begin_ns`` on; always on without distributions."""

    def __init__(self, on_ns: Distribution | None, off_ns: Distribution | None, chance: Chance, begin_ns: int) -> None:
        self._lengths = None if on_ns is None or off_ns is None else (on_ns, off_ns)
        self._chance = chance
        self._periods: deque[tuple[float, float]] = deque()
        self._drawn_until = float(begin_ns)

    def forget_before(self, now: float) -> None:
        """Nobody will ask for what was before ``now``."""
        while self._periods and self._periods[0][1] <= now:
            self._periods.popleft()

    def on_between(self, start: float, end: float) -> float:
        """The time spent on in [start, end)."""
        if self._lengths is None:
            return end - start
        self._draw(end)
        return sum(max(0.0, min(end, until) - max(start, since)) for since, until in self._periods)

    def after(self, start: float, on_time: float, limit: float) -> float:
        """The moment when so much on time has passed since ``start``; ``limit`` if that comes first."""
        if self._lengths is None:
            return min(limit, start + on_time)
        index = 0
        while True:
            if index == len(self._periods):
                if self._drawn_until >= limit:
                    return limit
                self._draw(self._drawn_until + 1)
                continue
            since, until = self._periods[index]
            since = max(since, start)
            if until > since:
                if on_time <= until - since:
                    return min(limit, since + on_time)
                on_time -= until - since
            index += 1

    def _draw(self, until: float) -> None:
        while self._lengths is not None and self._drawn_until < until:
            on, off = (max(_LEAST_PERIOD_NS, one.draw(self._chance)) for one in self._lengths)
            self._periods.append((self._drawn_until, self._drawn_until + on))
            self._drawn_until += on + off


class Pace:
    """Moments in [``begin_ns``, ``end_ns``) whose gaps ``draw_work`` gives one by one."""

    def __init__(self, *, draw_work: Callable[[], float], pattern: OnOff, begin_ns: int, end_ns: int) -> None:
        self._draw_work = draw_work
        self._pattern = pattern
        self._end = float(end_ns)
        self._from = float(begin_ns)
        self._left = draw_work()
        self._factor = 1.0
        self._due = 0.0
        self._find()

    @property
    def due_ns(self) -> int | None:
        """When the next one comes; None: none will, unless the factor rises."""
        return None if self._due >= self._end else round(self._due)

    def take(self) -> None:
        """The one that was due has come: draw the next."""
        self._from = self._due
        self._pattern.forget_before(self._from)
        self._left = self._draw_work()
        self._find()

    def scale(self, factor: float, now_ns: int) -> None:
        """From ``now_ns`` on at ``factor`` times the specified rate.  Raises ValueError for one below zero."""
        if factor < 0:
            raise ValueError(f"demand cannot be scaled by {factor:g}")
        if now_ns > self._from:
            done = self._pattern.on_between(self._from, float(now_ns)) * self._factor
            self._left = max(0.0, self._left - done)
            self._from = float(now_ns)
        self._factor = factor
        self._find()

    def _find(self) -> None:
        if self._factor == 0:
            self._due = self._end
        else:
            self._due = self._pattern.after(self._from, self._left / self._factor, self._end)


class Listed:
    """Exactly these moments, as far as they lie in [``begin_ns``, ``end_ns``).  A factor of zero leaves out those that
    fall due meanwhile; any other changes nothing, for a listed arrival has no rate."""

    def __init__(self, at_ns: tuple[int, ...], begin_ns: int, end_ns: int) -> None:
        self._moments = deque(one for one in at_ns if begin_ns <= one < end_ns)
        self._stopped = False

    @property
    def due_ns(self) -> int | None:
        """When the next one comes; None: none will."""
        return self._moments[0] if self._moments and not self._stopped else None

    def take(self) -> None:
        """The one that was due has come."""
        self._moments.popleft()

    def scale(self, factor: float, now_ns: int) -> None:
        """Stop at zero, go on otherwise.  Raises ValueError for a factor below zero."""
        if factor < 0:
            raise ValueError(f"demand cannot be scaled by {factor:g}")
        if self._stopped:
            while self._moments and self._moments[0] < now_ns:
                self._moments.popleft()
        self._stopped = factor == 0


def arrival_times(spec: Arrivals, *, seed: int, name: str, begin_ns: int, end_ns: int) -> Pace | Listed:
    """The process of the workload called ``name``."""
    if spec.process == "listed":
        return Listed(spec.at_ns, begin_ns, end_ns)
    if spec.process == "empirical" and spec.gap_ns is not None:
        gap_ns = spec.gap_ns
    else:
        gap_ns = Distribution(family="exponential", parameters=(_NS / spec.rate_per_s,))
    gaps = Chance(seed, "workload", name, "gaps")
    on_off = spec.process == "on-off"
    pattern = OnOff(
        spec.on_ns if on_off else None,
        spec.off_ns if on_off else None,
        Chance(seed, "workload", name, "on-off"),
        begin_ns,
    )
    return Pace(draw_work=lambda: gap_ns.draw(gaps), pattern=pattern, begin_ns=begin_ns, end_ns=end_ns)
