"""A capture is read from its beginning to its end; connections are told as they end, or interval by interval.

In: a capture's octets in blocks.  Out: an :class:`Analysis`, which yields :class:`Told`.  Never: more than
:data:`MOST_TRACKED` connections at a time: beyond that the ones that ended, then the ones quiet the longest, are told
and forgotten, and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shadowlab.telemetry.capture.connections import Connections
from shadowlab.telemetry.capture.gaps import Gaps
from shadowlab.telemetry.capture.handshakes import learn_handshakes
from shadowlab.telemetry.capture.packets.account import Account
from shadowlab.telemetry.capture.packets.frames import PIECE_BYTES, Column, Frames
from shadowlab.telemetry.capture.packets.network_layer import locate
from shadowlab.telemetry.capture.packets.open import read_frames
from shadowlab.telemetry.capture.packets.segments import read_segments
from shadowlab.telemetry.capture.round_trips import RoundTrips, Samples
from shadowlab.telemetry.capture.rows import Rows
from shadowlab.telemetry.capture.state import State
from shadowlab.telemetry.capture.summary import Connection, summarise
from shadowlab.telemetry.capture.tally import PLACE, Interval, Tally
from shadowlab.telemetry.capture.verdicts import judge

MOST_TRACKED = 200_000
"""Connections tracked at a time; each takes about 2 kB."""
_KEPT_OF = 0.75
"""Share of them that stays when room is made."""
_MOST_AT_ONCE = 4096


OnPiece = Callable[[Column, Column, Column], None]
"""Is given frame numbers, their verdicts (bits of Verdict), and round trips in nanoseconds; unordered."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """A connection, over the time from ``from_ns`` to ``to_ns``.  ``final``: nothing more will be told of it."""

    connection: Connection
    from_ns: int
    to_ns: int
    final: bool


class Analysis:
    """One reading of one capture.  ``account`` is complete after the last :class:`Told`.

    With ``interval_ns`` every connection is told for every interval (aligned to multiples of it since 1970) in which it
    was seen; without, once, when it ends, is forgotten, or the capture ends.  ``on_piece`` is told of every frame.
    """

    def __init__(
        self,
        account: Account,
        *,
        interval_ns: int | None = None,
        most_tracked: int = MOST_TRACKED,
        piece_bytes: int = PIECE_BYTES,
        on_piece: OnPiece | None = None,
    ) -> None:
        if interval_ns is not None and interval_ns <= 0:
            raise ValueError(f"an interval must be longer than 0 ns, got {interval_ns}")
        self.account = account
        self.forgotten = 0
        """Connections told before their end, to make room."""
        self._interval_ns = interval_ns
        self._most_tracked = most_tracked
        self._piece_bytes = piece_bytes
        self._on_piece = on_piece
        self._state = State()
        self._connections = Connections(self._state, account)
        self._round_trips = RoundTrips()
        self._gaps = Gaps()
        self._interval = Interval() if interval_ns is not None else None
        self._tally = Tally(self._interval)
        self._bucket: int | None = None
        self._touched = np.zeros(0, bool)

    @property
    def connections(self) -> int:
        """Connections that began (or were seen first) so far."""
        return self._connections.begun

    def read(self, blocks: Iterator[bytes]) -> Iterator[Told]:
        """Read it all.  Raises InputError if it is no capture."""
        for frames in read_frames(blocks, self.account, piece_bytes=self._piece_bytes):
            yield from self._take(frames)
        if self._interval is not None:
            yield from self._close_interval()
        yield from self._end(np.flatnonzero(self._state.live))
        if self._round_trips.forgotten:
            self.account.leave_out(
                "a segment without an answer that was forgotten to bound memory", self._round_trips.forgotten
            )

    def _take(self, frames: Frames) -> Iterator[Told]:
        state, tally = self._state, self._tally
        segments = read_segments(frames, locate(frames, self.account), self.account)
        if not len(segments):
            return
        segments, flow = self._connections.assign(segments)
        if not len(segments):
            return
        tally.make_room(state)
        rows = Rows(segments, flow, state)
        learn_handshakes(segments, flow, rows, state)
        verdicts = judge(rows, state, self._gaps)
        samples = self._round_trips.sample(rows, verdicts.bits, state)
        tally.learn_options(segments, flow)
        if self._on_piece is not None:
            number = segments.number[rows.order[rows.is_real] - rows.carried]
            self._on_piece(number, verdicts.bits[rows.is_real], samples.took_ns)
        real = rows.at_ns[rows.is_real]
        local = (rows.flow >> 1)[rows.is_real]
        first = np.full(len(rows.slots), np.iinfo(np.int64).max)
        last = np.full(len(rows.slots), -1)
        np.minimum.at(first, local, real)
        np.maximum.at(last, local, real)
        known = state.first_ns[rows.slots]
        state.first_ns[rows.slots] = np.where(known >= 0, np.minimum(known, first), first)
        if self._interval is None:
            tally.add(rows, verdicts.bits, samples, state, None)
        else:
            yield from self._by_interval(rows, segments.at_ns, verdicts.bits, samples)
        state.last_ns[rows.slots] = np.maximum(state.last_ns[rows.slots], last)
        rows.keep(state, verdicts.bits, verdicts.changed_row, verdicts.duplicates)
        yield from self._make_room()

    def _by_interval(self, rows: Rows, at_ns: Column, bits: Column, samples: Samples) -> Iterator[Told]:
        """Count piece by piece of time.  A clock that runs backwards does not reopen an interval."""
        assert self._interval_ns is not None
        in_order = np.maximum.accumulate(at_ns // self._interval_ns)
        if self._bucket is not None:
            in_order = np.maximum(in_order, self._bucket)
        bucket = np.full(rows.count, -1, np.int64)
        bucket[rows.is_real] = in_order[rows.order[rows.is_real] - rows.carried]
        for one in np.unique(in_order).tolist():
            if self._bucket is not None and one != self._bucket:
                yield from self._close_interval()
            self._bucket = one
            flows = self._tally.add(rows, bits, samples, self._state, bucket == one)
            if len(self._touched) < self._state.capacity:
                self._touched = np.append(self._touched, np.zeros(self._state.capacity - len(self._touched), bool))
            self._touched[flows >> 1] = True

    def _close_interval(self) -> Iterator[Told]:
        """Tell every connection that was seen since the interval began."""
        if self._interval is None or self._interval_ns is None or self._bucket is None:
            return
        slots = np.flatnonzero(self._touched)
        from_ns = self._bucket * self._interval_ns
        yield from self._tell(slots, self._interval, from_ns, from_ns + self._interval_ns, final=False)
        self._interval.begin(self._tally, np.concatenate([slots * 2, slots * 2 + 1]))
        self._touched[slots] = False

    def _tell(
        self, slots: Column, interval: Interval | None, from_ns: int | None, to_ns: int | None, *, final: bool
    ) -> Iterator[Told]:
        for begin in range(0, len(slots), _MOST_AT_ONCE):
            some = slots[begin : begin + _MOST_AT_ONCE]
            for one in summarise(some, self._state, self._tally, interval):
                yield Told(
                    connection=one,
                    from_ns=one.first_ns if from_ns is None else from_ns,
                    to_ns=one.last_ns if to_ns is None else to_ns,
                    final=final,
                )

    def _make_room(self) -> Iterator[Told]:
        replaced = np.array(self._connections.replaced, np.int64)
        self._connections.replaced.clear()
        yield from self._end(replaced)
        excess = self._state.used - self._most_tracked
        if excess <= 0:
            return
        live = np.flatnonzero(self._state.live)
        over = self._is_over(live)
        excess += int(self._most_tracked * (1 - _KEPT_OF))
        order = np.lexsort((self._state.last_ns[live], ~over))  # the ended ones first, then by quietness
        chosen = live[order[:excess]]
        early = int(np.count_nonzero(~over[order[:excess]]))
        self.forgotten += early
        self.account.leave_out("a connection told before its end, to bound memory", early)
        yield from self._end(chosen)

    def _is_over(self, slots: Column) -> NDArray[np.bool_]:
        sums = self._tally.sums
        fins, resets = sums[:, PLACE["fins"]], sums[:, PLACE["resets"]]
        both = (fins[slots * 2] > 0) & (fins[slots * 2 + 1] > 0)
        over: NDArray[np.bool_] = both | (resets[slots * 2] > 0) | (resets[slots * 2 + 1] > 0)
        return over

    def _end(self, slots: Column) -> Iterator[Told]:
        """Tell these connections (or the rest of their last interval) and free what is remembered of them."""
        if not len(slots):
            return
        slots = slots[np.argsort(self._state.last_ns[slots], kind="stable")]
        if self._interval is None:
            yield from self._tell(slots, None, None, None, final=True)
        elif self._bucket is not None and self._interval_ns is not None:
            from_ns = self._bucket * self._interval_ns
            seen = slots[self._touched[slots]]
            yield from self._tell(seen, self._interval, from_ns, from_ns + self._interval_ns, final=True)
            self._touched[slots] = False
        self._tally.reset(np.concatenate([slots * 2, slots * 2 + 1]))
        self._round_trips.forget(slots, self._state.capacity)
        self._gaps.forget(slots, self._state.capacity)
        self._connections.forget(slots)
