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
LITTLE_NS = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Life:
    """Moments since the recording began.  ``opened_ns`` None: it was open by then; ``closed_ns`` None: it was still
    open when the recording ended.  ``readings``: how many readings of an end found it open; ``busy_ns``: how long it
    had data in flight, None if no record tells."""

    opened_ns: int | None
    closed_ns: int | None
    readings: int
    busy_ns: int | None = None

    @property
    def is_short(self) -> bool:
        """Whether it came and went between two readings, or was met by a single one: two moments so close together tell
        no rate and no pattern.  One that may be older than the recording counts if it can have carried little."""
        if self.closed_ns is None or self.readings > 1:
            return False
        if self.opened_ns is None:
            return self.busy_ns is not None and self.busy_ns <= LITTLE_NS
        return self.closed_ns - self.opened_ns <= LONG_NS


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
            readings=max(
                sum(not _is_end(record) for record in records) for records in (one.sender_records, one.receiver_records)
            ),
            busy_ns=max((record.busy_ns for record in one.sender_records if record.busy_ns is not None), default=None),
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
