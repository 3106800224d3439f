"""How far this machine's clock is off, by the receiver's answers.  Pure: clock readings are arguments.

In: for each question to the receiver: our monotonic clock before and after, and the receiver's wall clock.
Out: what to add to a batch's times.

The receiver's time is tied to our monotonic clock, which nobody sets: so a batch is corrected by what its own moment
was, even if the wall clock was put right between reading and sending.  As with NTP, the answer belongs to some moment
between question and answer; the middle is wrong by half the way's asymmetry at most, and a faster answer is better.
"""

from __future__ import annotations

TOLERATED_NS = 100_000_000
"""A smaller difference is left alone: it may be the way's, and corrections that come and go would bend intervals."""
_DRIFT = 100e-6
"""Two honest crystals differ by less; an estimate grows worse by this share of its age."""


class ClockEstimate:
    """The best answer so far."""

    def __init__(self) -> None:
        self._ahead_ns: int | None = None
        self._error_ns = 0
        self._at_ns = 0

    @property
    def known(self) -> bool:
        """Whether there was an answer."""
        return self._ahead_ns is not None

    def observe(self, before_ns: int, after_ns: int, receiver_ns: int) -> None:
        """One answer.  An answer that is worse than what is known, its age counted, changes nothing, unless the two
        contradict each other: then the receiver's clock was set."""
        ahead_ns, error_ns = receiver_ns - (before_ns + after_ns) // 2, (after_ns - before_ns) // 2
        if self._ahead_ns is not None:
            aged_ns = self._error_ns + int((after_ns - self._at_ns) * _DRIFT)
            if error_ns > aged_ns and abs(ahead_ns - self._ahead_ns) <= error_ns + aged_ns:
                return
        self._ahead_ns, self._error_ns, self._at_ns = ahead_ns, error_ns, after_ns

    def correction_ns(self, *, wall_ns: int, mono_ns: int) -> int:
        """What to add to the wall clock's ``wall_ns``, read when the monotonic clock, of the same boot, said
        ``mono_ns``.  0 for what is tolerated, and while nothing is known."""
        if self._ahead_ns is None:
            return 0
        off_ns = self._ahead_ns + mono_ns - wall_ns
        return off_ns if abs(off_ns) > TOLERATED_NS else 0
