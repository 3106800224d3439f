"""The newer capture format, as draft-ietf-opsawg-pcapng has it: blocks in sections, each with its own byte order.

In: a stream that begins with a Section Header Block.  Out: :class:`Frames`.  Never: a block kept that no frame needs.
Read are Enhanced, Simple and (obsolete) Packet Blocks of any number of interfaces; other blocks are passed over.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shadowlab.telemetry.capture.packets.account import Account
from shadowlab.telemetry.capture.packets.frames import (
    LONGEST_FRAME,
    MOST_FRAMES,
    Column,
    Frames,
    Pieces,
    joined,
    word_view,
)
from shadowlab.telemetry.capture.packets.magic import BYTE_ORDERS, PCAPNG

_SECTION, _INTERFACE, _OBSOLETE, _SIMPLE, _ENHANCED = 0x0A0D0D0A, 1, 2, 3, 6
_PACKETS = (_OBSOLETE, _SIMPLE, _ENHANCED)
_LOOKED_AT = (_SECTION, _INTERFACE, _OBSOLETE, _SIMPLE, _ENHANCED)
_RESOLUTION, _OFFSET = 9, 14
_MOST_INTERFACES = 65_536
_LONGEST_PACKET_BLOCK = LONGEST_FRAME + 65_536
_LONGEST_BLOCK = 1 << 20
"""Longer blocks without frames are passed over without being looked at."""
_LATEST_NS = 2**62
"""The year 2116; later times are no times, and would overflow sums."""


@dataclass(frozen=True, kw_only=True)
class _Interface:
    link_type: int
    snap: int
    unit: int
    """if_tsresol: an exponent of 10, or of 2 if the highest bit is set."""
    offset_ns: int


class _Section:
    """Byte order and interfaces, until the next section begins."""

    def __init__(self, order: str) -> None:
        self.order = order
        self.two_words = struct.Struct(order + "II").unpack_from
        self.interfaces: list[_Interface] = []

    def length_of(self, pieces: Pieces) -> int:
        """The length that the block at hand states (in this section's byte order; a section header has its own)."""
        stated: int = self.two_words(pieces.octets, pieces.at)[1]
        return stated if pieces.octets[pieces.at : pieces.at + 4] != PCAPNG else len(pieces.octets)


def read_pcapng(pieces: Pieces, account: Account) -> Iterator[Frames]:
    """The frames of a file, in its order.  Damage ends the reading; ``account`` says where and why."""
    section = _Section("<")
    account.format = "pcapng"
    parts: list[Frames] = []
    waiting = last_ns = 0
    while True:
        starts, why = _walk(pieces, section, MOST_FRAMES - waiting)
        if starts:
            frames = _columns(pieces, starts, section, account, last_ns)
            if len(frames.start):
                last_ns = int(frames.at_ns[-1])
                parts.append(frames)
                waiting += len(frames.start)
        block_ends = pieces.at + section.length_of(pieces) if why == "special" else 0
        if parts and (block_ends > len(pieces.octets) or why != "special"):  # the octets are about to change
            yield joined(parts)
            parts, waiting = [], 0
        if why == "special":
            wrong, section = _special(pieces, section, account)
            if wrong:
                why = wrong
        if why not in ("", "full", "special"):
            if parts:
                yield joined(parts)
            account.cut(why, pieces.offset)
            return
        if not why and not pieces.more():
            if pieces.left:
                account.cut("the file ends inside a block", pieces.offset)
            return


def _walk(pieces: Pieces, section: _Section, most: int) -> tuple[list[int], str]:
    """Where the whole packet blocks at hand begin, and why the walk ended before the end of the piece (or '')."""
    octets, at, size = pieces.octets, pieces.at, len(pieces.octets)
    two_words, interfaces = section.two_words, len(section.interfaces)
    starts: list[int] = []
    note = starts.append
    why = ""
    while at + 12 <= size and len(starts) < most:
        kind, length = two_words(octets, at)
        if kind == _ENHANCED and interfaces and 16 <= length <= _LONGEST_PACKET_BLOCK and not length & 3:
            if at + length > size:
                break
            note(at)
            at += length
            continue
        packet = kind in _PACKETS and interfaces
        if packet and (length > _LONGEST_PACKET_BLOCK or length < 16 or length & 3):
            why = f"a packet block of {length} octets: the length is damaged, the rest cannot be read"
            break
        if not packet and (kind in _LOOKED_AT or length < 12 or length & 3 or at + length > size):
            why = "special"
            break
        if at + length > size:
            break
        if packet:
            note(at)
        at += length
    if len(starts) >= most and not why:
        why = "full"
    pieces.at = at
    return starts, why


def _special(pieces: Pieces, section: _Section, account: Account) -> tuple[str, _Section]:
    """Deal with a block that is no packet; what is wrong with it (or ''), and the section from here on."""
    octets, at = pieces.octets, pieces.at
    if octets[at : at + 4] == PCAPNG:
        order = BYTE_ORDERS.get(octets[at + 8 : at + 12])
        if order is None:
            return "a section header whose byte-order magic is none", section
        section = _Section(order)
    kind, length = section.two_words(octets, at)
    if length < 12 or length & 3:
        return f"a block of {length} octets: the length is damaged, the rest cannot be read", section
    if kind in (_ENHANCED, _SIMPLE, _OBSOLETE):
        account.leave_out("a packet of an interface that was never described", offset=pieces.offset)
        if length > _LONGEST_PACKET_BLOCK:
            return f"a packet block of {length} octets: the length is damaged, the rest cannot be read", section
    elif kind == _INTERFACE and length <= _LONGEST_BLOCK:
        if not pieces.need(length):
            return "the file ends inside a block", section
        if length < 20:
            return "an interface description that is too short", section
        if len(section.interfaces) >= _MOST_INTERFACES:
            return f"more than {_MOST_INTERFACES} interfaces", section
        body = pieces.octets[pieces.at + 8 : pieces.at + length - 4]
        section.interfaces.append(_interface(body, section.order))
    before = pieces.offset
    if not pieces.skip(length):
        pieces.at = len(pieces.octets)
        return f"the file ends inside the block of {length} octets at byte {before}", section
    return "", section


def _interface(body: bytes, order: str) -> _Interface:
    link_type, _, snap = struct.unpack_from(order + "HHI", body)
    unit, offset_s, at = 6, 0, 8
    while at + 4 <= len(body):
        code, length = struct.unpack_from(order + "HH", body, at)
        if code == 0 or at + 4 + length > len(body):
            break
        if code == _RESOLUTION and length == 1:
            unit = body[at + 4]
        elif code == _OFFSET and length == 8:
            offset_s = struct.unpack_from(order + "q", body, at + 4)[0]
        at += 4 + length + (-length) % 4
    offset_ns = offset_s * 10**9 if abs(offset_s) < _LATEST_NS // 10**9 else 0
    return _Interface(link_type=link_type, snap=snap, unit=unit, offset_ns=offset_ns)


def _columns(pieces: Pieces, starts: list[int], section: _Section, account: Account, last_ns: int) -> Frames:
    octets = pieces.padded()
    words = word_view(octets, section.order + "u4")
    at = np.array(starts, np.int64)
    kind, length = words[at], words[at + 4].astype(np.int64)
    simple, obsolete = kind == _SIMPLE, kind == _OBSOLETE
    number = words[at + 8].astype(np.int64)
    if obsolete.any():
        halves = word_view(octets, section.order + "u2")
        number[obsolete] = halves[at[obsolete] + 8]
    captured = words[at + 20].astype(np.int64)
    wire = words[at + 24].astype(np.int64)
    header = np.full(len(at), 28, np.int64)
    if simple.any():
        number[simple] = 0
        wire[simple] = words[at[simple] + 8]
        snap = section.interfaces[0].snap or LONGEST_FRAME
        captured[simple] = np.minimum(np.minimum(wire[simple], snap), length[simple] - 16)
        header[simple] = 12
        account.leave_out("a packet without a time (it is given that of the one before)", int(simple.sum()))
    stamp = (words[at + 12].astype(np.uint64) << np.uint64(32)) | words[at + 16].astype(np.uint64)
    at_ns, in_time = _times(stamp, number, section)
    if simple.any():
        in_time |= simple
        at_ns[simple] = -1
        at_ns = _fill_down(at_ns, last_ns)
    fits = (captured <= length - header - 4) & (captured >= 0)
    known = number < len(section.interfaces)
    for good, reason in (
        (fits, "a packet block whose frame is longer than the block"),
        (known, "a packet of an interface that was never described"),
        (in_time | ~known, "a packet whose time is before 1970 or after 2116"),
    ):
        if not good.all():
            account.leave_out(reason, int((~good).sum()), offset=pieces.base + int(at[~good][0]))
    first = account.frames + 1
    account.frames += len(at)
    types = np.array([one.link_type for one in section.interfaces], np.int64)
    link_type = types[np.minimum(number, len(types) - 1)]
    wire = np.maximum(wire, captured)
    start = at + header
    good = fits & known & in_time
    if not good.all():
        start, captured, wire, at_ns, link_type = (one[good] for one in (start, captured, wire, at_ns, link_type))
    return Frames(
        octets=octets, start=start, captured=captured, wire=wire, at_ns=at_ns, link_type=link_type, number=first
    )


def _fill_down(at_ns: Column, last_ns: int) -> Column:
    """Replace -1 by the value before it; ``last_ns`` before the first."""
    known = np.maximum.accumulate(np.where(at_ns >= 0, np.arange(len(at_ns)), -1))
    return np.where(known >= 0, at_ns[np.maximum(known, 0)], last_ns)


def _times(stamp: NDArray[np.uint64], number: Column, section: _Section) -> tuple[Column, NDArray[np.bool_]]:
    """Unix nanoseconds, and whether they are believable."""
    at_ns = np.zeros(len(stamp), np.int64)
    good = np.zeros(len(stamp), bool)
    present = np.unique(number[number < len(section.interfaces)])
    for one in present.tolist():
        mine = slice(None) if len(present) == 1 and (number == one).all() else number == one
        interface = section.interfaces[one]
        value, usable = _nanoseconds(stamp[mine], interface.unit)
        value = value + interface.offset_ns
        good[mine] = usable & (value >= 0) & (value < _LATEST_NS)
        at_ns[mine] = value
    at_ns[~good] = 0
    return at_ns, good


def _nanoseconds(stamp: NDArray[np.uint64], unit: int) -> tuple[Column, NDArray[np.bool_]]:
    """Stamps in units of 10^-unit s, or of 2^-(unit & 127) s; whether the result fits."""
    exponent = unit & 0x7F
    if unit & 0x80:
        whole = stamp >> np.uint64(min(exponent, 63))
        rest = stamp & np.uint64((1 << min(exponent, 63)) - 1)
        drop = max(exponent - 30, 0)  # so that rest * 10^9 stays below 2^64
        fraction = ((rest >> np.uint64(min(drop, 63))) * np.uint64(10**9)) >> np.uint64(min(exponent - drop, 63))
        usable = whole < np.uint64(_LATEST_NS // 10**9)
        return np.where(usable, whole * np.uint64(10**9) + fraction, 0).astype(np.int64), usable
    if exponent <= 9:
        factor = 10 ** (9 - exponent)
        usable = stamp < np.uint64(_LATEST_NS // factor)
        return np.where(usable, stamp * np.uint64(factor), 0).astype(np.int64), usable
    divided = stamp // np.uint64(10 ** min(exponent - 9, 19))
    usable = divided < np.uint64(_LATEST_NS)
    return np.where(usable, divided, 0).astype(np.int64), usable
