"""Netlink framing: messages, attributes, and the kernel's answer to a request.

In: integers and bytes.  Out: bytes, or what they mean.  Never: a socket.

Everything is in host byte order and padded to four bytes, as ``linux/netlink.h`` has it.  Imported inside the guest,
where an import is slow: ``struct`` only.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple

NLMSG_ERROR = 2
NLMSG_DONE = 3

NLM_F_REQUEST = 0x1
NLM_F_ACK = 0x4
NLM_F_DUMP_INTR = 0x10
NLM_F_REPLACE = 0x100
NLM_F_EXCL = 0x200
NLM_F_CREATE = 0x400
NLM_F_DUMP = 0x300
NLM_F_CAPPED = 0x100
NLM_F_ACK_TLVS = 0x200

NLMSGERR_ATTR_MSG = 1

NLA_F_NESTED = 0x8000
NLA_TYPE_MASK = 0x3FFF

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_NUMBER = struct.Struct("=HHI")
_ERROR = struct.Struct("=i")
HEADER_BYTES = _HEADER.size
_PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")


class Request(NamedTuple):
    """A message before it has a sequence number: what kind, which flags, which body."""

    kind: int
    flags: int
    body: bytes


class Message(NamedTuple):
    """A message as it was received."""

    kind: int
    flags: int
    sequence: int
    body: bytes


class Answer(NamedTuple):
    """The kernel's verdict on one request: an errno (0: done) and, if it gave one, its own words."""

    error: int
    words: str


def pack_message(request: Request, sequence: int) -> bytes:
    """A request, framed and padded.  The port id is 0: the kernel fills it in."""
    length = HEADER_BYTES + len(request.body)
    return (
        _HEADER.pack(length, request.kind, request.flags | NLM_F_REQUEST, sequence, 0)
        + request.body
        + _PADDING[length & 3]
    )


def pack_batch(requests: Iterable[Request], sequence: int) -> bytes:
    """Requests one behind the other, numbered from ``sequence`` on; the last asks for an acknowledgement, and is thus a
    fence: the kernel works in order, and answers by itself what it refuses."""
    parts: list[bytes] = []
    for kind, flags, body in requests:
        length = HEADER_BYTES + len(body)
        parts += (_HEADER.pack(length, kind, flags | NLM_F_REQUEST, sequence, 0), body, _PADDING[length & 3])
        sequence += 1
    length, kind, flags, last, _ = _HEADER.unpack(parts[-3])
    parts[-3] = _HEADER.pack(length, kind, flags | NLM_F_ACK, last, 0)
    return b"".join(parts)


def walk_messages(buffer: bytes) -> Iterator[Message]:
    """The messages of one datagram.  Raises ValueError for a length that leads outside of it."""
    offset, end = 0, len(buffer)
    while offset < end:
        if end - offset < HEADER_BYTES:
            raise ValueError(f"{end - offset} bytes are left, too few for a netlink header")
        length, kind, flags, sequence, _ = _HEADER.unpack_from(buffer, offset)
        if length < HEADER_BYTES or offset + length > end:
            raise ValueError(f"a netlink message claims {length} bytes where {end - offset} are left")
        yield Message(kind, flags, sequence, buffer[offset + HEADER_BYTES : offset + length])
        offset += (length + 3) & ~3


def pack_attribute(kind: int, payload: bytes) -> bytes:
    """One attribute, padded."""
    length = 4 + len(payload)
    return _ATTRIBUTE.pack(length, kind) + payload + _PADDING[length & 3]


def pack_nested(kind: int, *attributes: bytes) -> bytes:
    """An attribute that holds attributes."""
    return pack_attribute(kind | NLA_F_NESTED, b"".join(attributes))


def pack_text(kind: int, text: str) -> bytes:
    """A zero-terminated text attribute."""
    return pack_attribute(kind, text.encode() + b"\0")


def pack_u32(kind: int, value: int) -> bytes:
    """A 32-bit attribute: packed at once, since most are of this form."""
    return _NUMBER.pack(8, kind, value)


def walk_attributes(buffer: bytes, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    """(kind without its flags, payload) of each attribute from ``offset`` on, in order."""
    end = len(buffer)
    while end - offset >= 4:
        length, kind = _ATTRIBUTE.unpack_from(buffer, offset)
        if length < 4 or offset + length > end:
            raise ValueError(f"a netlink attribute claims {length} bytes where {end - offset} are left")
        yield kind & NLA_TYPE_MASK, buffer[offset + 4 : offset + length]
        offset += (length + 3) & ~3


def attributes(buffer: bytes, offset: int = 0) -> dict[int, bytes]:
    """The attributes by kind; of a kind given twice, the last."""
    # As walk_attributes does; once more, because a generator takes twice as long, and every dump is read by this.
    found: dict[int, bytes] = {}
    end = len(buffer)
    while end - offset >= 4:
        length, kind = _ATTRIBUTE.unpack_from(buffer, offset)
        if length < 4 or offset + length > end:
            raise ValueError(f"a netlink attribute claims {length} bytes where {end - offset} are left")
        found[kind & NLA_TYPE_MASK] = buffer[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return found


def text(payload: bytes) -> str:
    """A text attribute without its terminator."""
    return payload.split(b"\0", 1)[0].decode(errors="replace")


def read_u32(payload: bytes | None) -> int:
    """A 32-bit attribute; 0 for one that is not there."""
    return int.from_bytes(payload or b"", sys.byteorder)


def parse_answer(message: Message) -> Answer:
    """What an NLMSG_ERROR message says (errno 0 is an acknowledgement), with the extended acknowledgement's text."""
    (negative,) = _ERROR.unpack_from(message.body)
    words = ""
    if message.flags & NLM_F_ACK_TLVS:
        # The refused message is quoted first: only its header (NLM_F_CAPPED), or all of it.
        (quoted,) = struct.unpack_from("=I", message.body, 4)
        offset = 4 + (HEADER_BYTES if message.flags & NLM_F_CAPPED else (quoted + 3) & ~3)
        words = text(attributes(message.body, offset).get(NLMSGERR_ATTR_MSG, b""))
    return Answer(-negative, words)
