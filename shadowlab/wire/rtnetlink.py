"""Addresses, neighbours and routes, as ``linux/rtnetlink.h`` and ``linux/neighbour.h`` have them.  IPv4 only.

In: interface indices, dotted quads.  Out: requests for the kernel, and its answers as named tuples.  Never: a socket.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

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
    read_u32,
)

RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH = 28, 29, 30

AF_INET = 2

IFA_ADDRESS, IFA_LOCAL = 1, 2
NDA_DST, NDA_LLADDR = 1, 2
NUD_PERMANENT = 0x80
RTA_DST, RTA_SRC, RTA_IIF, RTA_OIF, RTA_GATEWAY, RTA_TABLE = 1, 2, 3, 4, 5, 15
RT_TABLE_MAIN = 254
RTPROT_STATIC = 4
SCOPE_UNIVERSE, SCOPE_LINK = 0, 253
_SCOPE_NOWHERE = 255
"""In a deletion: of any scope."""
RTN_UNICAST, RTN_LOCAL = 1, 2

_ADDRESS = struct.Struct("=BBBBI")  # ifaddrmsg: family, prefix, flags, scope, index
_NEIGHBOUR = struct.Struct("=BxxxiHBB")  # ndmsg: family, index, state, flags, type
_ROUTE = struct.Struct("=BBBBBBBBI")  # rtmsg: family, dst, src, tos, table, protocol, scope, type, flags


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


class RouteState(NamedTuple):
    """One route: of a dump, or the kernel's answer to where a packet would go."""

    destination: str
    prefix: int
    via: str | None
    ifindex: int
    kind: int
    table: int


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


def new_address(index: int, address: str, prefix: int, scope: int) -> Request:
    packed = pack_ipv4(address)
    body = _ADDRESS.pack(AF_INET, prefix, 0, scope, index)
    body += pack_attribute(IFA_LOCAL, packed) + pack_attribute(IFA_ADDRESS, packed)
    return Request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, body)


def get_addresses() -> Request:
    return Request(RTM_GETADDR, NLM_F_DUMP, _ADDRESS.pack(AF_INET, 0, 0, 0, 0))


def parse_address(body: bytes) -> AddressState:
    """One message of an address dump."""
    _, prefix, _, scope, index = _ADDRESS.unpack_from(body)
    return AddressState(index, format_ipv4(attributes(body, _ADDRESS.size)[IFA_LOCAL]), prefix, scope)


def new_neighbour(index: int, address: str, mac: str) -> Request:
    """A permanent neighbour: no packet waits for ARP."""
    body = _NEIGHBOUR.pack(AF_INET, index, NUD_PERMANENT, 0, 0)
    body += pack_attribute(NDA_DST, pack_ipv4(address)) + pack_attribute(NDA_LLADDR, pack_mac(mac))
    return Request(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, body)


def get_neighbours() -> Request:
    return Request(RTM_GETNEIGH, NLM_F_DUMP, _NEIGHBOUR.pack(AF_INET, 0, 0, 0, 0))


def parse_neighbour(body: bytes) -> NeighbourState:
    """One message of a neighbour dump."""
    _, index, state, _, _ = _NEIGHBOUR.unpack_from(body)
    found = attributes(body, _NEIGHBOUR.size)
    return NeighbourState(
        index, format_ipv4(found[NDA_DST]), found.get(NDA_LLADDR, b"").hex(":"), bool(state & NUD_PERMANENT)
    )


def replace_route(destination: str, prefix: int, via: str, index: int) -> Request:
    """Install the route, or put it in the place of the one that is there."""
    body = _ROUTE.pack(AF_INET, prefix, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, SCOPE_UNIVERSE, RTN_UNICAST, 0)
    body += pack_attribute(RTA_DST, pack_ipv4(destination)) + pack_attribute(RTA_GATEWAY, pack_ipv4(via))
    return Request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, body + pack_u32(RTA_OIF, index))


def delete_route(destination: str, prefix: int) -> Request:
    """Remove the main table's unicast route of a destination, whatever it leads by.  ESRCH if there is none."""
    body = _ROUTE.pack(AF_INET, prefix, 0, 0, RT_TABLE_MAIN, 0, _SCOPE_NOWHERE, RTN_UNICAST, 0)
    return Request(RTM_DELROUTE, 0, body + pack_attribute(RTA_DST, pack_ipv4(destination)))


def get_route(destination: str, source: str, arrived_by: int) -> Request:
    """Where would a packet go: one of our own (``arrived_by`` 0), or one that came in by that interface."""
    body = _ROUTE.pack(AF_INET, 32, 32 if source else 0, 0, 0, 0, 0, 0, 0)
    body += pack_attribute(RTA_DST, pack_ipv4(destination))
    if source:
        body += pack_attribute(RTA_SRC, pack_ipv4(source))
    if arrived_by:
        body += pack_u32(RTA_IIF, arrived_by)
    return Request(RTM_GETROUTE, 0, body)


def get_routes() -> Request:
    return Request(RTM_GETROUTE, NLM_F_DUMP, _ROUTE.pack(AF_INET, 0, 0, 0, 0, 0, 0, 0, 0))


def parse_route(body: bytes) -> RouteState:
    """One message of a route dump, or the answer to :func:`get_route`."""
    _, prefix, _, _, table, _, _, kind, _ = _ROUTE.unpack_from(body)
    found = attributes(body, _ROUTE.size)
    return RouteState(
        destination=format_ipv4(found.get(RTA_DST, b"\0\0\0\0")),
        prefix=prefix,
        via=format_ipv4(found[RTA_GATEWAY]) if RTA_GATEWAY in found else None,
        ifindex=read_u32(found.get(RTA_OIF)),
        kind=kind,
        table=read_u32(found.get(RTA_TABLE)) or table,
    )
