"""What is unusual about each segment, in the words of Wireshark's "TCP Analysis".

In: :class:`Rows`.  Out: :class:`Verdicts`.  Never: a guess from one direction about the other: a rule that needs the
other direction says nothing where it was not captured.

The rules are those of the chapter "TCP Analysis" of the Wireshark User's Guide (7.5), with the constants of Wireshark
4.0: 20 ms for fast retransmissions, 3 ms or the handshake's round trip for out-of-order.  Three further marks are ours:
``RESENT`` (certainly sent twice), ``TIMED_OUT`` (sent again because a timer ran out) and ``DISORDERED`` (out of order,
and not sent twice).
docs/reference/captures.md lists every difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

import numpy as np
from numpy.typing import NDArray

from shadowlab.telemetry.capture.gaps import Gaps
from shadowlab.telemetry.capture.packets.frames import Column
from shadowlab.telemetry.capture.packets.segments import ACK, FIN, RST, SYN, signed
from shadowlab.telemetry.capture.rows import Rows
from shadowlab.telemetry.capture.state import State

FAST_WITHIN_NS = 20_000_000
DISORDER_WITHIN_NS = 3_000_000
SHORTEST_TIMEOUT_NS = 200_000_000
"""Linux' TCP_RTO_MIN, the shortest retransmission timeout of any common stack."""
_MOST_LOOKS = 16
_UNUSUAL_FLAGS = SYN | FIN | RST


class Verdict(IntFlag):
    """Bits of one segment; several may be set."""

    RETRANSMISSION = 1 << 0
    FAST_RETRANSMISSION = 1 << 1
    SPURIOUS_RETRANSMISSION = 1 << 2
    OUT_OF_ORDER = 1 << 3
    LOST_SEGMENT = 1 << 4
    ACKED_UNSEEN = 1 << 5
    DUPLICATE_ACK = 1 << 6
    ZERO_WINDOW = 1 << 7
    WINDOW_FULL = 1 << 8
    WINDOW_UPDATE = 1 << 9
    KEEP_ALIVE = 1 << 10
    KEEP_ALIVE_ACK = 1 << 11
    ZERO_WINDOW_PROBE = 1 << 12
    ZERO_WINDOW_PROBE_ACK = 1 << 13
    RESENT = 1 << 14
    TIMED_OUT = 1 << 15
    DISORDERED = 1 << 16


_AGAIN = Verdict.RETRANSMISSION | Verdict.FAST_RETRANSMISSION | Verdict.SPURIOUS_RETRANSMISSION


@dataclass(frozen=True, kw_only=True, eq=False)
class Verdicts:
    """Columns like those of :class:`Rows`: the bits; the duplicate ACKs of the flow so far, since the acknowledged
    number changed at ``changed_row``."""

    bits: Column
    duplicates: Column
    changed_row: Column


def judge(rows: Rows, state: State, gaps: Gaps) -> Verdicts:
    """The verdict on every row.  ``state`` must know the window scales and handshakes of this piece already."""
    before, opposite = rows.before_row, rows.opposite_row
    real, known, answered = rows.is_real, rows.has_before, rows.has_opposite
    length, flags, window, ack = rows.length, rows.flags, rows.window, rows.ack
    opposite_window = np.where(answered, window[opposite], -1)
    opposite_ack = ack[opposite]
    plain = (flags & _UNUSUAL_FLAGS) == 0
    bits = np.zeros(rows.count, np.int64)

    probes = real & known & (length == 1) & (opposite_window == 0)
    if probes.any():
        probes = _standing(rows, probes)
    expected = known & (rows.begin == rows.reached_before)
    normal = real & ~probes

    bits[probes] |= Verdict.ZERO_WINDOW_PROBE
    _mark(bits, Verdict.ZERO_WINDOW, normal & (window == 0) & plain)
    _mark(bits, Verdict.LOST_SEGMENT, normal & known & (rows.begin > rows.reached_before) & ((flags & RST) == 0))
    alive = normal & known & (length <= 1) & (rows.begin == rows.reached_before - 1) & plain
    _mark(bits, Verdict.KEEP_ALIVE, alive)

    same_ack = known & (ack == ack[before])
    bare = normal & (length == 0) & expected & same_ack & plain
    same_window = window == window[before]
    _mark(bits, Verdict.WINDOW_UPDATE, bare & (window != 0) & ~same_window)
    _mark(
        bits,
        Verdict.WINDOW_FULL,
        normal & (length > 0) & plain & answered & _fills_window(rows, state, opposite_window),
    )
    repeated = bare & same_window
    carried_bits = rows.bits_before | bits
    of_opposite = np.where(answered, carried_bits[opposite], 0)
    alive_ack = repeated & (window != 0) & ((of_opposite & Verdict.KEEP_ALIVE) != 0)
    probe_ack = repeated & (window == 0) & ((of_opposite & Verdict.ZERO_WINDOW_PROBE) != 0)
    _mark(bits, Verdict.KEEP_ALIVE_ACK, alive_ack)
    _mark(bits, Verdict.ZERO_WINDOW_PROBE_ACK, probe_ack)
    duplicate = repeated & (window != 0) & ~alive_ack
    _mark(bits, Verdict.DUPLICATE_ACK, duplicate)

    changed_row = rows.latest(~same_ack | ~real)
    weight = np.where(real, duplicate.astype(np.int64), rows.duplicates_before)
    summed = rows.running_sum(weight)
    duplicates = summed - (summed[changed_row] - weight[changed_row])
    unseen = normal & answered & ((flags & ACK) != 0) & (rows.acked > rows.reached[opposite]) & (
        rows.acked > rows.top_before
    )  # fmt: skip
    _mark(bits, Verdict.ACKED_UNSEEN, unseen)

    _retransmissions(rows, state, bits, duplicates, opposite_ack)
    _ours(rows, state, gaps, bits, changed_row)
    return Verdicts(bits=np.where(real, bits, rows.bits_before), duplicates=duplicates, changed_row=changed_row)


