"""TCP headers and their options, as columns.

In: :class:`Located` headers.  Out: :class:`Segments`.  Never: the payload; its length follows from the IP header, so
frames may be cut behind the TCP header.

Sources: RFC 9293 (header, MSS), RFC 7323 (window scale, timestamps), RFC 2018 (SACK), RFC 2883 (DSACK).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from shadowlab.telemetry.capture.packets.account import Account
from shadowlab.telemetry.capture.packets.frames import Column, Frames, word_view
from shadowlab.telemetry.capture.packets.network_layer import Addresses, Located

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = (1 << bit for bit in range(8))
UNKNOWN = -1
_MSS, _SCALE, _PERMITTED, _SACK, _STAMPS = 2, 3, 4, 5, 8
_MOST_OPTIONS = 40
_STAMPS_FIRST = 0x0101080A
"""No-operation twice, then timestamps of length 10: how nearly every stack begins its options."""
_CONGESTION_EXPERIENCED = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Segments:
    """Columns of equal length, in the order of the capture.

    ``sequence`` and ``acknowledged`` are raw 32-bit numbers, ``window`` the raw 16-bit field, ``length`` the octets of
    payload.  ``mss`` and ``scale`` are -1 where the option is absent, ``echo`` (TSecr) and ``stamp`` (TSval) where
    there are no timestamps.  ``duplicate_sack``: the first SACK block reports octets received twice.
    """

    number: Column
    at_ns: Column
    source: Addresses
    target: Addresses
    source_port: Column
    target_port: Column
    sequence: Column
    acknowledged: Column
    flags: NDArray[np.uint8]
    window: Column
    length: Column
    mss: Column
    scale: Column
    stamp: Column
    echo: Column
    sack_permitted: NDArray[np.bool_]
    sack_blocks: NDArray[np.uint8]
    duplicate_sack: NDArray[np.bool_]
    congestion_experienced: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.at_ns)

    def select(self, rows: NDArray[np.bool_] | NDArray[np.int64] | slice) -> Segments:
        """Some of the rows."""
        return Segments(**{one.name: getattr(self, one.name)[rows] for one in fields(self)})


def read_segments(frames: Frames, located: Located, account: Account) -> Segments:
    """The TCP segments among frames; what is no whole TCP header is counted and left out."""
    octets = frames.octets
    halves, words = word_view(octets, ">u2"), word_view(octets, ">u4")
    cut = located.at + 20 > located.end
    at = np.where(cut, 0, located.at)
    header = (octets[at + 12] >> 4).astype(np.int64) * 4
    length = located.wire_end - located.at - header
    damaged = ~cut & ((header < 20) | (length < 0))
    account.leave_out("a frame cut (or ending) inside its headers", int(cut.sum()))
    account.leave_out("a TCP header whose lengths contradict each other", int(damaged.sum()))
    good: NDArray[np.bool_] | slice = slice(None)
    if (bad := cut | damaged).any():
        good = ~bad
    at, header, index = at[good], header[good], located.index[good]
    options = _Options(octets, at, header, located.end[good], account)
    return Segments(
        number=frames.number + index,
        at_ns=frames.at_ns[index],
        source=located.source[good],
        target=located.target[good],
        source_port=halves[at].astype(np.int64),
        target_port=halves[at + 2].astype(np.int64),
        sequence=words[at + 4].astype(np.int64),
        acknowledged=words[at + 8].astype(np.int64),
        flags=octets[at + 13],
        window=halves[at + 14].astype(np.int64),
        length=length[good],
        mss=options.mss,
        scale=options.scale,
        stamp=options.stamp,
        echo=options.echo,
        sack_permitted=options.permitted,
        sack_blocks=options.blocks,
        duplicate_sack=options.duplicate,
        congestion_experienced=located.marks[good] == _CONGESTION_EXPERIENCED,
    )


class _Options:
    """Reads the options of all headers side by side: the k-th option of each in the k-th turn."""

    def __init__(self, octets: NDArray[np.uint8], at: Column, header: Column, end: Column, account: Account) -> None:
        count = len(at)
        self._octets = octets
        self._halves, self._words = word_view(octets, ">u2"), word_view(octets, ">u4")
        self._acknowledged_at = at + 8
        self.mss = np.full(count, UNKNOWN, np.int64)
        self.scale = np.full(count, UNKNOWN, np.int64)
        self.stamp = np.full(count, UNKNOWN, np.int64)
        self.echo = np.full(count, UNKNOWN, np.int64)
        self.permitted = np.zeros(count, bool)
        self.blocks = np.zeros(count, np.uint8)
        self.duplicate = np.zeros(count, bool)
        limit = np.minimum(at + header, end)
        account.leave_out("TCP options cut by the snap length (the segment is used)", int((at + header > end).sum()))
        place = at + 20
        usual = np.flatnonzero(place + 12 <= limit)
        usual = usual[self._words[place[usual]] == _STAMPS_FIRST]
        self._take_stamps(usual, place[usual] + 2)
        place[usual] += 12
        waiting = np.flatnonzero(place < limit)
        for _ in range(_MOST_OPTIONS):
            if not len(waiting):
                break
            waiting, place = self._turn(waiting, place, limit)

    def _turn(self, rows: Column, place: Column, limit: Column) -> tuple[Column, Column]:
        here = place[rows]
        kind = self._octets[here]
        padding = kind == 1
        size = np.where(padding, 1, self._octets[here + 1].astype(np.int64))
        usable = (kind != 0) & (padding | ((size >= 2) & (here + size <= limit[rows])))
        rows, here, kind, size = rows[usable], here[usable], kind[usable], size[usable]
        for number, length in ((_MSS, 4), (_SCALE, 3), (_PERMITTED, 2), (_STAMPS, 10)):
            mine = (kind == number) & (size == length)
            if mine.any():
                self._take(number, rows[mine], here[mine])
        mine = (kind == _SACK) & (size >= 10) & (size % 8 == 2)
        if mine.any():
            self._take_sack(rows[mine], here[mine], size[mine])
        place[rows] = here + size
        return rows[here + size < limit[rows]], place

    def _take(self, number: int, rows: Column, here: Column) -> None:
        if number == _MSS:
            self.mss[rows] = self._halves[here + 2]
        elif number == _SCALE:
            self.scale[rows] = np.minimum(self._octets[here + 2], 14)  # RFC 7323, 2.3: more means 14
        elif number == _PERMITTED:
            self.permitted[rows] = True
        else:
            self._take_stamps(rows, here)

    def _take_stamps(self, rows: Column, here: Column) -> None:
        self.stamp[rows] = self._words[here + 2]
        self.echo[rows] = self._words[here + 6]

    def _take_sack(self, rows: Column, here: Column, size: Column) -> None:
        blocks = (size - 2) // 8
        left, right = self._words[here + 2].astype(np.int64), self._words[here + 6].astype(np.int64)
        acknowledged = self._words[self._acknowledged_at[rows]].astype(np.int64)
        below = signed(right - acknowledged) <= 0
        second = np.where(blocks > 1, here + 10, here + 2)
        left_2, right_2 = self._words[second].astype(np.int64), self._words[second + 4].astype(np.int64)
        within = (blocks > 1) & (signed(left - left_2) >= 0) & (signed(right - right_2) <= 0)
        self.blocks[rows] = blocks
        self.duplicate[rows] = below | within


def signed(difference: NDArray[np.int64]) -> NDArray[np.int64]:
    """A difference of 32-bit sequence numbers as the shorter way round (RFC 9293, 3.4)."""
    return ((difference + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000
