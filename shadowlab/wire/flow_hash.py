"""Which of several equal-cost ways Linux gives to a flow, where the kernel cannot be asked for it directly.

In: the fields of a flow, the seed, the weights of the ways.  Out: the place of the way.  Never: a guess: the caller
compares one of the two answers below with the kernel's own.

Policy 3 hashes the chosen fields of the packet (``fib_multipath_hash_from_keys``: SipHash-2-4 with the seed as key)
and, where it has a packet in hand, mixes the result once more with the hash of an inner packet, 0 without one
(``fib_multipath_custom_hash_skb``, ``rt6_multipath_custom_hash_skb``).  Forwarded packets are hashed with the mixing, a
node's own without.  A lookup of IPv4 is always answered with it, one of IPv6 never: so each is right for one half.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Sequence

from shadowlab.wire.addresses import pack_address

_MASK32, _MASK64 = 0xFFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFF
_JHASH_START = 0xDEAD_BEEF
_KEYS = struct.Struct("=xxBx4x8x8x4x4s4x")
_TAIL = bytes(4)
"""flow_keys from its ``basic`` on: protocol; no label, no VLANs, no key; ports; no ICMP.  The addresses come behind."""


def flow_hash(source: str, destination: str, flow: tuple[int, int, int], seed: int) -> int:
    """The 32-bit hash of a flow (IP protocol, source port, destination port): alike for both its directions."""
    protocol, *ports = flow
    near, far = pack_address(source), pack_address(destination)
    if _less(far, near):
        near, far = far, near
    one, other = (struct.pack("!H", port) for port in ports)
    if int.from_bytes(other, sys.byteorder) < int.from_bytes(one, sys.byteorder):
        one, other = other, one
    key = (seed << 32) | seed
    return (siphash(_KEYS.pack(protocol, one + other) + near + far + _TAIL, key, key) & _MASK32) or 1


def _less(one: bytes, other: bytes) -> bool:
    if len(one) == 4:  # as numbers of the machine
        return int.from_bytes(one, sys.byteorder) < int.from_bytes(other, sys.byteorder)
    return one < other


def mixed(hashed: int) -> int:
    """``jhash_2words(hashed, 0, 0)``, Bob Jenkins' final mixing of three words."""
    start = (_JHASH_START + (2 << 2)) & _MASK32
    a, b, c = (start + hashed) & _MASK32, start, start
    c = ((c ^ b) - _turn32(b, 14)) & _MASK32
    a = ((a ^ c) - _turn32(c, 11)) & _MASK32
    b = ((b ^ a) - _turn32(a, 25)) & _MASK32
    c = ((c ^ b) - _turn32(b, 16)) & _MASK32
    a = ((a ^ c) - _turn32(c, 4)) & _MASK32
    b = ((b ^ a) - _turn32(a, 14)) & _MASK32
    return ((c ^ b) - _turn32(b, 24)) & _MASK32


def place_of(hashed: int, weights: Sequence[int]) -> int:
    """Which of the ways of these weights a hash leads to: each has its share of the 31 upper bits."""
    total, so_far = sum(weights), 0
    for place, weight in enumerate(weights):
        so_far += weight
        share, rest = divmod(so_far << 31, total)
        if hashed >> 1 <= share + (2 * rest >= total) - 1:
            return place
    return len(weights) - 1


def siphash(message: bytes, key_low: int, key_high: int) -> int:
    """SipHash-2-4 (Aumasson and Bernstein, 2012) of a message, 64 bits."""
    state = [
        key_low ^ 0x736F_6D65_7073_6575,
        key_high ^ 0x646F_7261_6E64_6F6D,
        key_low ^ 0x6C79_6765_6E65_7261,
        key_high ^ 0x7465_6462_7974_6573,
    ]
    padded = message + bytes(7 - len(message) % 8) + bytes([len(message) & 0xFF])
    for (word,) in struct.iter_unpack("<Q", padded):
        state[3] ^= word
        _rounds(state, 2)
        state[0] ^= word
    state[2] ^= 0xFF
    _rounds(state, 4)
    return state[0] ^ state[1] ^ state[2] ^ state[3]


def _rounds(state: list[int], count: int) -> None:
    a, b, c, d = state
    for _ in range(count):
        a = (a + b) & _MASK64
        b = _turn64(b, 13) ^ a
        a = _turn64(a, 32)
        c = (c + d) & _MASK64
        d = _turn64(d, 16) ^ c
        a = (a + d) & _MASK64
        d = _turn64(d, 21) ^ a
        c = (c + b) & _MASK64
        b = _turn64(b, 17) ^ c
        c = _turn64(c, 32)
    state[:] = a, b, c, d


def _turn32(word: int, bits: int) -> int:
    return ((word << bits) | (word >> (32 - bits))) & _MASK32


def _turn64(word: int, bits: int) -> int:
    return ((word << bits) | (word >> (64 - bits))) & _MASK64
