"""Counts within intervals become counters, so that all that follows knows one kind of record.

In: the records of one end of a connection, in the order of time.  Out: records whose counters grow from each to the
next.  Never: a count of an interval whose length is unknown: it only marks where the next one begins.

A source of intervals says "500 bytes from 10 s to 20 s"; that is a counter of 0 at 10 s and of 500 at 20 s.  A source
of whole lives (``opened_ns`` known, one record) likewise says that all counters were 0 at the opening.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shadowlab.model.telemetry import ALWAYS, COUNTERS, TcpRecord, record_of


def accumulated(records: Sequence[TcpRecord]) -> list[TcpRecord]:
    """The same course in counters.  Intervals must ascend and not overlap."""
    if len(records) == 1 and records[0].from_ns is None:
        only = records[0]
        if only.opened_ns is not None and only.opened_ns < only.at_ns:
            return [_beginning(only, only.opened_ns), only]
        return [only]
    if all(record.from_ns is None for record in records):
        return list(records)
    result: list[TcpRecord] = []
    totals: dict[str, int] = {}
    for record in records:
        begin = record.from_ns
        if begin is None:
            continue
        if not result:
            result.append(_beginning(record, begin))
            totals = dict.fromkeys((name for name in COUNTERS if getattr(record, name) is not None), 0)
        if begin == record.at_ns:
            continue
        known: dict[str, Any] = {
            name: value for name, value in record.__dict__.items() if value is not None and name != "from_ns"
        }
        for name in COUNTERS:
            value = known.pop(name, None)
            # A counter that one interval does not know is not known from there on.
            if value is None:
                totals.pop(name, None)
            elif name in totals:
                totals[name] += value
        known.update(totals)
        result.append(record_of(known))
    return result


def _beginning(record: TcpRecord, at_ns: int) -> TcpRecord:
    """The moment at which the counters that the record knows stood at zero."""
    known: dict[str, Any] = {name: getattr(record, name) for name in ALWAYS}
    known |= {name: 0 for name in COUNTERS if getattr(record, name) is not None}
    known |= {"at_ns": at_ns, "congestion_control": record.congestion_control, "mss": record.mss}
    return record_of(known)
