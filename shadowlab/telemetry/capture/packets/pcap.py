"""The classic capture format, as draft-ietf-opsawg-pcap has it: a header, then records one behind the other.

In: a stream that begins with one of the four magic numbers.  Out: :class:`Frames`.  Never: a guess behind a damaged
length: the format has nothing to find the next record by.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import repeat

import numpy as np

from shadowlab.telemetry.capture.packets.account import Account
from shadowlab.telemetry.capture.packets.frames import LONGEST_FRAME, MOST_FRAMES, Frames, Pieces, word_view
from shadowlab.telemetry.capture.packets.magic import PCAP

_HEADER = 24


def read_pcap(pieces: Pieces, account: Account) -> Iterator[Frames]:
    """The frames of a file, in its order.  Damage ends the reading; ``account`` says where and why."""
    if not pieces.need(_HEADER):
        account.cut("the file ends inside its 24-octet header", pieces.offset)
        return
    head = pieces.octets[pieces.at : pieces.at + _HEADER]
    order, unit_ns, record = PCAP[head[:4]]
    link_type = struct.unpack_from(order + "I", head, 20)[0] & 0xFFFF  # above: the length of a frame check sequence
    account.format = f"pcap ({'ns' if unit_ns == 1 else 'µs'}, {'little' if order == '<' else 'big'}-endian)"
    pieces.at += _HEADER
    while True:
        starts, damaged = _walk(pieces, order, record)
        if starts:
            frames = _columns(pieces, starts, order, unit_ns, record, link_type, account)
            too_long = np.flatnonzero(frames.captured > LONGEST_FRAME)
            if len(too_long):  # what follows a damaged length are no records
                damaged = True
                pieces.at = starts[too_long[0]]
                account.frames -= len(starts) - int(too_long[0])
                frames = frames.first(int(too_long[0]))
            if len(frames.start):
                yield frames
        if damaged:
            account.cut("a record longer than any frame: the length is damaged, the rest cannot be read", pieces.offset)
            return
        if len(starts) < MOST_FRAMES and not pieces.more():
            if pieces.left:
                account.cut("the file ends inside a record", pieces.offset)
            return


def _walk(pieces: Pieces, order: str, record: int) -> tuple[list[int], bool]:
    """Where the whole records at hand begin, at most MOST_FRAMES; whether the next one's length is impossible.

    The one loop over packets in Python.  It looks at nothing but lengths, and lets the end of the octets end it.
    """
    octets, at, size = pieces.octets, pieces.at, len(pieces.octets)
    length_at = struct.Struct(order + "I").unpack_from
    starts: list[int] = []
    note = starts.append
    damaged = False
    try:
        for _ in repeat(None, MOST_FRAMES):
            after = at + record + length_at(octets, at + 8)[0]
            if after > size:
                damaged = after - at - record > LONGEST_FRAME
                break
            note(at)
            at = after
    except struct.error:
        pass  # fewer octets left than a record's header has
    pieces.at = at
    return starts, damaged


def _columns(
    pieces: Pieces, starts: list[int], order: str, unit_ns: int, record: int, link_type: int, account: Account
) -> Frames:
    octets = pieces.padded()
    words = word_view(octets, order + "u4")
    at = np.array(starts, np.int64)
    captured = words[at + 8].astype(np.int64)
    frames = Frames(
        octets=octets,
        start=at + record,
        captured=captured,
        wire=np.maximum(words[at + 12].astype(np.int64), captured),
        at_ns=words[at].astype(np.int64) * 10**9 + words[at + 4].astype(np.int64) * unit_ns,
        link_type=np.full(len(at), link_type, np.int64),
        number=account.frames + 1,
    )
    account.frames += len(at)
    return frames
