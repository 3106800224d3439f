"""Addresses and neighbours, as ``linux/if_addr.h`` and ``linux/neighbour.h`` have them, of IPv4 and IPv6.

In: interface indices, addresses as text.  Out: requests for the kernel, and its answers as named tuples.
Never: a socket.  Dumps are of both families at once.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from shadowlab.wire.addresses import AF_INET6, family_of, format_address, pack_address
from shadowlab.wire.if_link import pack_mac
from shadowlab.wire.netlink import (
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    Request,
    attributes,
    pack_attribute,
    pack_u32,
)

RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH = 28, 29, 30

IFA_ADDRESS, IFA_LOCAL, IFA_CACHEINFO, IFA_FLAGS = 1, 2, 6, 8
IFA_F_NODAD = 0x02
NDA_DST, NDA_LLADDR = 1, 2
NUD_PERMANENT = 0x80
SCOPE_UNIVERSE, SCOPE_LINK = 0, 253
_FOREVER = 0xFFFF_FFFF

_ADDRESS = struct.Struct("=BBBBI")  # ifaddrmsg: family, prefix, flags, scope, index
_ADDRESS_IPV4 = struct.Struct("=BBBBIHH4sHH4s")  # the same, and its two attributes
_NEIGHBOUR_IPV4 = struct.Struct("=BxxxiHBBHH4sHH6s2x")
_LIFETIMES = struct.Struct("=IIII")  # ifa_cacheinfo: preferred, valid, created, updated
_NEIGHBOUR = struct.Struct("=BxxxiHBB")  # ndmsg: family, index, state, flags, type


class AddressState(NamedTuple):
    """One address of a dump."""

    ifindex: int
    address: str
    prefix: int
    scope: int


class NeighbourState(NamedTuple):
    """One neighbour of a dump."""

    ifindex: int
    address: str
    mac: str
    permanent: bool


def new_address(index: int, address: str, prefix: int, scope: int) -> Request:
    """An address.  In IPv6 a scope is a property of the address itself: what shall serve its link alone (SCOPE_LINK) is
    deprecated there instead, which comes before the outgoing interface in the choice of a source (RFC 6724, rules 3
    and 5)."""
    packed = pack_address(address)
    family = family_of(address)
    if family == AF_INET6:
        body = _ADDRESS.pack(family, prefix, 0, SCOPE_UNIVERSE, index) + pack_u32(IFA_FLAGS, IFA_F_NODAD)
        if scope == SCOPE_LINK:
            body += pack_attribute(IFA_CACHEINFO, _LIFETIMES.pack(0, _FOREVER, 0, 0))
    else:
        body = _ADDRESS_IPV4.pack(family, prefix, 0, scope, index, 8, IFA_LOCAL, packed, 8, IFA_ADDRESS, packed)
        return Request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, body)
    body += pack_attribute(IFA_LOCAL, packed) + pack_attribute(IFA_ADDRESS, packed)
    return Request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, body)


def get_addresses() -> Request:
    return Request(RTM_GETADDR, NLM_F_DUMP, _ADDRESS.pack(0, 0, 0, 0, 0))


def parse_address(body: bytes) -> AddressState:
    """One message of an address dump."""
    _, prefix, _, scope, index = _ADDRESS.unpack_from(body)
    found = attributes(body, _ADDRESS.size)
    held = found[IFA_LOCAL] if IFA_LOCAL in found else found[IFA_ADDRESS]  # IPv6 tells the one of a pair only
    return AddressState(index, format_address(held), prefix, scope)


def new_neighbour(index: int, address: str, mac: str) -> Request:
    """A permanent neighbour: no packet waits for ARP or neighbour discovery."""
    packed, family, packed_mac = pack_address(address), family_of(address), pack_mac(mac)
    if family == AF_INET6:
        body = _NEIGHBOUR.pack(family, index, NUD_PERMANENT, 0, 0)
        body += pack_attribute(NDA_DST, packed) + pack_attribute(NDA_LLADDR, packed_mac)
    else:
        numbers = (family, index, NUD_PERMANENT, 0, 0)
        body = _NEIGHBOUR_IPV4.pack(*numbers, 8, NDA_DST, packed, 10, NDA_LLADDR, packed_mac)
    return Request(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, body)


def delete_neighbour(index: int, address: str) -> Request:
    body = _NEIGHBOUR.pack(family_of(address), index, 0, 0, 0) + pack_attribute(NDA_DST, pack_address(address))
    return Request(RTM_DELNEIGH, 0, body)


def get_neighbours() -> Request:
    return Request(RTM_GETNEIGH, NLM_F_DUMP, _NEIGHBOUR.pack(0, 0, 0, 0, 0))


def parse_neighbour(body: bytes) -> NeighbourState:
    """One message of a neighbour dump."""
    _, index, state, _, _ = _NEIGHBOUR.unpack_from(body)
    found = attributes(body, _NEIGHBOUR.size)
    return NeighbourState(
        index, format_address(found[NDA_DST]), found.get(NDA_LLADDR, b"").hex(":"), bool(state & NUD_PERMANENT)
    )
