"""Round trips: from a segment to the first acknowledgement of its last octet.

In: :class:`Rows` and their verdicts.  Out: :class:`Samples`.  Never: a sample from an acknowledgement that covers
octets sent twice: nobody knows which copy it answers (Karn and Partridge 1987; RFC 6298, 3).

A round trip is measured from the place of the capture to the receiver and back.  It contains the receiver's delay of
the acknowledgement (up to 40 ms with Linux).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shadowlab.telemetry.capture.packets.frames import Column
from shadowlab.telemetry.capture.packets.segments import ACK, RST, SYN, signed
from shadowlab.telemetry.capture.rows import NEVER, STEP, Rows
from shadowlab.telemetry.capture.state import State
from shadowlab.telemetry.capture.verdicts import Verdict

MOST_OUTSTANDING = 1 << 18
"""Segments without an answer that are remembered from piece to piece; of more, the newest."""
_DOUBTFUL = Verdict.RETRANSMISSION | Verdict.FAST_RETRANSMISSION | Verdict.OUT_OF_ORDER
"""Not the spurious ones, nor others that come after the acknowledgement of what they repeat."""
_MASK = 0xFFFF_FFFF


@dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """``row`` of the acknowledgement, local ``flow`` of the segment it answers, ``took_ns``, whether that was a SYN."""

    row: Column
    flow: Column
    took_ns: Column
    opening: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.row)


class RoundTrips:
    """Remembers the segments that no acknowledgement has reached yet."""

    def __init__(self) -> None:
        nothing = np.zeros(0, np.int64)
        self._flow = self._end = self._at_ns = nothing
        self._doubtful = self._opening = np.zeros(0, bool)
        self.forgotten = 0
        """Segments dropped because more than MOST_OUTSTANDING were without an answer."""

    def sample(self, rows: Rows, bits: Column, state: State) -> Samples:
        """The samples that end in this piece, in the order of the rows."""
        sent = np.flatnonzero(rows.is_real & (rows.advance > 0))
        local_of = np.full(state.capacity * 2, -1, np.int64)
        local_of[rows.state_flow] = np.arange(len(rows.state_flow))
        earlier = local_of[self._flow]
        mine = earlier >= 0
        flow = np.concatenate([earlier[mine], rows.flow[sent]])
        base = rows.base[earlier[mine]]
        end = np.concatenate([signed(self._end[mine] - base), rows.end[sent]])
        at_ns = np.concatenate([self._at_ns[mine], rows.at_ns[sent]])
        row = np.concatenate([np.full(int(mine.sum()), -1, np.int64), sent])
        opposite = rows.opposite_row[sent]
        answered = (opposite >= 0) & (rows.end[sent] <= rows.top[opposite])
        doubtful = np.concatenate([self._doubtful[mine], ((bits[sent] & _DOUBTFUL) != 0) & ~answered])
        opening = np.concatenate([self._opening[mine], (rows.flags[sent] & SYN) != 0])
        key = flow * STEP + end
        order = np.argsort(key, kind="stable")
        samples = _matched(rows, key[order], order, at_ns, row, opening, np.sort(key[doubtful]))
        self._remember(rows, mine, flow, end, at_ns, doubtful, opening)
        return samples

    def _remember(
        self,
        rows: Rows,
        mine: NDArray[np.bool_],
        flow: Column,
        end: Column,
        at_ns: Column,
        doubtful: NDArray[np.bool_],
        opening: NDArray[np.bool_],
    ) -> None:
        flows, last = rows.last_rows()
        top = np.full(len(rows.base), NEVER, np.int64)
        top[flows ^ 1] = rows.top[last]
        open_still = end > top[flow]
        base = rows.base[flow[open_still]]
        parts = (
            (self._flow[~mine], rows.state_flow[flow[open_still]]),
            (self._end[~mine], (end[open_still] + base) & _MASK),
            (self._at_ns[~mine], at_ns[open_still]),
            (self._doubtful[~mine], doubtful[open_still]),
            (self._opening[~mine], opening[open_still]),
        )
        joined = [np.concatenate(part) for part in parts]
        excess = len(joined[0]) - MOST_OUTSTANDING
        if excess > 0:
            newest = np.sort(np.argsort(joined[2], kind="stable")[excess:])
            joined = [one[newest] for one in joined]
            self.forgotten += excess
        self._flow, self._end, self._at_ns, self._doubtful, self._opening = joined

    def forget(self, slots: Column, capacity: int) -> None:
        """These connections are over."""
        gone = np.zeros(capacity, bool)
        gone[slots] = True
        keep = ~gone[self._flow >> 1]
        if not keep.all():
            self._flow, self._end = self._flow[keep], self._end[keep]
            self._at_ns, self._doubtful, self._opening = self._at_ns[keep], self._doubtful[keep], self._opening[keep]


def _matched(
    rows: Rows, key: Column, order: Column, at_ns: Column, row: Column, opening: NDArray[np.bool_], doubtful: Column
) -> Samples:
    """Acknowledgements that move on, each with the first segment that ended there."""
    answers = np.flatnonzero(
        rows.is_real & ((rows.flags & (ACK | RST)) == ACK) & (rows.acked > rows.top_before) & (rows.acked > NEVER)
    )
    flow = rows.flow[answers] ^ 1
    wanted = flow * STEP + rows.acked[answers]
    found = np.searchsorted(key, wanted)
    hit = found < len(key)
    found = np.minimum(found, max(len(key) - 1, 0))
    if not len(key):
        nothing = np.zeros(0, np.int64)
        return Samples(row=nothing, flow=nothing, took_ns=nothing, opening=np.zeros(0, bool))
    segment = order[found]
    hit &= (key[found] == wanted) & (row[segment] < answers)
    answers, flow, wanted, segment = answers[hit], flow[hit], wanted[hit], segment[hit]
    took_ns = rows.at_ns[answers] - at_ns[segment]
    floor = flow * STEP + np.maximum(rows.top_before[answers], NEVER)
    clean = np.searchsorted(doubtful, wanted, "right") == np.searchsorted(doubtful, floor, "right")
    good = clean & (took_ns >= 0)
    return Samples(row=answers[good], flow=flow[good], took_ns=took_ns[good], opening=opening[segment[good]])
