"""A stream of datagrams as its receiver sees it.

In: sequence numbers with the moments they were sent and arrived.  Out: what was lost, reordered, doubled, and when.
Never: a socket.  Imported inside the guest: standard library only.
"""

from __future__ import annotations

MOST_MISSING = 200_000
"""Numbers remembered as missing: one that comes even later counts as a duplicate."""


class Reception:
    """Counts since the start."""

    def __init__(self) -> None:
        self.received = 0
        self.reordered = 0
        self.duplicates = 0
        self.received_bytes = 0
        self.delay_ns = 0
        """The sum of all one-way delays."""
        self._highest = -1
        self._missing: dict[int, None] = {}
        self._forgotten = 0
        self._transit_ns: int | None = None
        self._jitter_16 = 0.0

    @property
    def missing(self) -> int:
        """Numbers below the highest that came which have not come."""
        return len(self._missing) + self._forgotten

    @property
    def jitter_ns(self) -> int:
        """J of RFC 3550, section 6.4.1."""
        return round(self._jitter_16 / 16)

    def arrived(self, number: int, sent_ns: int, at_ns: int, size: int) -> None:
        """One datagram.  A duplicate counts as nothing else."""
        if number > self._highest:
            for lost in range(self._highest + 1, number):
                self._missing[lost] = None
            self._highest = number
            while len(self._missing) > MOST_MISSING:
                del self._missing[next(iter(self._missing))]
                self._forgotten += 1
        elif number in self._missing:
            del self._missing[number]
            self.reordered += 1
        else:
            self.duplicates += 1
            return
        self.received += 1
        self.received_bytes += size
        transit_ns = at_ns - sent_ns
        self.delay_ns += transit_ns
        if self._transit_ns is not None:
            # J is kept times 16: J' = J + (|D| - J) / 16.
            self._jitter_16 += abs(transit_ns - self._transit_ns) - self._jitter_16 / 16
        self._transit_ns = transit_ns
