"""Rounds of an incast, with a barrier at the end of each.

In: answers as they come, a factor.  Out: when the next round begins.  Never: a socket, a timer.
Imported inside the guest: standard library only.
"""

from __future__ import annotations

from shadowlab.model.traffic.workload import Incast


class Rounds:
    """Rounds begin every ``every_ns`` (divided by the factor of demand), but none before the last one has ended; so a
    round that lasts too long shifts those after it no further than it must."""

    def __init__(self, spec: Incast, *, end_ns: int) -> None:
        self._spec = spec
        self._end_ns = end_ns
        self._missing: set[int] = set()
        self._factor = 1.0
        self._wanted = float(spec.begin_ns)
        self._begun_ns = spec.begin_ns
        self._ended_ns = spec.begin_ns
        self._rounds = 0

    @property
    def due_ns(self) -> int | None:
        """When the next round begins; None: not before something happens, or never."""
        if self._missing or self._factor == 0 or (self._spec.rounds is not None and self._rounds >= self._spec.rounds):
            return None
        at_ns = max(self._ended_ns, round(self._wanted))
        return at_ns if at_ns < self._end_ns else None

    @property
    def number(self) -> int:
        """Of the round that is going on, from 0."""
        return self._rounds - 1

    def begin(self, now_ns: int, workers: int) -> None:
        """The round that was due begins: so many answers are awaited."""
        self._missing = set(range(workers))
        self._rounds += 1
        self._begun_ns = now_ns
        self._wanted += self._spec.every_ns / self._factor

    def ended(self, worker: int, now_ns: int) -> None:
        """The exchange with one worker is over, well or badly."""
        self._missing.discard(worker)
        self._ended_ns = now_ns

    def scale(self, factor: float, now_ns: int) -> None:
        """Rounds come ``factor`` times as often from now on.  Raises ValueError for one below zero."""
        if factor < 0:
            raise ValueError(f"demand cannot be scaled by {factor:g}")
        self._factor = factor
        if factor > 0 and self._rounds:
            self._wanted = max(float(now_ns), self._begun_ns + self._spec.every_ns / factor)
