"""A capture file of any of the formats becomes frames.

In: the file's octets, unpacked, in blocks.  Out: :class:`Frames`, piece by piece.  Never: a format told by a file's
name.
"""

from __future__ import annotations

from collections.abc import Iterator

from shadowlab.errors import Fault, InputError
from shadowlab.telemetry.capture.packets import pcap, pcapng
from shadowlab.telemetry.capture.packets.account import Account
from shadowlab.telemetry.capture.packets.frames import PIECE_BYTES, Frames, Pieces
from shadowlab.telemetry.capture.packets.magic import EXPECTED, PCAP, PCAPNG


def read_frames(blocks: Iterator[bytes], account: Account, *, piece_bytes: int = PIECE_BYTES) -> Iterator[Frames]:
    """The frames of a file, in its order, at most MOST_FRAMES at a time.

    What cannot be read is told to ``account``.  Raises InputError if the file is no capture at all.
    """
    pieces = Pieces(blocks, piece_bytes)
    pieces.need(4)
    first = pieces.octets[:4]
    if first in PCAP:
        yield from pcap.read_pcap(pieces, account)
    elif first == PCAPNG:
        yield from pcapng.read_pcapng(pieces, account)
    else:
        what = f"begins with {first.hex(' ')}" if first else "is empty"
        raise InputError(Fault(place=account.name, message=f"the file {what}; {EXPECTED}"))
    account.octets = pieces.offset + pieces.left
