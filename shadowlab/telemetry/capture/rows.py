"""The segments of one piece, connection by connection, with what came before them in earlier pieces.

In: :class:`Segments`, their flows, :class:`State`.  Out: :class:`Rows`: columns in the order (connection, capture), and
for every row which row came before it in its own direction and which in the other.  Never: a loop over connections: a
running maximum over *all* rows becomes one per connection by adding a step between connections that is larger than any
sequence number.

For each flow that was seen in earlier pieces one *carried* row stands before the connection's first: it says what the
state knows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shadowlab.telemetry.capture.packets.frames import Column
from shadowlab.telemetry.capture.packets.segments import ACK, FIN, RST, SYN, Segments, signed
from shadowlab.telemetry.capture.state import State

STEP = 1 << 42
NEVER = -(1 << 40)
"""Below every sequence number that is relative to a flow's base."""
_FARTHEST = 1 << 39
_FAR = 1 << 30
_MASK = 0xFFFF_FFFF

Mask = NDArray[np.bool_]


class Rows:
    """Columns of equal length; attributes ending in ``_row`` are row numbers, -1 for none.

    ``local`` numbers the connections of this piece from 0, ``flow`` is ``local * 2 + direction``; ``slots[local]`` is
    the state's slot.  ``begin`` and ``end`` are the sequence numbers of a segment relative to ``base[flow]`` (not
    wrapping), ``reached`` the highest ``end`` of the flow up to and with this row, ``reached_row`` the row that set it.
    ``acked`` is the acknowledged number relative to the base of the *other* flow, ``top`` the highest of these.
    """

    def __init__(self, segments: Segments, slot_flow: Column, state: State) -> None:
        self.segments = segments
        self.slots, local = np.unique(slot_flow >> 1, return_inverse=True)
        flow = local * 2 + (slot_flow & 1)
        both = np.empty(2 * len(self.slots), np.int64)
        both[0::2], both[1::2] = self.slots * 2, self.slots * 2 + 1
        self.state_flow = both
        """The state's flow of each local flow."""
        carried = np.flatnonzero(state.seen[both])
        self.carried = len(carried)
        total = len(carried) + len(flow)
        all_flow = np.concatenate([carried, flow])
        keyed = ((all_flow >> 1) << 32) | np.arange(total)
        order = np.sort(keyed) & _MASK
        self.order = order
        """Row i is the order[i]-th of: carried rows, then segments."""
        self.flow = all_flow[order]
        self.count = total
        self.is_real: Mask = order >= self.carried
        source = both[carried]

        def column(earlier: Column, now: Column) -> Column:
            joined: Column = np.concatenate([earlier, now])[order]
            return joined

        self.sequence = column(state.next[source], segments.sequence)
        self.ack = column(state.ack[source], segments.acknowledged)
        self.window = column(state.window[source], segments.window)
        self.at_ns = column(state.ack_ns[source], segments.at_ns)
        none = np.zeros(len(source), np.int64)
        self.length = column(none, segments.length)
        flags = segments.flags.astype(np.int64)
        self.flags = column(none, flags)
        self.is_syn: Mask = column(state.last_was_syn[source].astype(np.int64), flags & SYN) != 0
        self._link()
        self._number(column(state.top_ack[source], np.where((flags & (ACK | RST)) == ACK, segments.acknowledged, -1)))
        self.reached_at_ns = column(state.next_ns[source], segments.at_ns)
        self.ack_changed_ns = column(state.ack_changed_ns[source], segments.at_ns)
        self.duplicates_before = column(state.duplicates[source], np.zeros(len(flow), np.int64))
        self.bits_before = column(state.bits[source], np.zeros(len(flow), np.int64))

    def _link(self) -> None:
        """Who came before whom."""
        index = np.arange(self.count)
        local = self.flow >> 1
        starts = np.flatnonzero(np.diff(local, prepend=-1))
        self.starts = starts
        """The first row of each local connection."""
        begin = np.repeat(starts, np.diff(starts, append=self.count))
        self.second = (self.flow & 1).astype(bool)
        row_of_0 = np.maximum.accumulate(np.where(self.second, -1, index))
        row_of_1 = np.maximum.accumulate(np.where(self.second, index, -1))
        opposite = np.where(self.second, row_of_0, row_of_1)
        before_0, before_1 = np.roll(row_of_0, 1), np.roll(row_of_1, 1)
        before_0[:1] = before_1[:1] = -1
        before = np.where(self.second, before_1, before_0)
        self.before_row = np.where(before >= begin, before, -1)
        self.opposite_row = np.where(opposite >= begin, opposite, -1)
        self.has_before: Mask = self.before_row >= 0
        self.has_opposite: Mask = self.opposite_row >= 0
        self.step = local * STEP

    def _number(self, top_raw: Column) -> None:
        """Sequence numbers relative to the base of their flow."""
        flows = 2 * len(self.slots)
        base = np.full(flows, -1, np.int64)
        acking = np.flatnonzero(top_raw >= 0)[::-1]
        base[self.flow[acking] ^ 1] = top_raw[acking]
        base[self.flow[::-1]] = self.sequence[::-1]
        base[base < 0] = 0
        self.base = base
        begin = signed(self.sequence - base[self.flow])
        moving = (self.flags & RST) == 0
        if np.abs(begin[moving]).max(initial=0) >= _FAR:
            begin = self._unwrapped(moving, begin)
        self.begin = begin
        self.advance = self.length + ((self.flags & (SYN | FIN)) != 0)
        self.end = begin + self.advance
        self.set_reached(np.zeros(self.count, bool))
        nearest = np.where(self.has_opposite, self.reached[self.opposite_row], 0)
        acked = nearest + signed(top_raw - (base[self.flow ^ 1] + nearest))
        self.acked = np.where(top_raw >= 0, np.clip(acked, -_FARTHEST, _FARTHEST), NEVER)
        self.top = self.running_maximum(self.acked)
        self.top_before = np.where(self.has_before, self.top[self.before_row], NEVER)

    def _unwrapped(self, moving: Mask, simple: Column) -> Column:
        """For flows that move gigabytes within a piece: add up the differences from segment to segment."""
        step = np.where(
            self.has_before & moving, signed(self.sequence - self.sequence[self.before_row]), 0
        )  # a reset's number is not trusted: the one after it is compared with it, and corrects it
        sums = np.where(
            self.second, np.cumsum(np.where(self.second, step, 0)), np.cumsum(np.where(self.second, 0, step))
        )
        first = np.zeros(2 * len(self.slots), np.int64)
        first[self.flow[::-1]] = sums[::-1]
        moved = np.clip(sums - first[self.flow], -_FARTHEST, _FARTHEST)
        return np.where(moving, moved, simple)

    def set_reached(self, standing: Mask) -> None:
        """Work out ``reached`` and ``reached_row``; rows of ``standing`` do not move it (zero-window probes)."""
        end = np.where(standing, NEVER, self.end)
        self.reached = self.running_maximum(end)
        self.reached_before = np.where(self.has_before, self.reached[self.before_row], NEVER)
        self.reached_row = self.latest((end > self.reached_before) | ~self.is_real)

    def running_maximum(self, values: Column) -> Column:
        """Of each row: the greatest value of its flow so far, this row's with it."""
        first = np.maximum.accumulate(np.where(self.second, NEVER, values) + self.step)
        second = np.maximum.accumulate(np.where(self.second, values, NEVER) + self.step)
        greatest: Column = np.where(self.second, second, first) - self.step
        return greatest

    def running_sum(self, values: Column) -> Column:
        """Of each row: a sum over the rows of its direction so far; only differences within a flow have a meaning."""
        first = np.cumsum(np.where(self.second, 0, values))
        second = np.cumsum(np.where(self.second, values, 0))
        return np.where(self.second, second, first)

    def latest(self, marked: Mask) -> Column:
        """Of each row: the last marked row of its flow, this row with it.  Every flow's first row must be marked."""
        index = np.arange(self.count)
        first = np.maximum.accumulate(np.where(marked & ~self.second, index, -1))
        second = np.maximum.accumulate(np.where(marked & self.second, index, -1))
        found: Column = np.where(self.second, second, first)
        return found

    def last_rows(self) -> tuple[Column, Column]:
        """The local flows that occur, and the last row of each."""
        last = np.full(2 * len(self.slots), -1, np.int64)
        last[self.flow] = np.arange(self.count)
        present = np.flatnonzero(last >= 0)
        return present, last[present]

    def keep(self, state: State, bits: Column, changed_row: Column, duplicates: Column) -> None:
        """Write to the state what the next piece must know."""
        flows, last = self.last_rows()
        target = self.state_flow[flows]
        state.seen[target] = True
        state.next[target] = (self.base[flows] + self.reached[last]) & _MASK
        state.next_ns[target] = self.reached_at_ns[self.reached_row[last]]
        state.window[target] = self.window[last]
        state.ack[target] = self.ack[last]
        state.ack_ns[target] = self.at_ns[last]
        state.ack_changed_ns[target] = self.ack_changed_ns[changed_row[last]]
        top = self.top[last]
        state.top_ack[target] = np.where(top > NEVER, (self.base[flows ^ 1] + top) & _MASK, -1)
        state.duplicates[target] = duplicates[last]
        state.bits[target] = bits[last]
        state.last_was_syn[target] = self.is_syn[last]
