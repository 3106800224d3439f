"""A stream of records in a few figures, in bounded memory.

In: records, one by one.  Out: a :class:`Summary`.  Never: a counter's total taken for what happened in between: sums
are of growth between two records of a connection, and of intervals.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shadowlab.model.telemetry import ALWAYS, TcpRecord
from shadowlab.telemetry.survey.sketch import Distinct, Quantiles
from shadowlab.telemetry.survey.watch import Watch

MOST_NAMED = 1000
"""Instances, states and congestion controls counted by name; what comes after them is counted as one."""
OTHER = "others"
_MOST_SHAPES = 1000
_GROWN = ("bytes_acked", "bytes_received", "bytes_retransmitted", "retransmits_total", "data_segments_out")


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Quantiles of a field over the records that know it."""

    records: int
    p50: float | None
    p95: float | None
    p99: float | None


@dataclass(frozen=True, kw_only=True)
class Summary:
    """``grown`` sums the growth of counters; ``known`` counts the records that know a field."""

    records: int
    first_ns: int | None
    last_ns: int | None
    instances: int
    connections: int
    peers: int
    estimated: tuple[str, ...]
    """Which of the three counts above are estimates (within some 2 %)."""
    by_instance: Mapping[str, int]
    by_scope: Mapping[str, int]
    by_state: Mapping[str, int]
    by_congestion_control: Mapping[str, int]
    srtt_ns: Spread
    min_rtt_ns: Spread
    cwnd_segments: Spread
    grown: Mapping[str, int]
    known: Mapping[str, int]
    oddities: Mapping[str, int]
    oddity_places: Mapping[str, tuple[str, ...]]


class Summarizer:
    """Takes records, gives a summary."""

    def __init__(self) -> None:
        self._records = 0
        self._first: int | None = None
        self._last: int | None = None
        self._distinct = {name: Distinct() for name in ("instances", "connections", "peers")}
        self._named: dict[str, dict[str, int]] = {name: {} for name in ("instance", "scope", "state", "control")}
        self._spreads = {name: Quantiles() for name in ("srtt_ns", "min_rtt_ns", "cwnd_segments")}
        self._grown: dict[str, int] = {}
        self._known: dict[str, int] = {}
        self._shapes: dict[tuple[str, ...], int] = {}
        """Which fields were known together, how often: records are alike, and counting them field by field is slow."""
        self._watch = Watch()

    def add(self, record: TcpRecord) -> None:
        """One more record."""
        self._records += 1
        at_ns = record.at_ns
        if self._first is None or at_ns < self._first:
            self._first = at_ns
        if self._last is None or at_ns > self._last:
            self._last = at_ns
        self._distinct["instances"].add(record.instance)
        self._distinct["connections"].add((*record.connection, record.instance))
        self._distinct["peers"].add(record.peer_address or record.peer)
        self._name("instance", record.instance)
        self._name("scope", record.scope)
        self._name("state", record.state)
        if record.congestion_control:
            self._name("control", record.congestion_control)
        values = record.__dict__
        for name, spread in self._spreads.items():
            value = values.get(name)
            if value is not None:
                spread.add(value)
        shape = tuple(values)
        if None in values.values() or (shape not in self._shapes and len(self._shapes) >= _MOST_SHAPES):
            self._know((name for name, value in values.items() if value is not None), 1)
        else:
            self._shapes[shape] = self._shapes.get(shape, 0) + 1
        for name, value in self._watch.grown(record).items():
            if name in _GROWN:
                self._grown[name] = self._grown.get(name, 0) + value

    def _know(self, names: Iterable[str], times: int) -> None:
        for name in names:
            self._known[name] = self._known.get(name, 0) + times

    def _name(self, kind: str, name: str) -> None:
        counts = self._named[kind]
        if name not in counts and len(counts) >= MOST_NAMED:
            name = OTHER
        counts[name] = counts.get(name, 0) + 1

    def result(self) -> Summary:
        """The summary of what was added so far."""
        for shape, times in self._shapes.items():
            self._know(shape, times)
        self._shapes.clear()
        spreads = {
            name: Spread(records=one.count, p50=one.at(0.5), p95=one.at(0.95), p99=one.at(0.99))
            for name, one in self._spreads.items()
        }
        return Summary(
            records=self._records,
            first_ns=self._first,
            last_ns=self._last,
            instances=self._distinct["instances"].count(),
            connections=self._distinct["connections"].count(),
            peers=self._distinct["peers"].count(),
            estimated=tuple(name for name, one in self._distinct.items() if not one.exact),
            by_instance=_most_first(self._named["instance"]),
            by_scope=_most_first(self._named["scope"]),
            by_state=_most_first(self._named["state"]),
            by_congestion_control=_most_first(self._named["control"]),
            srtt_ns=spreads["srtt_ns"],
            min_rtt_ns=spreads["min_rtt_ns"],
            cwnd_segments=spreads["cwnd_segments"],
            grown=dict(sorted(self._grown.items())),
            known={name: self._known[name] for name in sorted(self._known) if name not in ALWAYS},
            oddities=dict(sorted(self._watch.counts.items())),
            oddity_places={what: tuple(places) for what, places in sorted(self._watch.places.items())},
        )


def _most_first(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda one: (-one[1], one[0])))
