"""What is odd over time in a stream of records: clocks that ran backwards, counters that fell, records given twice.

In: records, one by one.  Out: how much each counter grew, and counts of oddities with the first places.
Never: memory for more than :data:`MOST_CONNECTIONS` connections: the last record of the longest unseen is forgotten.
"""

from __future__ import annotations

from collections import OrderedDict

from shadowlab.model.telemetry import COUNTERS, TcpRecord
from shadowlab.model.units import NS_PER_S

MOST_CONNECTIONS = 100_000
MOST_INSTANCES = 10_000
PLACES_KEPT = 5

CLOCK = "the clock of an instance ran backwards"
FELL = "counters of a connection fell: its ports were used again, or it was reset"
TWICE = "a connection was recorded twice at the same moment"
FORGOTTEN = "connections whose last record was forgotten, to bound memory"


class Watch:
    """Follows the connections."""

    def __init__(self, *, most_connections: int = MOST_CONNECTIONS) -> None:
        self._most = most_connections
        self._last: OrderedDict[tuple[str, int, str, int, str], tuple[int, tuple[int | None, ...]]] = OrderedDict()
        self._clock: OrderedDict[str, int] = OrderedDict()
        self._number = 0
        self.counts: dict[str, int] = {}
        self.places: dict[str, list[str]] = {}

    def grown(self, record: TcpRecord) -> dict[str, int]:
        """How much each counter of the record grew since the last record of its connection.

        A record about an interval says it itself; the first record of a connection says nothing.
        """
        self._number += 1
        self._check_clock(record)
        values = record.__dict__
        if record.from_ns is not None:
            return {name: values[name] for name in COUNTERS if values.get(name) is not None}
        key = (*record.connection, record.instance)
        before = self._last.pop(key, None)
        counters = tuple(map(values.get, COUNTERS))
        self._last[key] = (record.at_ns, counters)
        if len(self._last) > self._most:
            self._last.popitem(last=False)
            self._count(FORGOTTEN, "")
        if before is None:
            return {}
        if before[0] == record.at_ns:
            self._count(TWICE, self._words(record))
            return {}
        if before[0] > record.at_ns:
            return {}
        grown = {}
        for name, new, was in zip(COUNTERS, counters, before[1], strict=True):
            if new is not None and was is not None:
                if new < was:
                    self._count(FELL, f"{self._words(record)}: {name} from {was} to {new}")
                    return {}
                grown[name] = new - was
        return grown

    def _check_clock(self, record: TcpRecord) -> None:
        last = self._clock.pop(record.instance, 0)
        self._clock[record.instance] = max(last, record.at_ns)
        if record.at_ns < last:
            self._count(CLOCK, f"{self._words(record)}: by {(last - record.at_ns) / NS_PER_S:g} s")
        if len(self._clock) > MOST_INSTANCES:
            self._clock.popitem(last=False)

    def _words(self, record: TcpRecord) -> str:
        return (
            f"record {self._number}, {record.instance or 'an unnamed instance'}, "
            f"{record.local_address}:{record.local_port} → {record.peer_address}:{record.peer_port}"
        )

    def _count(self, what: str, place: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1
        places = self.places.setdefault(what, [])
        if place and len(places) < PLACES_KEPT:
            places.append(place)
