"""Probes that look like segments of a TCP connection, to everyone but the TCP of its ends.

In: addresses, ports, a payload.  Out: the bytes of a segment, and back; a filter that lets only such segments in.
Never: a segment that a TCP would accept: its checksum is wrong on purpose.  A router does not look at that (RFC 9293
leaves it to the ends), a raw socket at the end gets the segment before TCP does, and TCP drops it without a word, so
the connection whose identity it has does not notice.

A segment of ours has no data for TCP, the flag ACK, and a mark in the urgent pointer, which means nothing without URG.
"""

from __future__ import annotations

import struct

from shadowlab.wire.addresses import pack_address

MARK = 0x534C
_HEADER = struct.Struct("!HHIIBBHHH")
_ACK = 0x10
_TCP = 6
_URGENT_AT = 18
_INSTRUCTION = struct.Struct("=HBBI")
_GIVE = 0x06  # BPF_RET|K
NOTHING = _INSTRUCTION.pack(_GIVE, 0, 0, 0)
"""The filter that lets nothing in."""


def pack_segment(source: str, target: str, ports: tuple[int, int], payload: bytes) -> bytes:
    """A segment from one address and port to another; ``payload`` follows its header."""
    near, far = pack_address(source), pack_address(target)
    length = _HEADER.size + len(payload)
    head = (*ports, 0, 0, _HEADER.size // 4 << 4, _ACK, 0)
    unchecked = _HEADER.pack(*head, 0, MARK) + payload
    right = _checksum(near + far + struct.pack("!II", length, _TCP) + unchecked)
    return _HEADER.pack(*head, right ^ 1, MARK) + payload


def parse_segment(packet: bytes, *, ipv6: bool) -> tuple[tuple[int, int], bytes] | None:
    """Ports and payload of what a raw socket received (of IPv4 with the IP header before it); None: not of ours."""
    start = 0 if ipv6 else (packet[0] & 15) * 4 if packet else 0
    if len(packet) < start + _HEADER.size:
        return None
    source_port, target_port, _, _, _, _, _, _, mark = _HEADER.unpack_from(packet, start)
    return ((source_port, target_port), packet[start + _HEADER.size :]) if mark == MARK else None


def filter_program(*, ipv6: bool) -> bytes:
    """Classic BPF (``struct sock_filter``, linux/filter.h) that keeps segments with the mark, of a raw socket."""
    load_length, load_after, load = (
        0xB1,
        0x48,
        0x28,
    )  # BPF_LDX|B|MSH: the IP header's length; BPF_LD|H|IND; BPF_LD|H|ABS
    start = [(load, 0, 0, _URGENT_AT)] if ipv6 else [(load_length, 0, 0, 0), (load_after, 0, 0, _URGENT_AT)]
    jump_equal = 0x15
    program = [*start, (jump_equal, 0, 1, MARK), (_GIVE, 0, 0, 0xFFFF)]
    return b"".join(_INSTRUCTION.pack(*one) for one in program) + NOTHING


def _checksum(message: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    padded = message + bytes(len(message) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
