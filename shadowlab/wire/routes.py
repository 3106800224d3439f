"""Routes and the rules that choose their table, as ``linux/rtnetlink.h`` and ``linux/fib_rules.h`` have them.

In: addresses and prefixes as text, interface indices.  Out: requests for the kernel, and its answers as named tuples.
Never: a socket.  IPv4 and IPv6, as the text tells; dumps are of both at once.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from shadowlab.wire.addresses import AF_INET, AF_INET6, family_of, format_address, pack_address, pack_prefix
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

RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTM_NEWRULE, RTM_DELRULE, RTM_GETRULE = 32, 33, 34
RTM_NEWNETCONF, RTM_GETNETCONF = 80, 82

RTA_DST, RTA_SRC, RTA_IIF, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_MULTIPATH, RTA_TABLE = 1, 2, 3, 4, 5, 6, 9, 15
RTA_METRICS = 8
RTAX_INITCWND, RTAX_INITRWND = 11, 14
RTA_IP_PROTO, RTA_SPORT, RTA_DPORT = 27, 28, 29
RTNH_F_DEAD = 0x1
RTM_F_CLONED, RTM_F_FIB_MATCH = 0x200, 0x2000
RTN_UNICAST, RTN_LOCAL, RTN_BLACKHOLE = 1, 2, 6
RT_TABLE_MAIN, RT_TABLE_LOCAL = 254, 255
RTPROT_KERNEL, RTPROT_STATIC = 2, 4
SCOPE_UNIVERSE, SCOPE_LINK = 0, 253
_SCOPE_NOWHERE = 255
"""In a deletion: of any scope."""

FRA_DST, FRA_SRC, FRA_PRIORITY, FRA_TABLE, FRA_PROTOCOL = 1, 2, 6, 15, 21
FR_ACT_TO_TABLE = 1

NETCONFA_IFINDEX, NETCONFA_FORWARDING = 1, 2
_NETCONF_ALL = b"\xff\xff\xff\xff"
"""As NETCONFA_IFINDEX, -1: what ``conf/all`` says."""

_MOST_WEIGHT = 256

_IPV6_METRIC = 1024
"""The metric that an IPv6 route gets which asks for none; the kernel's own routes have a better one."""

_ROUTE = struct.Struct("=BBBBBBBBI")  # rtmsg: family, dst, src, tos, table, protocol, scope, type, flags
_ROUTE_IPV4 = struct.Struct("=BBBBBBBBIHH4sHHIHH4s")  # the same, and the three attributes of the commonest route
_HOP = struct.Struct("=HBBi")  # rtnexthop: length, flags, weight - 1, index
_RULE = struct.Struct("=BBBBBxxBI")  # fib_rule_hdr: family, dst, src, tos, table, action, flags


class HopState(NamedTuple):
    """One way of a route.  ``dead``: its interface is down.  ``weight``: its part of the flows, beside other ways."""

    ifindex: int
    via: str | None
    dead: bool = False
    weight: int = 1


class RouteState(NamedTuple):
    """One route: of a dump, or the kernel's answer to where a packet would go.  Initial windows in segments; 0 where
    the route says nothing of them."""

    destination: str
    prefix: int
    hops: tuple[HopState, ...]
    kind: int
    table: int
    protocol: int
    cloned: bool
    initial_cwnd: int = 0
    initial_rwnd: int = 0


class RuleState(NamedTuple):
    """One rule of a dump; a prefix is empty where the rule asks for none."""

    source: str
    destination: str
    table: int
    priority: int
    protocol: int


# --- routes ----------------------------------------------------------------------------------------------------------


def _header(family: int, prefix: int, table: int, protocol: int, scope: int, kind: int) -> bytes:
    if table > RT_TABLE_LOCAL:  # eight bits do not hold it
        header = _ROUTE.pack(family, prefix, 0, 0, 0, protocol, scope, kind, 0)
    else:
        header = _ROUTE.pack(family, prefix, 0, 0, table, protocol, scope, kind, 0)
    return header if table == RT_TABLE_MAIN else header + pack_u32(RTA_TABLE, table)


