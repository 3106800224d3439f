"""When connections began and ended within a recording.

In: connections.  Out: for each the moments it opened and closed, as far as its records tell, counted from the
recording's first moment.  Never: an opening that could as well lie before the recording.

Dumps do not say when a connection opened.  One that an instance did not show at an earlier moment, at which it showed
others, opened between that moment and the one it first appears at: the middle is taken.  An agent tells only what has
changed; what it did not tell before carried nothing before, which comes to the same.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from shadowlab.calibrate.observed import ObservedConnection
from shadowlab.model.telemetry import TcpRecord

CLOSED = "CLOSED"
LONG_NS = 10_000_000_000
"""A connection that was told of only at its end, but lasted longer than this, is driven by itself."""


@dataclass(frozen=True, kw_only=True)
class Life:
    """Moments since the recording began.  ``opened_ns`` None: it was open by then; ``closed_ns`` None: it was still
    open when the recording ended.  ``seen_open``: some reading found it open."""

    opened_ns: int | None
    closed_ns: int | None
    seen_open: bool

    @property
    def is_short(self) -> bool:
        """Whether it came and went between two readings."""
        return (
            self.opened_ns is not None
            and self.closed_ns is not None
            and not self.seen_open
            and self.closed_ns - self.opened_ns <= LONG_NS
        )


@dataclass(frozen=True, kw_only=True)
class Recording:
    """From its first moment (Unix time) to its last.  ``readings``: the moments of each instance, ascending."""

    from_ns: int
    to_ns: int
    readings: Mapping[str, Sequence[int]]

    @property
    def length_ns(self) -> int:
        return self.to_ns - self.from_ns

    def life(self, one: ObservedConnection) -> Life:
        """Of one of its connections."""
        both = (*one.sender_records, *one.receiver_records)
        lasts = [records[-1] for records in (one.sender_records, one.receiver_records) if records]
        ends = [record.closed_ns or record.at_ns for record in lasts if _is_end(record)]
        opened = min((record.opened_ns for record in both if record.opened_ns is not None), default=None)
        if opened is None:
            opened = self._between_readings(one.sender_records, one.receiver_records)
        return Life(
            opened_ns=opened - self.from_ns if opened is not None and opened > self.from_ns else None,
            closed_ns=max(min(ends) - self.from_ns, 0) if ends else None,
            seen_open=any(not _is_end(record) for record in both),
        )

    def _between_readings(self, *ends: Sequence[TcpRecord]) -> int | None:
        found = []
        for records in ends:
            if not records:
                continue
            readings = self.readings[records[0].instance]
            index = bisect_left(readings, records[0].at_ns)
            if index == 0:
                return None
            found.append((readings[index - 1] + records[0].at_ns) // 2)
        return min(found, default=None)


def recording_of(connections: Iterable[ObservedConnection]) -> Recording:
    """The recording that these connections are of.  An end that the kernel told of is no reading: nothing else was
    looked at in that moment."""
    moments: list[int] = []
    readings: dict[str, set[int]] = {}
    for one in connections:
        for record in (*one.sender_records, *one.receiver_records):
            moments.append(record.at_ns)
            held = readings.setdefault(record.instance, set())
            if not _is_end(record):
                held.add(record.at_ns)
    return Recording(
        from_ns=min(moments, default=0),
        to_ns=max(moments, default=0),
        readings={name: sorted(some) for name, some in readings.items()},
    )


def _is_end(record: TcpRecord) -> bool:
    """Whether the record is of a connection's end, or (a whole life that another source told) of its beginning."""
    return record.state == CLOSED or record.closed_ns is not None