def _standing(rows: Rows, candidates: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which of the candidates are where the flow had arrived.  Those do not move it on, the others do; as long as that
    shows another candidate to be none, look again."""
    standing = candidates
    for _ in range(_MOST_LOOKS):
        rows.set_reached(standing)
        left = standing & (rows.begin == rows.reached_before)
        if (left == standing).all():
            break
        standing = left
    return standing


def _mark(bits: Column, verdict: Verdict, rows: NDArray[np.bool_]) -> None:
    bits[rows] |= int(verdict)


def _fills_window(rows: Rows, state: State, opposite_window: Column) -> NDArray[np.bool_]:
    """Whether the segment ends at the edge of the window that the other side announced last."""
    opposite = rows.opposite_row
    scale = state.scale[rows.state_flow[rows.flow ^ 1]].astype(np.int64)
    shift = np.where(rows.is_syn[opposite] | (scale < 0), 0, scale)  # the window of a SYN is never scaled
    edge = rows.ack[opposite] + (np.maximum(opposite_window, 0) << shift)
    fills: NDArray[np.bool_] = (scale != -1) & (((rows.sequence + rows.length - edge) & 0xFFFF_FFFF) == 0)
    return fills


def _handshakes(rows: Rows, state: State) -> Column:
    return np.repeat(state.handshake_ns[rows.slots], np.diff(rows.starts, append=rows.count))


def _retransmissions(rows: Rows, state: State, bits: Column, duplicates: Column, opposite_ack: Column) -> None:
    """The four kinds of segments that do not go on where the flow had arrived."""
    advancing = (rows.length > 0) | ((rows.flags & (SYN | FIN)) != 0)
    checked = rows.is_real & advancing & ((bits & Verdict.KEEP_ALIVE) == 0)
    acked_already = (
        checked
        & rows.has_opposite
        & (rows.length > 0)
        & (opposite_ack != 0)
        & (signed(rows.sequence + rows.length - opposite_ack) <= 0)
    )
    behind = checked & rows.has_before & (rows.begin < rows.reached_before)
    if not (behind | acked_already).any():
        return
    _mark(bits, Verdict.SPURIOUS_RETRANSMISSION, acked_already)
    behind &= ~acked_already & ~((rows.length > 1) & (rows.begin == rows.reached_before - 1))
    row = np.flatnonzero(behind)
    opposite, before = rows.opposite_row[row], rows.before_row[row]
    at_ns = rows.at_ns[row]
    since_ack = at_ns - rows.at_ns[opposite]
    fast = (
        rows.has_opposite[row]
        & (duplicates[opposite] >= 2)
        & (rows.ack[opposite] == rows.sequence[row])
        & (since_ack >= 0)
        & (since_ack < FAST_WITHIN_NS)
    )
    since_highest = at_ns - rows.reached_at_ns[rows.reached_row[before]]
    handshake = _handshakes(rows, state)[row]
    within = np.where(handshake > 0, handshake, DISORDER_WITHIN_NS)
    disorder = ~fast & (since_highest >= 0) & (since_highest < within) & (rows.end[row] != rows.reached_before[row])
    bits[row[fast]] |= int(Verdict.FAST_RETRANSMISSION)
    bits[row[disorder]] |= int(Verdict.OUT_OF_ORDER)
    bits[row[~fast & ~disorder]] |= int(Verdict.RETRANSMISSION)


def _ours(rows: Rows, state: State, gaps: Gaps, bits: Column, changed_row: Column) -> None:
    """RESENT, TIMED_OUT, DISORDERED."""
    row = np.flatnonzero((bits & (_AGAIN | Verdict.OUT_OF_ORDER)) != 0)
    skipping = np.flatnonzero((bits & Verdict.LOST_SEGMENT) != 0)
    first_time = gaps.filled_by(rows, skipping, row, state)
    if not len(row):
        return
    again = ~first_time | ((bits[row] & _AGAIN) != 0)
    bits[row[again]] |= int(Verdict.RESENT)
    bits[row[~again]] |= int(Verdict.DISORDERED)
    opposite = rows.opposite_row[row]
    waited = rows.at_ns[row] - rows.ack_changed_ns[changed_row[opposite]]
    late = (
        again
        & rows.has_opposite[row]
        & (rows.ack[opposite] == rows.sequence[row])
        & ((bits[row] & (Verdict.FAST_RETRANSMISSION | Verdict.SPURIOUS_RETRANSMISSION)) == 0)
        & (waited >= SHORTEST_TIMEOUT_NS + np.maximum(_handshakes(rows, state)[row], 0))
    )
    unanswered = ~rows.has_opposite[row] & ((rows.flags[row] & SYN) != 0)  # a SYN nobody has answered yet
    bits[row[late | (again & unanswered)]] |= int(Verdict.TIMED_OUT)