def replace_route(
    destination: str,
    prefix: int,
    hops: Sequence[tuple[int, str | None, int]],
    table: int = RT_TABLE_MAIN,
    initial_windows: tuple[int, int] = (0, 0),
) -> Request:
    """Install the route, or put it in the place of the one that is there.  ``hops``: (interface index, gateway or None,
    weight) of each equal-cost way; the weight of a single one says nothing.  ``initial_windows``: with how many
    segments a connection by it begins to send, and to announce; 0 leaves it to the kernel.  Raises ValueError if there
    is no way, and for a weight that is not 1 to 256."""
    if not hops:
        raise ValueError(f"a route to {destination}/{prefix} needs a way")
    family = family_of(destination)
    scope = SCOPE_UNIVERSE
    if len(hops) == 1:
        index, via, weight = hops[0]
        check_weight(weight)
        plain = table == RT_TABLE_MAIN and not any(initial_windows)
        if family == AF_INET and plain and via is not None and ":" not in via:
            numbers = (family, prefix, 0, 0, table, RTPROT_STATIC, scope, RTN_UNICAST, 0)
            body = _ROUTE_IPV4.pack(
                *numbers, 8, RTA_DST, pack_address(destination), 8, RTA_OIF, index, 8, RTA_GATEWAY, pack_address(via)
            )
            return Request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, body)
        ways = pack_u32(RTA_OIF, index)
        if via is not None:
            ways += pack_attribute(RTA_GATEWAY, pack_address(via))
        elif family == AF_INET:
            scope = SCOPE_LINK
    else:
        ways = pack_attribute(RTA_MULTIPATH, b"".join(_pack_hop(*hop) for hop in hops))
    body = _header(family, prefix, table, RTPROT_STATIC, scope, RTN_UNICAST)
    body += pack_attribute(RTA_DST, pack_address(destination)) + ways
    metrics = b"".join(
        pack_u32(kind, window)
        for kind, window in zip((RTAX_INITCWND, RTAX_INITRWND), initial_windows, strict=True)
        if window
    )
    if metrics:
        body += pack_attribute(RTA_METRICS, metrics)
    return Request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, body)


def _pack_hop(index: int, via: str | None, weight: int) -> bytes:
    gateway = b"" if via is None else pack_attribute(RTA_GATEWAY, pack_address(via))
    return _HOP.pack(_HOP.size + len(gateway), 0, check_weight(weight) - 1, index) + gateway


def check_weight(weight: int) -> int:
    """The weight of a hop.  Raises ValueError for one that eight bits do not hold."""
    if not 1 <= weight <= _MOST_WEIGHT:
        raise ValueError(f"the weight of a hop is 1 to {_MOST_WEIGHT}, not {weight}")
    return weight


def replace_by_black_hole(destination: str, prefix: int, table: int = RT_TABLE_MAIN) -> Request:
    """As :func:`replace_route`; what matches is dropped without an answer."""
    family = family_of(destination)
    body = _header(family, prefix, table, RTPROT_STATIC, SCOPE_UNIVERSE, RTN_BLACKHOLE)
    return Request(
        RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, body + pack_attribute(RTA_DST, pack_address(destination))
    )


def delete_route(destination: str, prefix: int, table: int = RT_TABLE_MAIN) -> Request:
    """Remove a destination's route of any kind, with all its ways.  ESRCH if there is none."""
    family = family_of(destination)
    body = _header(family, prefix, table, 0, _SCOPE_NOWHERE, 0)
    if family == AF_INET6:
        body += pack_u32(RTA_PRIORITY, _IPV6_METRIC)
    return Request(RTM_DELROUTE, 0, body + pack_attribute(RTA_DST, pack_address(destination)))


def get_route(
    destination: str,
    source: str,
    arrived_by: int,
    flow: tuple[int, int, int] | None = None,
    *,
    whole_route: bool = False,
) -> Request:
    """Where would a packet go: one of our own (``arrived_by`` 0), or one that came in by that interface.

    ``flow``: IP protocol, source port, destination port.  ``whole_route``: the answer is not the way that was chosen
    but the route with all of them.
    """
    packed = pack_address(destination)
    bits = 8 * len(packed)
    flags = RTM_F_FIB_MATCH if whole_route else 0
    body = _ROUTE.pack(family_of(destination), bits, bits if source else 0, 0, 0, 0, 0, 0, flags)
    body += pack_attribute(RTA_DST, packed)
    if source:
        body += pack_attribute(RTA_SRC, pack_address(source))
    if arrived_by:
        body += pack_u32(RTA_IIF, arrived_by)
    if flow is not None:
        protocol, *ports = flow
        body += pack_attribute(RTA_IP_PROTO, struct.pack("=B", protocol))
        for kind, port in zip((RTA_SPORT, RTA_DPORT), ports, strict=True):
            body += pack_attribute(kind, struct.pack("!H", port))
    return Request(RTM_GETROUTE, 0, body)


def get_routes() -> Request:
    return Request(RTM_GETROUTE, NLM_F_DUMP, _ROUTE.pack(0, 0, 0, 0, 0, 0, 0, 0, 0))


