"""Octets that were not seen where they were due: may a segment that comes late be the first to bring them?

In: :class:`Rows` and which of them skip something.  Out: which late segments fill a gap.  Never: more gaps than
:data:`MOST_GAPS`; one that the other side has acknowledged is forgotten: what comes there later was sent twice.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shadowlab.telemetry.capture.packets.frames import Column
from shadowlab.telemetry.capture.packets.segments import signed
from shadowlab.telemetry.capture.rows import NEVER, STEP, Rows
from shadowlab.telemetry.capture.state import State

MOST_GAPS = 1 << 17
_MASK = 0xFFFF_FFFF


class Gaps:
    """Gaps of all flows, and where segments began that filled part of one."""

    def __init__(self) -> None:
        nothing = np.zeros(0, np.int64)
        self._open = _Places(nothing, nothing, nothing)
        self._filled = _Places(nothing, nothing, nothing)

    def filled_by(self, rows: Rows, skipping: Column, late: Column, state: State) -> NDArray[np.bool_]:
        """Which of the ``late`` rows begin in a gap where none began before.  ``skipping`` rows open gaps."""
        if not len(skipping) and not len(self._open.flow):
            return np.zeros(len(late), bool)
        local_of = np.full(state.capacity * 2, -1, np.int64)
        local_of[rows.state_flow] = np.arange(len(rows.state_flow))
        open_flow, opened, closed = self._open.in_piece(local_of, rows)
        open_flow = np.concatenate([open_flow, rows.flow[skipping]])
        opened = np.concatenate([opened, rows.reached_before[skipping]])
        closed = np.concatenate([closed, rows.begin[skipping]])
        filled_flow, filled, _ = self._filled.in_piece(local_of, rows)

        order = np.argsort(open_flow * STEP + opened, kind="stable")
        left, right = (open_flow * STEP + opened)[order], (open_flow * STEP + closed)[order]
        place = rows.flow[late] * STEP + rows.begin[late]
        found = np.searchsorted(left, place, side="right") - 1
        inside = (found >= 0) & (place < right[found]) if len(left) else np.zeros(len(late), bool)
        opposite = rows.opposite_row[late]
        inside &= (opposite < 0) | (rows.begin[late] >= rows.top[opposite])
        earlier = filled_flow * STEP + filled
        _, first = np.unique(np.concatenate([earlier, place]), return_index=True)
        earliest = np.zeros(len(earlier) + len(place), bool)
        earliest[first] = True
        fills: NDArray[np.bool_] = inside & earliest[len(earlier) :]

        flows, last = rows.last_rows()
        top = np.full(len(rows.base), NEVER, np.int64)
        top[flows ^ 1] = rows.top[last]
        self._open.keep(local_of, rows, top, open_flow, opened, closed)
        begin = rows.begin[late[fills]]
        filled_flow = np.concatenate([filled_flow, rows.flow[late[fills]]])
        filled = np.concatenate([filled, begin])
        self._filled.keep(local_of, rows, top, filled_flow, filled, filled + 1)
        return fills

    def forget(self, slots: Column, capacity: int) -> None:
        """These connections are over."""
        gone = np.zeros(capacity, bool)
        gone[slots] = True
        self._open.drop(gone)
        self._filled.drop(gone)


class _Places:
    """Ranges of sequence numbers (raw) by flow of the state."""

    def __init__(self, flow: Column, begin: Column, end: Column) -> None:
        self.flow, self._begin, self._end = flow, begin, end

    def in_piece(self, local_of: Column, rows: Rows) -> tuple[Column, Column, Column]:
        """Those of the connections of a piece, relative to its bases."""
        local = local_of[self.flow]
        mine = local >= 0
        base = rows.base[local[mine]]
        return local[mine], signed(self._begin[mine] - base), signed(self._end[mine] - base)

    def keep(self, local_of: Column, rows: Rows, top: Column, flow: Column, begin: Column, end: Column) -> None:
        """Replace those of a piece by these, without the ones that end at or below ``top`` of their flow."""
        other = local_of[self.flow] < 0
        needed = end > top[flow]
        flow, begin, end = flow[needed], begin[needed], end[needed]
        base = rows.base[flow]
        self.flow = np.concatenate([self.flow[other], rows.state_flow[flow]])[-MOST_GAPS:]
        self._begin = np.concatenate([self._begin[other], (begin + base) & _MASK])[-MOST_GAPS:]
        self._end = np.concatenate([self._end[other], (end + base) & _MASK])[-MOST_GAPS:]

    def drop(self, gone: NDArray[np.bool_]) -> None:
        """Without those of connections that are gone."""
        if len(self.flow):
            stays = ~gone[self.flow >> 1]
            self.flow, self._begin, self._end = self.flow[stays], self._begin[stays], self._end[stays]
