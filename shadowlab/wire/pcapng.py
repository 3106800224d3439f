"""Capture files, as draft-ietf-opsawg-pcapng has them: one section, interfaces, packets with nanoseconds.

In: frames and moments.  Out: blocks to be written one after the other.  Never: a file.
"""

from __future__ import annotations

import struct

LINKTYPE_ETHERNET = 1
INBOUND, OUTBOUND = 1, 2

_SECTION, _INTERFACE, _STATISTICS, _PACKET = 0x0A0D0D0A, 1, 5, 6
_MAGIC = 0x1A2B3C4D
_UNKNOWN_LENGTH = 0xFFFF_FFFF_FFFF_FFFF
_OPT_APPLICATION, _OPT_NAME, _OPT_DESCRIPTION, _OPT_RESOLUTION, _OPT_FLAGS = 4, 2, 3, 9, 2
_OPT_RECEIVED, _OPT_DROPPED = 4, 5
_NANOSECONDS = b"\x09"


def _padded(payload: bytes) -> bytes:
    return payload + b"\0" * (-len(payload) % 4)


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + _padded(value)


def _block(kind: int, body: bytes, options: bytes = b"") -> bytes:
    ended = options + struct.pack("<HH", 0, 0) if options else b""
    length = 12 + len(body) + len(ended)
    return struct.pack("<II", kind, length) + body + ended + struct.pack("<I", length)


def section(application: str) -> bytes:
    """The head of a file."""
    head = struct.pack("<IHHQ", _MAGIC, 1, 0, _UNKNOWN_LENGTH)
    return _block(_SECTION, head, _option(_OPT_APPLICATION, application.encode()))


def interface(name: str, description: str, snap_bytes: int) -> bytes:
    """The next interface: the first is number 0.  ``snap_bytes`` 0: whole frames."""
    options = _option(_OPT_NAME, name.encode()) + _option(_OPT_DESCRIPTION, description.encode())
    options += _option(_OPT_RESOLUTION, _NANOSECONDS)
    return _block(_INTERFACE, struct.pack("<HHI", LINKTYPE_ETHERNET, 0, snap_bytes), options)


def packet(number: int, at_ns: int, frame: bytes, length: int, direction: int) -> bytes:
    """One frame of interface ``number``; ``length`` is what it had before it was cut to ``frame``."""
    head = struct.pack("<IIIII", number, at_ns >> 32, at_ns & 0xFFFF_FFFF, len(frame), length)
    return _block(_PACKET, head + _padded(frame), _option(_OPT_FLAGS, struct.pack("<I", direction)))


def statistics(number: int, at_ns: int, received: int, dropped: int) -> bytes:
    """What the capture itself missed."""
    options = _option(_OPT_RECEIVED, struct.pack("<Q", received)) + _option(_OPT_DROPPED, struct.pack("<Q", dropped))
    return _block(_STATISTICS, struct.pack("<III", number, at_ns >> 32, at_ns & 0xFFFF_FFFF), options)
