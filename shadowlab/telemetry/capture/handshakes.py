"""What is agreed when a connection opens: who opens it, window scales, the first round trip.

In: :class:`Segments` and :class:`Rows` of a piece.  Out: the state's ``opener``, ``scale``, ``syn_ns``,
``handshake_ns``.  Never: a window scale that only one side offered (RFC 7323, 1.3).
"""

from __future__ import annotations

import numpy as np

from shadowlab.telemetry.capture.packets.frames import Column
from shadowlab.telemetry.capture.packets.segments import ACK, FIN, SYN, UNKNOWN, Segments
from shadowlab.telemetry.capture.rows import Rows
from shadowlab.telemetry.capture.state import State

NOT_USED = -2


def learn_handshakes(segments: Segments, slot_flow: Column, rows: Rows, state: State) -> None:
    """Update the state from the SYNs of a piece and the first ACKs after them."""
    opening = np.flatnonzero((segments.flags & SYN) != 0)
    if len(opening):
        answer = (segments.flags[opening] & ACK) != 0
        _learn(segments.scale[opening[~answer]], slot_flow[opening[~answer]], state, answer=False)
        _learn(segments.scale[opening[answer]], slot_flow[opening[answer]], state, answer=True)
        state.syn_end[slot_flow[opening]] = (segments.sequence[opening] + 1) & 0xFFFF_FFFF
    closing = np.flatnonzero((segments.flags & FIN) != 0)
    state.fin_end[slot_flow[closing]] = (segments.sequence[closing] + segments.length[closing] + 1) & 0xFFFF_FFFF
    pure = rows.is_real & ((rows.flags & (SYN | ACK)) == SYN)
    waiting = (state.handshake_ns[rows.slots] < 0) & (state.syn_ns[rows.slots] >= 0)
    if pure.any() or waiting.any():
        _first_round_trips(rows, pure, state)


def _learn(scale: Column, flow: Column, state: State, *, answer: bool) -> None:
    without = flow[scale == UNKNOWN]
    used, shift = flow[scale != UNKNOWN], scale[scale != UNKNOWN]
    refused = state.scale[used ^ 1] == NOT_USED if answer else np.zeros(len(used), bool)
    state.scale[used] = np.where(refused, NOT_USED, shift)
    state.scale[without] = NOT_USED
    state.scale[without ^ 1] = NOT_USED
    slot, direction = flow >> 1, (flow & 1).astype(np.int8)
    if answer:
        unknown = state.opener[slot] < 0
        state.opener[slot[unknown]] = 1 - direction[unknown]
    else:
        state.opener[slot] = direction


def _first_round_trips(rows: Rows, pure: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], state: State) -> None:
    index = np.arange(rows.count)
    local = rows.flow >> 1
    begin = rows.starts[local]
    last = np.maximum.accumulate(np.where(pure, index, -1))
    here = last >= begin
    sent_ns = np.where(here, rows.at_ns[last], state.syn_ns[rows.slots][local])
    took_ns = rows.at_ns - sent_ns
    first = np.flatnonzero(
        rows.is_real
        & ((rows.flags & (SYN | ACK)) == ACK)
        & (sent_ns >= 0)
        & (took_ns > 0)
        & (state.handshake_ns[rows.slots] < 0)[local]
    )
    _, position = np.unique(local[first], return_index=True)
    row = first[position]
    state.handshake_ns[rows.slots[local[row]]] = took_ns[row]
    final = np.append(rows.starts[1:], rows.count) - 1
    state.syn_ns[rows.slots] = np.where(here[final], sent_ns[final], state.syn_ns[rows.slots])
