"""What became of one connection: the fuller result of a capture, of which records are an extract.

In: the state's and the tally's columns.  Out: :class:`Connection`, frozen.  Never: a zero for what was not seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Literal

import numpy as np

from shadowlab.telemetry.capture.packets.frames import Column
from shadowlab.telemetry.capture.state import State
from shadowlab.telemetry.capture.tally import PLACE, SUMS, Interval, RoundTripSummary, Tally

Ending = Literal["open", "half-closed", "closed", "severed"]
_NEVER = np.iinfo(np.int64).max
_OF_ALL_TIME = [PLACE[name] for name in ("segments", "syns", "fins", "resets")]
_SEGMENTS, _SYNS, _FINS, _RESETS = range(4)
_ACKED, _ROUND_TRIPS, _ROUND_TRIP_SUM = PLACE["acked_octets"], PLACE["round_trips"], PLACE["round_trip_sum_ns"]


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
        return f"{words[3] >> 24}.{words[3] >> 16 & 255}.{words[3] >> 8 & 255}.{words[3] & 255}"
    return str(IPv6Address(words[0] << 96 | words[1] << 64 | words[2] << 32 | words[3]))


def summarise(slots: Column, state: State, tally: Tally, interval: Interval | None = None) -> list[Connection]:
    """The connections in these slots; with ``interval`` what they did since the one before."""
    batch = _Batch(slots, state, tally, interval)
    return [batch.connection(place) for place in range(len(slots))]


class _Batch:
    """The columns of some connections as lists: taken out of numpy one by one, numbers cost ten times as much."""

    def __init__(self, slots: Column, state: State, tally: Tally, interval: Interval | None) -> None:
        flows = np.stack([slots * 2, slots * 2 + 1], axis=1).ravel()
        pool = tally.pool if interval is None else interval.pool
        self._flows: list[int] = flows.tolist()
        self._quantiles = pool.quantiles(flows)
        self._all: list[list[int]] = tally.sums[flows][:, _OF_ALL_TIME].tolist()
        counted = tally.sums[flows] if interval is None else tally.sums[flows] - interval.before[flows]
        self._counted: list[list[int]] = counted.tolist()
        least = tally.extremes["least_ns"] if interval is None else interval.least_ns
        self._least: list[int] = least[flows].tolist()
        self._words: list[list[int]] = state.words[flows].tolist()
        self._scales: list[int] = state.scale[flows].tolist()
        self._extremes: dict[str, list[int | None]] = {
            name: [None if value in (-1, _NEVER) else value for value in column[flows].tolist()]
            for name, column in tally.extremes.items()
        }
        opened = state.opener[slots]
        self._opened: list[bool] = (opened >= 0).tolist()
        self._openers: list[int] = np.where(opened >= 0, opened, state.beginner[slots]).tolist()
        self._times: list[list[int]] = np.stack(
            [state.first_ns[slots], state.last_ns[slots], state.handshake_ns[slots]], axis=1
        ).tolist()

    def connection(self, place: int) -> Connection:
        """The connection of the slot at ``place``."""
        client, server = place * 2 + self._openers[place], place * 2 + 1 - self._openers[place]
        first_ns, last_ns, handshake_ns = self._times[place]
        return Connection(
            client=self._direction(client),
            server=self._direction(server),
            first_ns=first_ns,
            last_ns=last_ns,
            opened=self._opened[place] and self._all[client][_SYNS] > 0,
            handshake_ns=handshake_ns if handshake_ns >= 0 else None,
            ending=self._ending(client, server),
        )

    def _ending(self, client: int, server: int) -> Ending:
        finished = (self._all[client][_FINS] > 0) + (self._all[server][_FINS] > 0)
        if finished == 2:
            return "closed"
        if self._all[client][_RESETS] or self._all[server][_RESETS]:
            return "severed"
        return "half-closed" if finished else "open"

    def _direction(self, at: int) -> Direction:
        counted, extremes, words = self._counted[at], self._extremes, self._words[at]
        seen, answered = self._all[at][_SEGMENTS] > 0, self._all[at ^ 1][_SEGMENTS] > 0
        syns = self._all[at][_SYNS]
        return Direction(
            address=address_text((words[0], words[1], words[2], words[3])),
            port=words[4],
            counts=dict(zip(SUMS, counted, strict=True)) if seen else None,
            round_trips=self._round_trips(at),
            opening_round_trip_ns=extremes["opening_ns"][at],
            window_bytes=extremes["window"][at],
            window_least_bytes=extremes["window_least"][at],
            window_most_bytes=extremes["window_most"][at],
            window_scale=None if self._scales[at] == -1 else max(self._scales[at], 0),
            mss=extremes["mss"][at],
            sack_permitted=bool(extremes["sack_permitted"][at]) if syns else None,
            stamps=bool(extremes["stamps"][at]) if syns else None,
            least_round_trip_ns=extremes["least_ns"][at],
            flight_most_bytes=extremes["flight_most"][at],
            acked_octets=counted[_ACKED] if seen and answered else None,
        )

    def _round_trips(self, at: int) -> RoundTripSummary | None:
        count = self._counted[at][_ROUND_TRIPS]
        quantiles = self._quantiles.get(self._flows[at]) if count else None
        if quantiles is None:
            return None
        return RoundTripSummary(
            count=count,
            least_ns=self._least[at],
            median_ns=quantiles[0],
            p95_ns=quantiles[1],
            mean_ns=self._counted[at][_ROUND_TRIP_SUM] // count,
        )
