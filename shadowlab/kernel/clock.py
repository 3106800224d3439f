"""The only file that reads a clock.

In: nothing.  Out: nanoseconds.  Never: a wait.
``now_ns`` is CLOCK_MONOTONIC, by which everything is scheduled.  ``wall_ns`` is CLOCK_REALTIME, by which the kernel
stamps packets.  Imported inside the guest: standard library only.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What the loop and the probes ask of time."""

    def now_ns(self) -> int:
        """Monotonic time."""

    def wall_ns(self) -> int:
        """The clock of SO_TIMESTAMPNS."""


def now_ns() -> int:
    """CLOCK_MONOTONIC.  On the guest's virtual clock the reading itself takes about a nanosecond."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def cpu_ns() -> int:
    """Processor time that this process has used, in the kernel and outside.  On the virtual clock next to nothing."""
    return time.clock_gettime_ns(time.CLOCK_PROCESS_CPUTIME_ID)


class KernelClock:
    """The clock of the kernel we run on, real or virtual."""

    def now_ns(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC)

    def wall_ns(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_REALTIME)


class FakeClock:
    """A clock that tests move by hand."""

    def __init__(self, start_ns: int = 0, wall_offset_ns: int = 0) -> None:
        self._now_ns = start_ns
        self._wall_offset_ns = wall_offset_ns

    def now_ns(self) -> int:
        return self._now_ns

    def wall_ns(self) -> int:
        return self._now_ns + self._wall_offset_ns

    def move_to(self, when_ns: int) -> None:
        """Jump to ``when_ns``; raises ValueError for a moment that has passed."""
        if when_ns < self._now_ns:
            raise ValueError(f"a monotonic clock does not go back from {self._now_ns} to {when_ns} ns")
        self._now_ns = when_ns
