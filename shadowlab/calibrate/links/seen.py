"""Records become arrays: per connection its ways and its least RTT, per interval between two records what moved.

In: connections, the ways of each, the directions of the map.  Out: a :class:`Seen`.  Never: a judgement.

A retransmission is not a loss: what a receiver reported as a duplicate (DSACK), and what the sender itself found
spurious, is taken out.  That covers tail-loss probes, which repeat a segment that mostly was not lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from shadowlab.calibrate.links.flights import Flights, flights_of
from shadowlab.calibrate.links.numbers import Flags, Floats, Ints
from shadowlab.calibrate.observed import ObservedConnection, last_known
from shadowlab.model.network import Direction
from shadowlab.model.queue import ETHERNET_FRAMING_BYTES
from shadowlab.model.telemetry import TcpRecord
from shadowlab.model.ways import Candidates, PairWays

HEADER_BYTES = 14 + 20 + 20
"""Ethernet, IPv4, TCP; IPv6 has 20 more, timestamps 12."""
USUAL_MSS = 1448
ACK_BYTES = HEADER_BYTES + 12 + ETHERNET_FRAMING_BYTES
"""What an acknowledgement takes on the wire."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """C connections, D directions, N intervals between two records of one end.  Unknown values are NaN.

    ``forward`` and ``back`` hold how probably each connection's data (its acknowledgements) cross each direction, shape
    (C, D); ``usable`` (C,) whether its ways lead there and back at all.  Of the intervals, shape (N,): ``connection``
    its index, ``from_ns`` and ``to_ns``, ``payload_bytes`` delivered, ``wire_bytes`` of these with headers and framing,
    ``ack_bytes`` the same of the acknowledgements, ``segments`` sent, ``losses`` among them, ``marks`` (ECN),
    ``reorders``, the smoothed RTT at both ends of the interval and its mean deviation at the end, and ``eager``:
    whether the sender may have had more to send than it could.
    """

    directions: tuple[Direction, ...]
    names: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    """Of each connection its source and target."""
    forward: Floats
    back: Floats
    usable: Flags
    certain: Flags
    """Whether there is but one way there and one back."""
    least_rtt_ns: Floats
    mss: Floats
    records: Ints
    """How many records each connection has."""
    last_ns: Ints
    connection: Ints
    from_ns: Ints
    to_ns: Ints
    payload_bytes: Floats
    wire_bytes: Floats
    ack_bytes: Floats
    segments: Floats
    losses: Floats
    marks: Floats
    reorders: Floats
    srtt_before_ns: Floats
    srtt_ns: Floats
    rttvar_ns: Floats
    eager: Floats
    flights: Flights

    @property
    def seconds(self) -> Floats:
        """How long each interval is, shape (N,)."""
        return (self.to_ns - self.from_ns) / 1e9


class _Rows:
    """Grows columns of intervals."""

    def __init__(self) -> None:
        self.columns: dict[str, list[float]] = {name: [] for name in _COLUMNS}

    def add(self, **values: float) -> None:
        for name, column in self.columns.items():
            column.append(values[name])


_INTEGERS = ("connection", "from_ns", "to_ns")
_COLUMNS = (
    *_INTEGERS,
    *("payload_bytes", "wire_bytes", "ack_bytes", "segments", "losses", "marks", "reorders"),
    *("srtt_before_ns", "srtt_ns", "rttvar_ns", "eager"),
)


def see(connections: Sequence[ObservedConnection], ways: Sequence[PairWays], directions: Sequence[Direction]) -> Seen:
    """The arrays; ``ways`` are those of each connection, in their order."""
    index = {one: number for number, one in enumerate(directions)}
    rows = _Rows()
    shares: dict[int, tuple[Floats, Floats]] = {}
    for number, one in enumerate(connections):
        _intervals(rows, number, one)
        if id(ways[number]) not in shares:
            shares[id(ways[number])] = (_shares(ways[number].there, index), _shares(ways[number].back, index))
    empty = np.zeros((0, len(index)))
    columns: dict[str, Any] = {
        name: np.array(column, dtype=np.int64 if name in _INTEGERS else np.float64)
        for name, column in rows.columns.items()
    }
    return Seen(
        directions=tuple(directions),
        names=tuple(_name(one) for one in connections),
        pairs=tuple((one.source, one.target) for one in connections),
        forward=np.array([shares[id(one)][0] for one in ways]) if ways else empty,
        back=np.array([shares[id(one)][1] for one in ways]) if ways else empty,
        usable=np.array([_leads(one.there) and _leads(one.back) for one in ways], dtype=np.bool_),
        certain=np.array([one.there.certain and one.back.certain for one in ways], dtype=np.bool_),
        least_rtt_ns=np.array([_least_rtt(one) for one in connections], dtype=np.float64),
        mss=np.array([last_known(one.sender_records, "mss") or USUAL_MSS for one in connections], dtype=np.float64),
        records=np.array([len(one.sender_records) + len(one.receiver_records) for one in connections], dtype=np.int64),
        last_ns=np.array(
            [max(record.at_ns for record in (*one.sender_records, *one.receiver_records)) for one in connections],
            dtype=np.int64,
        ),
        flights=flights_of(connections),
        **columns,
    )


def _name(one: ObservedConnection) -> str:
    return f"{one.source}:{one.source_port}→{one.target}:{one.target_port}"


def _shares(found: Candidates, index: dict[Direction, int]) -> Floats:
    row = np.zeros(len(index))
    for crossing in found.crossings:
        if crossing.direction in index:
            row[index[crossing.direction]] = crossing.probability
    return row


def _leads(found: Candidates) -> bool:
    """Whether at least one way leads to the target."""
    return any(not way.fault for way in found.ways)


def _least_rtt(one: ObservedConnection) -> float:
    """The least RTT that either end knows: the one that the handshake left counts too, for it crosses the same way."""
    known = [value for record in (*one.sender_records, *one.receiver_records) if (value := record.min_rtt_ns)]
    return float(min(known)) if known else float("nan")


def _intervals(rows: _Rows, number: int, one: ObservedConnection) -> None:
    own = one.sender_records if len(one.sender_records) > 1 else ()
    for before, after in pairwise(own):
        if after.at_ns > before.at_ns:
            _sent(rows, number, before, after)
    if own:
        return
    for before, after in pairwise(one.receiver_records):
        moved = _growth(before, after, "bytes_received")
        if after.at_ns > before.at_ns and moved == moved:
            segments = _growth(before, after, "data_segments_in")
            mss = after.mss or USUAL_MSS
            packets = segments if segments > 0 else moved / mss
            rows.add(
                connection=number,
                from_ns=before.at_ns,
                to_ns=after.at_ns,
                payload_bytes=moved,
                wire_bytes=moved + packets * _overhead(after),
                ack_bytes=packets / 2 * ACK_BYTES,
                segments=_NAN,
                losses=_NAN,
                marks=_NAN,
                reorders=_NAN,
                srtt_before_ns=_NAN,
                srtt_ns=_NAN,
                rttvar_ns=_NAN,
                eager=1.0,
            )


_NAN = float("nan")


def _sent(rows: _Rows, number: int, before: TcpRecord, after: TcpRecord) -> None:
    mss = after.mss or USUAL_MSS
    delivered = _growth(before, after, "delivered_segments")
    acked = _growth(before, after, "bytes_acked")
    sent_segments = _growth(before, after, "data_segments_out")
    sent_bytes = _growth(before, after, "bytes_sent")
    size = sent_bytes / sent_segments if sent_segments > 0 and 0 < sent_bytes <= sent_segments * mss else mss
    # Cumulative acknowledgements jump when a hole is filled; what was delivered counts selective ones as they come.
    moved = delivered * size if delivered == delivered and sent_bytes == sent_bytes else acked
    packets = delivered if delivered == delivered else moved / size
    again = _growth(before, after, "retransmits_total")
    needless = np.nansum([_growth(before, after, "dsack_duplicates")])
    spurious = np.nansum([_growth(before, after, "spurious_retransmits")])
    acks = _growth(before, after, "segments_in")
    rows.add(
        connection=number,
        from_ns=before.at_ns,
        to_ns=after.at_ns,
        payload_bytes=moved,
        wire_bytes=moved + packets * _overhead(after),
        ack_bytes=(acks if acks == acks else packets / 2) * ACK_BYTES,
        segments=sent_segments if sent_segments == sent_segments else packets,
        losses=max(again - max(needless, spurious), 0.0) if again == again else _NAN,
        marks=_growth(before, after, "delivered_ce_segments"),
        reorders=_growth(before, after, "reordering_seen"),
        srtt_before_ns=before.srtt_ns or _NAN,
        srtt_ns=after.srtt_ns or _NAN,
        rttvar_ns=after.rttvar_ns if after.rttvar_ns is not None else _NAN,
        eager=0.0 if after.app_limited or _held_by_windows(before, after) else 1.0,
    )


def _held_by_windows(before: TcpRecord, after: TcpRecord) -> bool:
    """Whether the receiver's window or the sender's own buffer held it for most of the time."""
    held = np.nansum([_growth(before, after, "rwnd_limited_ns"), _growth(before, after, "sndbuf_limited_ns")])
    return bool(2 * held > after.at_ns - before.at_ns)


def _overhead(record: TcpRecord) -> float:
    """Bytes on the wire that a data segment takes beside its payload."""
    options = 0 if record.timestamps is False else 12
    return HEADER_BYTES + options + (20 if ":" in record.local_address else 0) + ETHERNET_FRAMING_BYTES


def _growth(before: TcpRecord, after: TcpRecord, name: str) -> float:
    old, new = getattr(before, name), getattr(after, name)
    return float(max(new - old, 0)) if old is not None and new is not None else _NAN