def parse_route(body: bytes) -> RouteState:
    """One message of a route dump, or the answer to :func:`get_route`."""
    family, prefix, _, _, table, protocol, _, kind, flags = _ROUTE.unpack_from(body)
    found = attributes(body, _ROUTE.size)
    if RTA_MULTIPATH in found:
        hops = tuple(_walk_hops(found[RTA_MULTIPATH]))
    elif RTA_OIF in found and kind != RTN_BLACKHOLE:  # IPv6 hangs its black holes onto the loopback
        hops = (HopState(read_u32(found[RTA_OIF]), _gateway(found), bool(flags & RTNH_F_DEAD)),)
    else:
        hops = ()
    metrics = attributes(found[RTA_METRICS], 0) if RTA_METRICS in found else {}
    return RouteState(
        destination=format_address(found.get(RTA_DST, bytes(16 if family == AF_INET6 else 4))),
        prefix=prefix,
        hops=hops,
        kind=kind,
        table=read_u32(found.get(RTA_TABLE)) or table,
        protocol=protocol,
        cloned=bool(flags & RTM_F_CLONED),
        initial_cwnd=read_u32(metrics.get(RTAX_INITCWND)),
        initial_rwnd=read_u32(metrics.get(RTAX_INITRWND)),
    )


def _gateway(found: dict[int, bytes]) -> str | None:
    return format_address(found[RTA_GATEWAY]) if RTA_GATEWAY in found else None


def _walk_hops(payload: bytes) -> Iterator[HopState]:
    offset = 0
    while len(payload) - offset >= _HOP.size:
        length, flags, more, index = _HOP.unpack_from(payload, offset)
        if length < _HOP.size or offset + length > len(payload):
            raise ValueError(f"a next hop claims {length} bytes where {len(payload) - offset} are left")
        found = attributes(payload[offset : offset + length], _HOP.size)
        yield HopState(index, _gateway(found), bool(flags & RTNH_F_DEAD), more + 1)
        offset += (length + 3) & ~3


# --- rules -----------------------------------------------------------------------------------------------------------


def new_rule(source: str, destination: str, table: int, priority: int) -> Request:
    """Serve what comes from and goes to these prefixes (empty: any) from a table."""
    return Request(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, _rule(source, destination, table, priority))


def delete_rule(source: str, destination: str, table: int, priority: int) -> Request:
    """Remove the rule that is the same in all.  ENOENT if there is none."""
    return Request(RTM_DELRULE, 0, _rule(source, destination, table, priority))


def _rule(source: str, destination: str, table: int, priority: int) -> bytes:
    if not source and not destination:
        raise ValueError("a rule needs a source or a destination")
    if source and destination and family_of(source) != family_of(destination):
        raise ValueError(f"{source} and {destination} are not of one family")
    lengths, prefixes = [], b""
    for kind, prefix in ((FRA_DST, destination), (FRA_SRC, source)):
        packed, length = pack_prefix(prefix) if prefix else (b"", 0)
        lengths.append(length)
        prefixes += pack_attribute(kind, packed) if length else b""
    short = table if table <= RT_TABLE_LOCAL else 0
    header = _RULE.pack(family_of(source or destination), *lengths, 0, short, FR_ACT_TO_TABLE, 0)
    protocol = pack_attribute(FRA_PROTOCOL, struct.pack("=B", RTPROT_STATIC))
    return header + prefixes + pack_u32(FRA_PRIORITY, priority) + pack_u32(FRA_TABLE, table) + protocol


def get_rules() -> Request:
    return Request(RTM_GETRULE, NLM_F_DUMP, _RULE.pack(0, 0, 0, 0, 0, 0, 0))


def parse_rule(body: bytes) -> RuleState:
    """One message of a rule dump."""
    _, to_length, from_length, _, table, _, _ = _RULE.unpack_from(body)
    found = attributes(body, _RULE.size)
    return RuleState(
        source=f"{format_address(found[FRA_SRC])}/{from_length}" if FRA_SRC in found else "",
        destination=f"{format_address(found[FRA_DST])}/{to_length}" if FRA_DST in found else "",
        table=read_u32(found.get(FRA_TABLE)) or table,
        priority=read_u32(found.get(FRA_PRIORITY)),
        protocol=found.get(FRA_PROTOCOL, b"\0")[0],
    )


# --- forwarding ------------------------------------------------------------------------------------------------------


def get_forwarding_ipv6() -> Request:
    """Does the namespace forward IPv6?  (A lookup does not say: it answers for a host as for a router.)"""
    body = struct.pack("=Bxxx", AF_INET6) + pack_attribute(NETCONFA_IFINDEX, _NETCONF_ALL)
    return Request(RTM_GETNETCONF, 0, body)


def parse_forwarding(body: bytes) -> bool:
    """The answer to :func:`get_forwarding_ipv6`."""
    return read_u32(attributes(body, 4).get(NETCONFA_FORWARDING)) != 0
