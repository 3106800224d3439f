"""Connections whose ends wait for each other: how much they say, and how long they think.

In: a connection's records.  Out: a dialogue, or None where no record tells of one.  Never: a dialogue of a stream that
merely has something small coming back.

No record counts exchanges.  But a message below half a segment takes one segment of payload, so where the messages of
one direction are that small, its segments of payload are the exchanges.  Such a connection is a dialogue if its
application limits it (the caller says so) and if its exchanges do not follow each other faster than the round trip:
what does is sent without waiting.

What passes between one exchange and the next is the time of both applications: the time that the sender of the larger
messages had nothing in flight, per exchange; where its busy time is unknown, the time from exchange to exchange less a
round trip.  Between two records exchanges are taken to be alike; a time without any belongs to the next one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from shadowlab.calibrate.observed import ObservedConnection, agreed, last_known
from shadowlab.model.flow import Dialogue
from shadowlab.model.traffic.distribution import Distribution, constant

LEAST_EXCHANGES = 4
"""Fewer say nothing of how they are distributed."""
SMALL = 0.5
"""Of a segment: messages below it are taken to be one segment each."""
USUAL_SEGMENT = 1448
MOST_VALUES = 50
"""Of a distribution: neighbouring values beyond that are put together, each group at its mean."""


class _Seen(NamedTuple):
    """Counted until a moment: bytes from source to target and back, messages back, the source's time in flight."""

    at_ns: int
    there: int
    back: int
    messages: int
    busy_ns: int | None


class _Step(NamedTuple):
    """Some exchanges, taken to be alike: their number, bytes of each there and back, the time to think of each."""

    exchanges: int
    there: float
    back: float
    think_ns: float


def dialogue_of(
    one: ObservedConnection, *, asker: Literal["source", "target"], scale: float
) -> tuple[Dialogue, str] | None:
    """The dialogue of a connection that its application limits, its sizes divided by ``scale``, and in words what it
    stands on."""
    seen = _seen(one)
    if len(seen) < 2:
        return None
    elapsed = seen[-1].at_ns - seen[0].at_ns
    there, back = seen[-1].there - seen[0].there, seen[-1].back - seen[0].back
    messages = seen[-1].messages - seen[0].messages
    if messages < LEAST_EXCHANGES or there < messages or back < messages:
        return None
    if back / messages > SMALL * (agreed(one, "mss") or USUAL_SEGMENT):
        return None
    round_trip = last_known(one.sender_records, "min_rtt_ns") or last_known(one.receiver_records, "min_rtt_ns") or 0
    if elapsed / messages < round_trip:
        return None
    srtt = last_known(one.sender_records, "srtt_ns") or last_known(one.receiver_records, "srtt_ns") or round_trip
    steps = _steps(seen, srtt)
    if not steps:
        return None
    dialogue = Dialogue(
        asker=asker,
        there=weighted((max(1.0, step.there / scale), step.exchanges) for step in steps),
        back=weighted((max(1.0, step.back / scale), step.exchanges) for step in steps),
        think_ns=weighted((step.think_ns, step.exchanges) for step in steps),
    )
    words = (
        f"its ends wait for each other: {messages} exchanges of {there / messages:.0f} bytes there and "
        f"{back / messages:.0f} back, {dialogue.think_ns.mean() / 1e6:.3g} ms between them besides the network's time"
    )
    return dialogue, words


def _seen(one: ObservedConnection) -> list[_Seen]:
    """What the sender counted, or else what the receiver did."""
    by_sender = [
        _Seen(record.at_ns, record.bytes_acked, record.bytes_received, record.data_segments_in, record.busy_ns)
        for record in one.sender_records
        if record.bytes_acked is not None and record.bytes_received is not None and record.data_segments_in is not None
    ]
    if len(by_sender) > 1:
        return by_sender
    return [
        _Seen(
            record.at_ns,
            record.bytes_received,
            record.bytes_acked,
            record.data_segments_out - (record.retransmits_total or 0),
            None,
        )
        for record in one.receiver_records
        if record.bytes_acked is not None and record.bytes_received is not None and record.data_segments_out is not None
    ]


def _steps(seen: Sequence[_Seen], round_trip_ns: int) -> list[_Step]:
    found, before = [], seen[0]
    for after in seen[1:]:
        exchanges = after.messages - before.messages
        if exchanges <= 0:
            continue
        each_ns = (after.at_ns - before.at_ns) / exchanges
        busy_ns = (
            round_trip_ns
            if after.busy_ns is None or before.busy_ns is None
            else (after.busy_ns - before.busy_ns) / exchanges
        )
        there, back = (after.there - before.there) / exchanges, (after.back - before.back) / exchanges
        found.append(_Step(exchanges, max(there, 0), max(back, 0), max(each_ns - busy_ns, 0)))
        before = after
    return found


def weighted(values: Iterable[tuple[float, int]]) -> Distribution:
    """The distribution that takes each value as often as its weight says: its mean is theirs."""
    together: Counter[float] = Counter()
    for value, weight in values:
        together[value] += weight
    ordered = sorted(together.items())
    whole = together.total()
    groups: dict[int, list[tuple[float, int]]] = {}
    taken = 0
    for index, (value, weight) in enumerate(ordered):
        place = taken * MOST_VALUES // whole if len(ordered) > MOST_VALUES else index
        groups.setdefault(place, []).append((value, weight))
        taken += weight
    weights = [sum(weight for _, weight in some) for some in groups.values()]
    sums = [sum(value * weight for value, weight in some) for some in groups.values()]
    # A mean is rounded, and must not leave its group by that.
    means = [
        (min(max(total / weight, some[0][0]), some[-1][0]), weight)
        for total, weight, some in zip(sums, weights, groups.values(), strict=True)
    ]
    if means[0][0] == means[-1][0]:
        return constant(means[0][0])
    points: list[tuple[float, float]] = []
    share = 0.0
    for value, weight in means:
        points.append((value, share))
        share += weight / whole
        points.append((value, share))
    points[-1] = (points[-1][0], 1.0)
    return Distribution(family="empirical", points=tuple(points))
