"""How long a guest may take: on the virtual clock what counts is the processor time that it was given.

In:    the guest's session and its processes in ``/proc``.
Out:   whether its time is up.
Never: an end for a guest that only waited for a busy machine, nor an endless wait for one that does nothing.

A guest on the virtual clock skips all idling, so it always wants a processor.  On a machine with five times as much to
do as it has cores the same work takes five times as long; that says nothing against it.  Past its deadline it therefore
goes on, as long as the processor time that it had is below the deadline and still grows.
"""

from __future__ import annotations

import os
from pathlib import Path

MOST = 8
"""Times the deadline: so long a guest may take at most, by the wall clock."""
LOOK_EVERY_NS = 2 * 10**9
STILL_NS = 60 * 10**9
"""A guest past its deadline whose processor time did not grow for so long is stuck."""
_GROWN_NS = 10**8
"""Less than this is not growth: ticks of the clock inside go on in a guest that hangs."""
_SESSION, _TIMES = 3, slice(11, 15)
"""Fields of /proc/PID/stat behind the name: the session; time in user and kernel mode, and that of reaped children."""


class Patience:
    """Ask :meth:`is_over` now and then: ``pid`` leads the guest's session, times are of the monotonic clock."""

    def __init__(self, *, pid: int, started_ns: int, allowed_ns: int, starved_counts: bool) -> None:
        self._pid = pid
        self._started_ns = started_ns
        self._allowed_ns = allowed_ns
        self._starved_counts = starved_counts
        self._looked_ns = 0
        self._grew_ns = 0
        self._worked_ns = 0

    def is_over(self, now_ns: int) -> bool:
        """Whether the guest has had its time; ``starved_counts`` (the real clock) makes it time by the wall alone."""
        taken_ns = now_ns - self._started_ns
        if taken_ns < self._allowed_ns:
            return False
        if self._starved_counts or taken_ns >= MOST * self._allowed_ns:
            return True
        if now_ns - self._looked_ns < LOOK_EVERY_NS:
            return False
        worked_ns = processor_time_ns(self._pid)
        if not self._looked_ns or worked_ns >= self._worked_ns + _GROWN_NS:
            self._grew_ns, self._worked_ns = now_ns, worked_ns
        self._looked_ns = now_ns
        return not worked_ns or worked_ns >= self._allowed_ns or now_ns - self._grew_ns >= STILL_NS


def processor_time_ns(session: int) -> int:
    """What all processes of a session used, those that are gone and were reaped included; 0: nobody tells."""
    ticks = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            behind_name = (entry / "stat").read_bytes().rpartition(b")")[2].split()
        except OSError:  # it ended meanwhile, or this machine hides other users' processes
            continue
        if len(behind_name) >= _TIMES.stop and int(behind_name[_SESSION]) == session:
            ticks += sum(int(one) for one in behind_name[_TIMES])
    return ticks * (10**9 // os.sysconf("SC_CLK_TCK"))
