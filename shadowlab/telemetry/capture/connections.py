"""Whose segment is it: addresses and ports become slots and directions.

In: :class:`Segments`.  Out: a flow number (slot * 2 + direction) per segment.  Never: a search per segment; addresses
and ports are hashed to 64 bits, and every segment is checked against a second, independent hash of 64 bits.

A SYN with another initial sequence number than the one before begins a new connection of the same ports.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shadowlab.telemetry.capture.packets.account import Account
from shadowlab.telemetry.capture.packets.frames import Column
from shadowlab.telemetry.capture.packets.network_layer import Addresses
from shadowlab.telemetry.capture.packets.segments import ACK, SYN, Segments
from shadowlab.telemetry.capture.state import State

_ODD = np.array(
    [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93, 0xA0761D6478BD642F], np.uint64
)
"""Odd constants with well-mixed bits, as multiplicative hashing wants them."""

Hash = NDArray[np.uint64]


class Connections:
    """Finds or begins the connection of every segment; ``replaced`` collects slots whose ports were used again."""

    def __init__(self, state: State, account: Account) -> None:
        self._state = state
        self._account = account
        self._slots: dict[int, int] = {}
        self.replaced: list[int] = []
        self.begun = 0

    def assign(self, segments: Segments) -> tuple[Segments, Column]:
        """The segments (without those of colliding hashes, which are counted) and the flow of each."""
        state = self._state
        sender = _endpoint(segments.source, segments.source_port)
        receiver = _endpoint(segments.target, segments.target_port)
        direction = (sender > receiver).astype(np.int64)
        low, high = np.minimum(sender, receiver), np.maximum(sender, receiver)
        pair, check = _mixed(low * _ODD[3] + high), _mixed(high * _ODD[4] ^ low)
        present, first, inverse = np.unique(pair, return_index=True, return_inverse=True)
        known = self._slots
        slots = np.array([known.get(one, -1) for one in present.tolist()], np.int64)
        new = np.flatnonzero(slots < 0)
        if len(new):
            slots[new] = state.take(len(new))
            known.update(zip(present[new].tolist(), slots[new].tolist(), strict=True))
            self._introduce(slots[new], first[new], segments, direction, pair, check)
        slot = slots[inverse]
        strange = state.check[slot] != check
        if strange.any():
            self._account.leave_out("a segment whose hash belongs to another connection", int(strange.sum()))
            segments, slot, direction, pair = (
                segments.select(~strange), slot[~strange], direction[~strange], pair[~strange]
            )  # fmt: skip
        return segments, self._split(segments, slot, direction) * 2 + direction

    def forget(self, slots: NDArray[np.int64]) -> None:
        """These connections are over; their ports may come again."""
        for pair, slot in zip(self._state.pair[slots].tolist(), slots.tolist(), strict=True):
            if self._slots.get(pair) == slot:
                del self._slots[pair]
        self._state.give_back(slots)

    def _introduce(
        self, slots: Column, rows: Column, segments: Segments, direction: Column, pair: Hash, check: Hash
    ) -> None:
        state = self._state
        state.pair[slots], state.check[slots] = pair[rows], check[rows]
        sender, receiver = slots * 2 + direction[rows], slots * 2 + 1 - direction[rows]
        state.words[sender, :4], state.words[sender, 4] = segments.source[rows], segments.source_port[rows]
        state.words[receiver, :4], state.words[receiver, 4] = segments.target[rows], segments.target_port[rows]
        state.beginner[slots] = direction[rows]
        self.begun += len(slots)

    def _split(self, segments: Segments, slot: Column, direction: Column) -> Column:
        """Give segments from a SYN with a new initial sequence number on a slot of their own."""
        state = self._state
        flow = slot * 2 + direction
        opening = np.flatnonzero((segments.flags & SYN) != 0)
        if not len(opening):
            self._learn_bases(segments, flow)
            return slot
        first_row = np.zeros(state.capacity, np.int64)
        first_row[slot[::-1]] = np.arange(len(slot))[::-1]
        fresh = (
            (first_row[slot[opening]] == opening) & ~state.seen[slot[opening] * 2] & ~state.seen[slot[opening] * 2 + 1]
        )
        later = opening[~fresh]
        pure = (segments.flags[later] & ACK) == 0
        if not pure.any():
            self._learn_bases(segments, flow)
            return slot
        self._learn_bases(segments, flow)
        splits = self._new_openings(segments, flow, opening)
        if not len(splits):
            return slot
        slots = state.take(len(splits))
        owner = slot[splits]
        self._introduce(slots, splits, segments, direction, state.pair[slot], state.check[slot])
        # Of the segments of one old slot, those from the k-th split of it on belong to that split's slot.
        order = np.argsort(slot, kind="stable")
        begins = np.zeros(len(slot), np.int64)
        place = np.empty(len(slot), np.int64)
        place[order] = np.arange(len(slot))
        in_order = np.argsort(place[splits])
        begins[np.sort(place[splits])] = 1
        counted = np.cumsum(begins)
        sorted_slot = slot[order]
        starts = np.concatenate([[True], sorted_slot[1:] != sorted_slot[:-1]])
        before = np.where(starts, counted - begins, 0)
        before = np.maximum.accumulate(before)
        split_slots = slots[in_order]
        moved = counted > before
        result = slot.copy()
        result[order[moved]] = split_slots[counted[moved] - 1]
        for old, new in zip(owner[in_order].tolist(), split_slots.tolist(), strict=True):
            pair = int(state.pair[old])
            self.replaced.append(self._slots[pair])
            self._slots[pair] = new
        state.base[slots * 2] = state.base[slots * 2 + 1] = -1
        self._learn_bases(segments, result * 2 + direction)
        return result

    def _learn_bases(self, segments: Segments, flow: Column) -> None:
        """The initial sequence number of flows that have none yet: of the SYN, or one before the first segment; else
        what the other side acknowledged first, less one."""
        base = self._state.base
        fresh = np.flatnonzero(base[flow] < 0)
        if len(fresh):
            rows = fresh[::-1]
            own = segments.sequence[rows] - ((segments.flags[rows] & SYN) == 0)
            base[flow[rows]] = own & 0xFFFF_FFFF
        other = flow ^ 1
        fresh = np.flatnonzero((base[other] < 0) & ((segments.flags & ACK) != 0))
        if len(fresh):
            rows = fresh[::-1]
            base[other[rows]] = (segments.acknowledged[rows] - 1) & 0xFFFF_FFFF

    def _new_openings(self, segments: Segments, flow: Column, opening: Column) -> Column:
        """Rows of SYNs (without ACK) that begin another connection: their number is not the base of their flow."""
        base: dict[int, int] = {}
        found: list[int] = []
        flags, numbers = segments.flags[opening].tolist(), segments.sequence[opening].tolist()
        for row, one, mark, number in zip(opening.tolist(), flow[opening].tolist(), flags, numbers, strict=True):
            before = base.get(one)
            if before is None:
                before = int(self._state.base[one])
            if not mark & ACK and number != before:
                found.append(row)
                base[one ^ 1] = -1
            base[one] = number
        return np.array(found, np.int64)


def _endpoint(address: Addresses, port: Column) -> Hash:
    value: Hash = port.astype(np.uint64) * _ODD[4]
    for column in range(4):
        value = _mixed(value + address[:, column].astype(np.uint64) * _ODD[column])
    return value


def _mixed(value: Hash) -> Hash:
    """The finaliser of splitmix64 (Steele, Lea, Flood 2014)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Hash = np.bitwise_xor(value, value >> np.uint64(31))
    return mixed
