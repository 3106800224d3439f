"""An instance's clock that jumped: found by its counters, and set back.

In: records in the order in which they were recorded.  Out: the same with the times after a jump put right, and the
jumps.  Never: a gap in a recording, or files read in another order than they were written, taken for a jump.

A clock that leaps an hour ahead leaves a gap across which counters grew as in one ordinary interval; a clock that is
set back leaves times that fall while counters grow.  In a true gap counters grow with the time, or stand still; in
files read the wrong way round they fall with the times.  All of an instance's connections jump alike.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from shadowlab.model.telemetry import TcpRecord, record_of
from shadowlab.model.units import NS_PER_S

LEAST_RECORDS = 5
_GAP = 10
"""A step of more than so many usual ones is looked at."""
_LEAST_GAP_NS = 5 * NS_PER_S
_AGREED = 0.6
_MOST_JUMPS = 8
_COUNTED = ("bytes_acked", "bytes_received", "segments_out", "segments_in", "data_segments_out", "data_segments_in")


@dataclass(frozen=True, kw_only=True)
class ClockJump:
    """``instance``'s clock leapt by ``by_ns`` (negative: back) after the moment ``at_ns`` by the clock of before."""

    instance: str
    at_ns: int
    by_ns: int
    records: int
    """How many records came after it."""


class _Leap(NamedTuple):
    at_ns: int
    by_ns: int
    place: int


def steadied(records: Sequence[TcpRecord]) -> tuple[Sequence[TcpRecord], tuple[ClockJump, ...]]:
    """The records, and what was put right; the very same sequence if nothing was."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, record in enumerate(records):
        if record.scope == "connection" and record.from_ns is None:
            places[record.instance].append(place)
    jumps: list[ClockJump] = []
    changed = records
    for instance in sorted(places):
        own = places[instance]
        for _ in range(_MOST_JUMPS):
            leap = _leap_of(changed, own)
            if leap is None:
                break
            result = list(changed)
            later = [place for place in own if place >= leap.place]
            for place in later:
                record = result[place]
                known = {name: value for name, value in record.__dict__.items() if value is not None}
                result[place] = record_of(known | {"at_ns": record.at_ns - leap.by_ns})
            changed = result
            jumps.append(ClockJump(instance=instance, at_ns=leap.at_ns, by_ns=leap.by_ns, records=len(later)))
    return changed, tuple(jumps)


def _leap_of(records: Sequence[TcpRecord], places: Sequence[int]) -> _Leap | None:
    """The first leap that most of the connections agree on."""
    courses: dict[tuple[str, int, str, int], list[int]] = defaultdict(list)
    for place in places:
        courses[records[place].connection].append(place)
    tested, found = 0, list[_Leap]()
    for course in courses.values():
        if len(course) >= LEAST_RECORDS:
            tested += 1
            found += next(([one] for one in _leaps(records, course)), [])
    if not found or len(found) < _AGREED * tested:
        return None
    by_ns = round(median(one.by_ns for one in found))
    alike = [one for one in found if abs(one.by_ns - by_ns) <= _LEAST_GAP_NS]
    if len(alike) < _AGREED * tested:
        return None
    return _Leap(min(one.at_ns for one in alike), by_ns, min(one.place for one in alike))


def _leaps(records: Sequence[TcpRecord], course: Sequence[int]) -> Iterator[_Leap]:
    """Of one connection."""
    steps = [records[after].at_ns - records[before].at_ns for before, after in pairwise(course)]
    ahead = [step for step in steps if step > 0]
    if len(ahead) < LEAST_RECORDS - 2:
        return
    usual = round(median(ahead))
    grown = [_grown(records[before], records[after]) for before, after in pairwise(course)]
    usually = median(one for one in grown if one is not None) if any(one is not None for one in grown) else 0
    for number, (step, growth) in enumerate(zip(steps, grown, strict=True)):
        if growth is None or growth <= 0:
            continue
        leapt = step > max(_GAP * usual, _LEAST_GAP_NS) and usually / 3 <= growth <= 3 * usually
        if step < 0 or leapt:
            yield _Leap(records[course[number]].at_ns, step - usual, course[number + 1])


def _grown(before: TcpRecord, after: TcpRecord) -> int | None:
    """By how much all counters grew together; -1 if one of them fell, None if none is known."""
    pairs = [
        (old, new)
        for name in _COUNTED
        if (old := getattr(before, name)) is not None and (new := getattr(after, name)) is not None
    ]
    if not pairs:
        return None
    return -1 if any(new < old for old, new in pairs) else sum(new - old for old, new in pairs)
