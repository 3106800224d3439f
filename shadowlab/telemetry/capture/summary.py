"""What became of one connection: the fuller result of a capture, of which records are an extract.

In: the state's and the tally's columns.  Out: :class:`Connection`, frozen.  Never: a zero for what was not seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Literal

import numpy as np

from shadowlab.telemetry.capture.packets.frames import Column
from shadowlab.telemetry.capture.state import State
from shadowlab.telemetry.capture.tally import PLACE, SUMS, Interval, RoundTripSummary, Tally

Ending = Literal["open", "half-closed", "closed", "severed"]
_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, kw_only=True)
class Direction:
    """What one end sent, as the place of the capture saw it.  Counters are None if nothing of it was seen.

    ``counts`` has the names of :data:`~shadowlab.telemetry.capture.tally.SUMS`.  ``round_trips`` go from the place of
    the capture to the *other* end and back; ``opening_round_trip_ns`` is that of this end's SYN.  Windows are what this
    end announced, scaled, None if the scale is not known.
    """

    address: str
    port: int
    counts: dict[str, int] | None
    round_trips: RoundTripSummary | None
    opening_round_trip_ns: int | None
    window_bytes: int | None
    window_least_bytes: int | None
    window_most_bytes: int | None
    window_scale: int | None
    """The shift that is in force; 0 if scaling is not used, None if the handshake was not seen."""
    mss: int | None
    sack_permitted: bool | None
    stamps: bool | None
    """Whether its SYN offered timestamps."""
    least_round_trip_ns: int | None
    """The least since the connection was first seen, whatever interval ``round_trips`` is about."""
    flight_most_bytes: int | None
    """Most that was sent and not yet acknowledged."""
    acked_octets: int | None
    """Octets that the other end acknowledged."""


@dataclass(frozen=True, kw_only=True)
class Connection:
    """``client`` is who sent the SYN, or the first segment if none was seen.

    ``handshake_ns`` is from the SYN to the first ACK after it.  ``opened`` says whether the SYN was seen.  A connection
    is ``closed`` once both ends sent FIN, ``severed`` if a RST came before.
    """

    client: Direction
    server: Direction
    first_ns: int
    last_ns: int
    opened: bool
    handshake_ns: int | None
    ending: Ending

    def round_trip_ns(self, sender: Direction) -> RoundTripSummary | None:
        """The whole way from ``sender`` to the other end and back, wherever the capture was made: the round trips of
        the sender's segments, and the least of the other end's for the rest of the way.  None if either is unknown."""
        other = self.server if sender is self.client else self.client
        rest = other.least_round_trip_ns
        if sender.round_trips is None or rest is None:
            return None
        return RoundTripSummary(
            count=sender.round_trips.count,
            least_ns=sender.round_trips.least_ns + rest,
            median_ns=sender.round_trips.median_ns + rest,
            p95_ns=sender.round_trips.p95_ns + rest,
            mean_ns=sender.round_trips.mean_ns + rest,
        )


@lru_cache(maxsize=65_536)
def address_text(words: tuple[int, int, int, int]) -> str:
    """The usual spelling; IPv4 mapped into IPv6 is IPv4."""
    if words[:3] == (0, 0, 0xFFFF):
        return str(IPv4Address(words[3]))
    return str(IPv6Address(words[0] << 96 | words[1] << 64 | words[2] << 32 | words[3]))


def summarise(slots: Column, state: State, tally: Tally, interval: Interval | None = None) -> list[Connection]:
    """The connections in these slots; with ``interval`` what they did since the one before."""
    flows = np.stack([slots * 2, slots * 2 + 1], axis=1).ravel()
    pool = tally.pool if interval is None else interval.pool
    quantiles = pool.quantiles(flows)
    return [_connection(slot, state, tally, interval, quantiles) for slot in slots.tolist()]


def _connection(
    slot: int, state: State, tally: Tally, interval: Interval | None, quantiles: dict[int, tuple[int, int]]
) -> Connection:
    opener = int(state.opener[slot] if state.opener[slot] >= 0 else state.beginner[slot])
    client, server = slot * 2 + opener, slot * 2 + 1 - opener
    handshake_ns = int(state.handshake_ns[slot])
    return Connection(
        client=_direction(client, state, tally, interval, quantiles),
        server=_direction(server, state, tally, interval, quantiles),
        first_ns=int(state.first_ns[slot]),
        last_ns=int(state.last_ns[slot]),
        opened=int(state.opener[slot]) >= 0 and bool(tally.sums[client, PLACE["syns"]]),
        handshake_ns=handshake_ns if handshake_ns >= 0 else None,
        ending=_ending(tally, client, server),
    )


def _ending(tally: Tally, client: int, server: int) -> Ending:
    finished = int(tally.sums[client, PLACE["fins"]] > 0) + int(tally.sums[server, PLACE["fins"]] > 0)
    if finished == 2:
        return "closed"
    if tally.sums[client, PLACE["resets"]] or tally.sums[server, PLACE["resets"]]:
        return "severed"
    return "half-closed" if finished else "open"


def _direction(
    flow: int, state: State, tally: Tally, interval: Interval | None, quantiles: dict[int, tuple[int, int]]
) -> Direction:
    sums = tally.sums[flow] if interval is None else tally.sums[flow] - interval.before[flow]
    least = tally.extremes["least_ns"] if interval is None else interval.least_ns
    seen, answered = bool(tally.sums[flow, PLACE["segments"]]), bool(tally.sums[flow ^ 1, PLACE["segments"]])
    words = tuple(state.words[flow].tolist())
    scale = int(state.scale[flow])
    extremes = tally.extremes
    syns = tally.sums[flow, PLACE["syns"]]
    return Direction(
        address=address_text(words[:4]),
        port=words[4],
        counts=dict(zip(SUMS, sums.tolist(), strict=True)) if seen else None,
        round_trips=_round_trips(sums, int(least[flow]), quantiles.get(flow)),
        opening_round_trip_ns=_known(extremes["opening_ns"][flow]),
        window_bytes=_known(extremes["window"][flow]),
        window_least_bytes=_known(extremes["window_least"][flow]),
        window_most_bytes=_known(extremes["window_most"][flow]),
        window_scale=None if scale == -1 else max(scale, 0),
        mss=_known(extremes["mss"][flow]),
        sack_permitted=bool(extremes["sack_permitted"][flow]) if syns else None,
        stamps=bool(extremes["stamps"][flow]) if syns else None,
        least_round_trip_ns=_known(extremes["least_ns"][flow]),
        flight_most_bytes=_known(extremes["flight_most"][flow]),
        acked_octets=int(sums[PLACE["acked_octets"]]) if seen and answered else None,
    )


def _round_trips(sums: Column, least_ns: int, quantiles: tuple[int, int] | None) -> RoundTripSummary | None:
    count = int(sums[PLACE["round_trips"]])
    if not count or quantiles is None:
        return None
    mean_ns = int(sums[PLACE["round_trip_sum_ns"]]) // count
    return RoundTripSummary(
        count=count, least_ns=least_ns, median_ns=quantiles[0], p95_ns=quantiles[1], mean_ns=mean_ns
    )


def _known(value: np.int64) -> int | None:
    return None if value in (-1, _NEVER) else int(value)
