"""How fast a connection moved its bytes, on the whole and from record to record.

In: the records of both ends of a connection.  Out: a rate, or why it is unknown; the shape of the rate over time.
Never: a rate that no record supports.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from shadowlab.calibrate.observed import ObservedConnection
from shadowlab.model.flow import Phase
from shadowlab.model.telemetry import TcpRecord
from shadowlab.model.units import NS_PER_S

STEADY = 0.25
"""A flow whose rates stay within this share of their mean has no pattern worth following."""
MOST_PHASES = 256
"""Of a pattern; of a longer recording neighbouring phases are joined."""


class Counter(NamedTuple):
    """How many bytes had moved at each of some moments (ns), ascending; ``words`` say what was counted."""

    points: tuple[tuple[int, int], ...]
    words: str

    @property
    def moved(self) -> int:
        """Bytes from the first moment to the last."""
        return self.points[-1][1] - self.points[0][1]

    @property
    def elapsed_ns(self) -> int:
        """From the first moment to the last."""
        return self.points[-1][0] - self.points[0][0]


def counter_of(one: ObservedConnection) -> Counter | None:
    """The best counter of the bytes that the source sent, if one is known at two moments."""
    for records, name, words in (
        (one.sender_records, "bytes_acked", "bytes acknowledged"),
        (one.receiver_records, "bytes_received", "bytes received"),
        (one.sender_records, "wire_bytes_out", "bytes on the wire, headers included"),
        (one.receiver_records, "wire_bytes_in", "bytes on the wire, headers included"),
    ):
        counter = Counter(_points(records, name), words)
        if len(counter.points) > 1 and counter.elapsed_ns > 0:
            return counter
    return None


def _points(records: Sequence[TcpRecord], name: str) -> tuple[tuple[int, int], ...]:
    return tuple((record.at_ns, value) for record in records if (value := getattr(record, name)) is not None)


def measured_rate(one: ObservedConnection) -> tuple[float | None, str]:
    """Payload bits per second at the recorded size, and in words where it comes from or why it is unknown."""
    counter = counter_of(one)
    if counter is not None:
        seconds = counter.elapsed_ns / NS_PER_S
        return counter.moved * 8 * NS_PER_S / counter.elapsed_ns, f"{counter.words} over {seconds:.3g} s"
    last = one.sender_records[-1] if one.sender_records else None
    if last is None:
        return None, "its rate is unknown: only the receiver was recorded, at one point in time"
    if last.delivery_rate_bps and last.app_limited is False:
        return float(last.delivery_rate_bps), "delivery rate at one point in time"
    return None, (
        "its rate is unknown: recorded at one point in time, and its delivery rate is "
        + ("a past maximum (application-limited)" if last.delivery_rate_bps else "not printed")
        + "; record a second dump"
    )


def pattern_of(one: ObservedConnection, scale: float) -> tuple[Phase, ...]:
    """The rates between successive records, divided by ``scale``; nothing for a steady flow, or one of two records.

    Its mean is the rate of :func:`measured_rate`: phases that are joined keep their bytes.
    """
    counter = counter_of(one)
    if counter is None:
        return ()
    steps = [
        (after[0] - before[0], max(after[1] - before[1], 0))
        for before, after in zip(counter.points, counter.points[1:], strict=False)
        if after[0] > before[0]
    ]
    while len(steps) > MOST_PHASES:
        pairs = [steps[index : index + 2] for index in range(0, len(steps), 2)]
        steps = [(sum(one[0] for one in pair), sum(one[1] for one in pair)) for pair in pairs]
    rates = [moved / elapsed for elapsed, moved in steps]
    mean = counter.moved / counter.elapsed_ns
    if len(steps) < 2 or max(rates) - min(rates) <= STEADY * mean:
        return ()
    return tuple(
        Phase(duration_ns=elapsed, rate_bps=round(moved * 8 * NS_PER_S / elapsed / scale)) for elapsed, moved in steps
    )
