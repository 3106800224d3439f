"""Connections that sent all they had in one go: how their segments drew apart tells how fast the links are.

In: connections.  Out: per such connection how much it sent, and its smoothed RTT at the end.  Never: a rate.

A first window of ten segments (RFC 6928) leaves the sender back to back, and at the slowest link of the way they queue
for each other: the k-th is acknowledged later than the first by as long as that link takes for what lies between them.
The smoothed RTT (RFC 6298: each acknowledgement moves it by an eighth) keeps that, on links that are never full.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shadowlab.calibrate.links.numbers import Flags, Floats, Ints
from shadowlab.calibrate.observed import ObservedConnection, last_known

INITIAL_WINDOW = 10
LEAST_SEGMENTS = 2
_GAIN = 1 / 8
_PACED = ("bbr",)
"""Congestion controls that send even their first window paced."""
_SMALL_BYTES = 98
"""On the wire, of what the least RTT was measured by: a SYN."""
_OVERHEAD_BYTES = 90
"""On the wire beside the payload: framing, Ethernet, IPv4, TCP with timestamps."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Flights:
    """F connections: ``connection`` (F,) their numbers, ``srtt_ns`` (F,) at the end, ``least_ns`` (F,) what the sender
    says of its own least RTT (NaN: nothing).

    ``on_all`` and ``on_slowest`` (F,) are weights in bits: the smoothed RTT ends above the least one by
    ``on_all`` x (sum of 1/rate over the way there) + ``on_slowest`` x (1 / the least rate of it), in seconds.
    """

    connection: Ints
    srtt_ns: Floats
    least_ns: Floats
    on_all: Floats
    on_slowest: Floats
    short: Ints
    lossy: Flags
    """(S,) all connections that sent no more than a first window, and whether they sent something again."""


def flights_of(connections: Sequence[ObservedConnection]) -> Flights:
    """Those whose first and last record is one, which lost nothing and sent no more than a first window."""
    found: list[tuple[int, float, float, float, float]] = []
    short: list[tuple[int, bool]] = []
    weights: dict[tuple[int, int, int], tuple[float, float]] = {}
    for number, one in enumerate(connections):
        if len(one.sender_records) != 1:
            continue
        (record,) = one.sender_records
        segments, payload, mss = record.data_segments_out, record.bytes_acked, record.mss
        again = record.retransmits_total
        if segments and again is not None and LEAST_SEGMENTS < segments - again <= INITIAL_WINDOW:
            short.append((number, again > 0))
        if not segments or not payload or not mss or not record.srtt_ns:
            continue
        if not LEAST_SEGMENTS <= segments <= INITIAL_WINDOW or again:
            continue
        if last_known(one.sender_records, "congestion_control") in _PACED or payload > segments * mss + 2:
            continue
        if payload <= (segments - 1) * mss / 2:
            continue  # written piece by piece, not in one go
        acknowledged = record.delivered_segments if record.delivered_segments is not None else segments + 1
        last = max(payload - (segments - 1) * mss, 1)
        key = (segments, max(acknowledged - 1 - segments, 0), round(last / 64))
        if key not in weights:
            weights[key] = _weights(segments, min(mss, payload), last, key[1])
        found.append((number, float(record.srtt_ns), float(record.min_rtt_ns or np.nan), *weights[key]))
    columns = np.array(found, dtype=np.float64).reshape(-1, 5)
    return Flights(
        connection=columns[:, 0].astype(np.int64),
        srtt_ns=columns[:, 1],
        least_ns=columns[:, 2],
        on_all=columns[:, 3],
        on_slowest=columns[:, 4],
        short=np.array([one for one, _ in short], dtype=np.int64),
        lossy=np.array([lost for _, lost in short], dtype=np.bool_),
    )


def _weights(segments: int, mss: int, last: int, ends: int) -> tuple[float, float]:
    """``ends`` more samples come after the last segment's: its FIN is sent right behind it."""
    wire = np.full(segments, float(mss + _OVERHEAD_BYTES))
    wire[-1] = last + _OVERHEAD_BYTES
    behind = np.cumsum(wire) - wire[0]
    behind = np.concatenate([behind, np.full(min(ends, 1), behind[-1] + _SMALL_BYTES)])
    gains = _GAIN * (1 - _GAIN) ** np.arange(len(behind))[::-1]
    return float(gains.sum() * (wire[0] - _SMALL_BYTES) * 8), float((gains * behind).sum() * 8)
