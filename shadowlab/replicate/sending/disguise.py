"""Addresses as they leave the host: as they are, mapped, or hashed.  Pure but for reading the key.

In: a mapping's text, a key, an address.  Out: an address.
Never: an original address where a disguise was asked for: what the mapping does not name is hashed, or left empty.

A hash is HMAC-SHA-256 under the key, cut to 120 bits and written as an IPv6 address in ``fd00::/8``: the same address
is the same wherever the key is the same, so that the two ends of a connection still find each other, and cannot be
told by trying all addresses without the key.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

from shadowlab.errors import Fault, InputError
from shadowlab.wire.addresses import format_address, pack_address, pack_prefix

LEAST_KEY_BYTES = 16
_HASH_BYTES = 15
Disguise = Callable[[str], str]
_Rule = tuple[bytes, int, bytes]


def as_they_are(address: str) -> str:
    """No disguise."""
    return address


def disguise_of(mapping: Mapping[str, str], key: bytes | None) -> Disguise:
    """The function to apply to every address.  ``mapping`` is from prefix to prefix of the same length (see
    :func:`read_mapping`); the longest that fits decides."""
    rules = sorted((_rule(old, new) for old, new in mapping.items()), key=lambda rule: -rule[1])

    @lru_cache(maxsize=65_536)
    def disguise(address: str) -> str:
        packed = pack_address(address)
        for old, bits, new in rules:
            if len(packed) == len(old) and _leads(packed, old, bits):
                rest = int.from_bytes(packed, "big") & ((1 << (8 * len(packed) - bits)) - 1)
                return format_address((int.from_bytes(new, "big") | rest).to_bytes(len(packed), "big"))
        if key is not None:
            digest = hmac.new(key, packed, hashlib.sha256).digest()
            return format_address(b"\xfd" + digest[:_HASH_BYTES])
        return ""

    return disguise


def read_mapping(text: str, *, name: str) -> dict[str, str]:
    """Lines ``FROM TO``: addresses, or prefixes of the same length.  Raises InputError naming every wrong line."""
    found: dict[str, str] = {}
    faults: list[Fault | str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            if len(words) != 2:
                raise ValueError("expected two addresses or prefixes: FROM TO")
            _rule(*words)
        except ValueError as error:
            faults.append(Fault(place=f"{name}:{number}", message=str(error)))
            continue
        found[words[0]] = words[1]
    if faults:
        raise InputError(*faults)
    return found


def read_key(path: Path) -> bytes:
    """The key of a file.  Raises InputError for one that is too short to keep a secret."""
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise InputError(f"{path}: no key: {error.strerror}") from error
    if len(key) < LEAST_KEY_BYTES:
        raise InputError(f"{path}: no key: {len(key)} bytes, expected {LEAST_KEY_BYTES} or more (openssl rand -hex 32)")
    return key


def _rule(old: str, new: str) -> _Rule:
    (packed, bits), (target, target_bits) = (_prefix(one) for one in (old, new))
    if (len(packed), bits) != (len(target), target_bits):
        raise ValueError(f"{old} and {new} are not of one family and length")
    return packed, bits, target


def _prefix(text: str) -> tuple[bytes, int]:
    if "/" in text:
        return pack_prefix(text)
    packed = pack_address(text)
    return packed, 8 * len(packed)


def _leads(address: bytes, prefix: bytes, bits: int) -> bool:
    shift = 8 * len(address) - bits
    return int.from_bytes(address, "big") >> shift == int.from_bytes(prefix, "big") >> shift
