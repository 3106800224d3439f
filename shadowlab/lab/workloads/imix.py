"""Mixes of packet sizes by name: the notation of RFC 6985, and the mix that most testers call simple.

In: a genome such as ``aaafg``.  Out: payloads of UDP, in their order.  Never: a size that holds no datagram of ours.

A letter stands for an Ethernet frame of so many bytes, its checksum included (RFC 6985); the sequence is sent again and
again in its order.
"""

from __future__ import annotations

from collections.abc import Mapping

from shadowlab.model.traffic.workload import LEAST_DATAGRAM_BYTES

FRAME_BYTES: Mapping[str, int] = {"a": 64, "b": 128, "c": 256, "d": 512, "e": 1024, "f": 1280, "g": 1518}
SIMPLE = "simple"
SIMPLE_FRAMES = (64, 594, 64, 64, 594, 64, 64, 594, 64, 64, 594, 1518)
"""Seven small, four middle-sized, one large."""
MOST_LETTERS = 200
_ETHERNET_BYTES, _UDP_BYTES, _IPV4_BYTES, _IPV6_BYTES = 18, 8, 20, 40


def payloads_of(genome: str, *, ipv6: bool) -> tuple[int, ...]:
    """The payloads that fill these frames.  Raises ValueError for a genome that is none, or a frame too small."""
    if not 1 <= len(genome) <= MOST_LETTERS or (genome != SIMPLE and (set(genome) - FRAME_BYTES.keys())):
        sizes = ", ".join(f"{letter} {size}" for letter, size in FRAME_BYTES.items())
        raise ValueError(f"{genome[:20]!r} is neither {SIMPLE!r} nor one to {MOST_LETTERS} letters of {sizes}")
    frames = SIMPLE_FRAMES if genome == SIMPLE else tuple(FRAME_BYTES[letter] for letter in genome)
    headers = _ETHERNET_BYTES + _UDP_BYTES + (_IPV6_BYTES if ipv6 else _IPV4_BYTES)
    found = tuple(size - headers for size in frames)
    if min(found) < LEAST_DATAGRAM_BYTES:
        raise ValueError(
            f"a frame of {min(frames)} bytes over IPv6 has no room for a numbered datagram; begin with b, 128 bytes"
        )
    return found
