"""The spool's format: packed batches one behind the other, each with a checksum.  Pure.

In: a packed batch and its moment, or a segment's bytes.  Out: bytes, or the whole frames that are in them.
Never: a frame whose checksum is wrong; the rest of a segment given up for one damaged place.

A frame is a fixed head (:data:`_HEAD`: mark, checksum of all that follows it, length of the body, content coding,
stream, sequence number, the moment by two clocks, which boot) and the packed batch.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from shadowlab.replicate.batch import GZIP, MOST_PACKED_BYTES, ZSTD

MARK = b"SLs1"
_HEAD = struct.Struct("<4sII4sQQqQ16s")
_CHECKED_FROM = 8
HEAD_BYTES = _HEAD.size
_CODINGS = {b"zstd": ZSTD, b"gzip": GZIP}


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One batch in the spool.  ``wall_ns`` and ``mono_ns`` are the two clocks when its sockets were read."""

    stream: str
    sequence: int
    wall_ns: int
    mono_ns: int
    boot: bytes
    """Sixteen bytes: which start of the machine the monotonic clock counts from."""
    coding: str
    body: bytes


def encode_frame(frame: Frame) -> bytes:
    """The bytes to append."""
    head = _HEAD.pack(
        MARK,
        0,
        len(frame.body),
        frame.coding.encode(),
        int(frame.stream, 16),
        frame.sequence,
        frame.wall_ns,
        frame.mono_ns,
        frame.boot,
    )
    checksum = zlib.crc32(frame.body, zlib.crc32(head[_CHECKED_FROM:]))
    return head[:4] + checksum.to_bytes(4, "little") + head[_CHECKED_FROM:] + frame.body


def decode_frame(data: bytes, at: int = 0) -> Frame | None:
    """The frame that begins at ``at``; None if none begins there whole and undamaged."""
    if len(data) - at < HEAD_BYTES:
        return None
    mark, checksum, length, coding, stream, sequence, wall_ns, mono_ns, boot = _HEAD.unpack_from(data, at)
    end = at + HEAD_BYTES + length
    if mark != MARK or length > MOST_PACKED_BYTES or end > len(data) or coding not in _CODINGS:
        return None
    if zlib.crc32(memoryview(data)[at + _CHECKED_FROM : end]) != checksum:
        return None
    return Frame(
        stream=f"{stream:016x}",
        sequence=sequence,
        wall_ns=wall_ns,
        mono_ns=mono_ns,
        boot=boot,
        coding=_CODINGS[coding],
        body=bytes(data[at + HEAD_BYTES : end]),
    )


def frames_of(data: bytes) -> Iterator[tuple[int, int, Frame]]:
    """(offset, bytes, frame) of every whole frame, in order; damaged places are stepped over."""
    at = 0
    while (at := data.find(MARK, at)) >= 0:
        frame = decode_frame(data, at)
        if frame is None:
            at += 1
            continue
        size = HEAD_BYTES + len(frame.body)
        yield at, size, frame
        at += size
