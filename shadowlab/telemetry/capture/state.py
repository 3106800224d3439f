"""What must be remembered of each connection from one piece of a capture to the next.

In: nothing.  Out: :class:`State`, columns by slot (one connection) and by flow (slot * 2 + direction).  Never: a Python
object per connection.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SLOT_FIELDS: dict[str, tuple[str, int]] = {
    "live": ("?", 0),
    "pair": ("u8", 0),
    "check": ("u8", 0),
    "first_ns": ("i8", -1),
    "last_ns": ("i8", -1),
    "syn_ns": ("i8", -1),
    "handshake_ns": ("i8", -1),
    "opener": ("i1", -1),
    "beginner": ("i1", 0),
}
_FLOW_FIELDS: dict[str, tuple[str, int]] = {
    "seen": ("?", 0),
    "base": ("i8", -1),
    "next": ("i8", 0),
    "next_ns": ("i8", 0),
    "window": ("i8", -1),
    "ack": ("i8", 0),
    "ack_ns": ("i8", 0),
    "ack_changed_ns": ("i8", 0),
    "top_ack": ("i8", -1),
    "duplicates": ("i8", 0),
    "bits": ("i8", 0),
    "last_was_syn": ("?", 0),
    "scale": ("i1", -1),
    "syn_end": ("i8", -1),
    "fin_end": ("i8", -1),
}
_FIRST_CAPACITY = 256


class State:
    """Columns; a free slot has ``live`` false.  Unknown is -1.

    Of a flow: ``seen`` whether it sent anything; ``base`` its first sequence number less one; ``next`` the highest
    sequence number it reached and ``next_ns`` when; ``window``, ``ack`` and ``ack_ns`` of its last segment;
    ``ack_changed_ns`` since when ``ack`` is what it is; ``top_ack`` the highest it acknowledged; ``duplicates`` how
    many duplicate ACKs since then; ``bits`` the verdicts of its last segment; ``scale`` the window's shift (-2: not
    used); ``syn_end`` and ``fin_end`` the numbers behind its SYN and its FIN.

    Of a connection: ``syn_ns`` the last SYN, ``handshake_ns`` from there to the first ACK, ``opener`` the direction
    that sent the SYN, ``beginner`` the one that was seen first, ``pair`` and ``check`` the hashes of its addresses
    and ports.
    """

    live: NDArray[np.bool_]
    pair: NDArray[np.uint64]
    check: NDArray[np.uint64]
    first_ns: NDArray[np.int64]
    last_ns: NDArray[np.int64]
    syn_ns: NDArray[np.int64]
    handshake_ns: NDArray[np.int64]
    opener: NDArray[np.int8]
    beginner: NDArray[np.int8]
    seen: NDArray[np.bool_]
    base: NDArray[np.int64]
    next: NDArray[np.int64]
    next_ns: NDArray[np.int64]
    window: NDArray[np.int64]
    ack: NDArray[np.int64]
    ack_ns: NDArray[np.int64]
    ack_changed_ns: NDArray[np.int64]
    top_ack: NDArray[np.int64]
    duplicates: NDArray[np.int64]
    bits: NDArray[np.int64]
    last_was_syn: NDArray[np.bool_]
    scale: NDArray[np.int8]
    syn_end: NDArray[np.int64]
    fin_end: NDArray[np.int64]
    words: NDArray[np.uint32]
    """By flow: the sender's address (four words) and port."""

    def __init__(self) -> None:
        self.capacity = 0
        self._free: list[int] = []
        self._grow(_FIRST_CAPACITY)

    def take(self, count: int) -> NDArray[np.int64]:
        """Slots that were free, reset."""
        if len(self._free) < count:
            self._grow(max(2 * self.capacity, self.capacity + count))
        taken = np.array(self._free[-count:], np.int64)
        del self._free[-count:]
        for name, (_, empty) in _SLOT_FIELDS.items():
            getattr(self, name)[taken] = empty
        for name, (_, empty) in _FLOW_FIELDS.items():
            getattr(self, name)[taken * 2] = empty
            getattr(self, name)[taken * 2 + 1] = empty
        self.live[taken] = True
        return taken

    def give_back(self, slots: NDArray[np.int64]) -> None:
        """These slots are free again."""
        self.live[slots] = False
        self._free += slots.tolist()

    @property
    def used(self) -> int:
        """Connections that are being tracked."""
        return self.capacity - len(self._free)

    def _grow(self, capacity: int) -> None:
        added = capacity - self.capacity
        for fields, times in ((_SLOT_FIELDS, 1), (_FLOW_FIELDS, 2)):
            for name, (kind, empty) in fields.items():
                new = np.full(added * times, empty, kind)
                setattr(self, name, np.concatenate([getattr(self, name), new]) if self.capacity else new)
        words = np.zeros((added * 2, 5), np.uint32)
        self.words = np.concatenate([self.words, words]) if self.capacity else words
        self._free = list(range(capacity - 1, self.capacity - 1, -1)) + self._free
        self.capacity = capacity
