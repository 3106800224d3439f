"""Internet addresses as the bytes of messages: IPv4 and IPv6, told apart by their text.

In: text.  Out: four or sixteen bytes, and back to the one text that stands for them.  Never: a name looked up.

``ipaddress`` would do, but its import takes longer than all else that is imported inside the guest.
"""

from __future__ import annotations

from functools import lru_cache

AF_INET, AF_INET6 = 2, 10
_GROUPS = 8


def family_of(address: str) -> int:
    """AF_INET6 for what has a colon, AF_INET for anything else."""
    return AF_INET6 if ":" in address else AF_INET


@lru_cache(maxsize=1 << 14)  # a link's address is asked for several times, a host's by every router
def pack_address(address: str) -> bytes:
    """Four bytes for IPv4, sixteen for IPv6.  Raises ValueError for what is neither."""
    return pack_ipv6(address) if ":" in address else pack_ipv4(address)


def format_address(payload: bytes) -> str:
    """Four or sixteen bytes as text."""
    return format_ipv4(payload) if len(payload) == 4 else format_ipv6(payload)


def pack_ipv4(address: str) -> bytes:
    """A dotted quad as four bytes.  Raises ValueError for anything else."""
    parts = address.split(".")
    if len(parts) != 4:
        raise ValueError(f"{address!r} is not an IPv4 address")
    try:
        return bytes(map(int, parts))
    except ValueError:
        raise ValueError(f"{address!r} is not an IPv4 address") from None


def format_ipv4(payload: bytes) -> str:
    """Four bytes as a dotted quad."""
    return ".".join(map(str, payload))


def pack_ipv6(address: str) -> bytes:
    """Eight groups of hexadecimal digits, or fewer around one ``::``, as sixteen bytes; the last four may be a dotted
    quad.  Raises ValueError for anything else, a scope (``%eth0``) included."""
    head, gap, tail = address.partition("::")
    try:
        before, after = _pack_groups(head), _pack_groups(tail)
        if "." in head and gap:
            raise ValueError("a dotted quad stands last")
    except ValueError:
        raise ValueError(f"{address!r} is not an IPv6 address") from None
    missing = 2 * _GROUPS - len(before) - len(after)
    if missing < 2 if gap else missing:  # "::" stands for one group at least
        raise ValueError(f"{address!r} is not an IPv6 address")
    return before + bytes(missing) + after


def _pack_groups(text: str) -> bytes:
    packed = b""
    groups = text.split(":") if text else []
    for place, group in enumerate(groups):
        if "." in group and place == len(groups) - 1:
            packed += pack_ipv4(group)
        elif 1 <= len(group) <= 4 and group.isalnum() and group.isascii():
            packed += int(group, 16).to_bytes(2, "big")
        else:
            raise ValueError(group)
    return packed


def format_ipv6(payload: bytes) -> str:
    """Sixteen bytes as RFC 5952 recommends: lower case, no leading zeros, ``::`` for the first longest run of zeros."""
    groups = [payload[place : place + 2].hex().lstrip("0") or "0" for place in range(0, 2 * _GROUPS, 2)]
    start, length = _longest_zeros(groups)
    if length < 2:
        return ":".join(groups)
    return ":".join(groups[:start]) + "::" + ":".join(groups[start + length :])


def _longest_zeros(groups: list[str]) -> tuple[int, int]:
    best, start = (0, 0), 0
    for place, group in enumerate([*groups, "end"]):
        if group != "0":
            if place - start > best[1]:
                best = (start, place - start)
            start = place + 1
    return best


def canonical(address: str) -> str:
    """The one text for an address.  Raises ValueError for what is none."""
    return format_address(pack_address(address))


def pack_prefix(prefix: str) -> tuple[bytes, int]:
    """``2001:db8::/32`` as bytes and length.  Raises ValueError, also for bits beyond the length, which the kernel
    would refuse or forget."""
    address, _, length = prefix.partition("/")
    packed = pack_address(address)
    if not length.isascii() or not length.isdecimal() or int(length) > 8 * len(packed):
        raise ValueError(f"{prefix!r} is not a prefix: an address, a slash, 0 to {8 * len(packed)}")
    if int.from_bytes(packed, "big") & ((1 << (8 * len(packed) - int(length))) - 1):
        raise ValueError(f"{prefix!r} has bits beyond its length")
    return packed, int(length)
