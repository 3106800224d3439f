"""Links, addresses, neighbours and routes, as ``linux/rtnetlink.h`` and ``linux/if_link.h`` have them.  IPv4 only.

In: names, numbers, dotted quads.  Out: requests for the kernel, and its answers as named tuples.  Never: a socket.

Interface indices are chosen by us (``ifi_index`` in a creation is honoured, also for the peer of a veth), so nothing
needs to be read back between creating a link and using it.
"""

from __future__ import annotations

import struct
import sys
from typing import NamedTuple

from shadowlab.wire.netlink import (
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    Request,
    attributes,
    pack_attribute,
    pack_nested,
    pack_text,
    pack_u32,
    text,
)

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH = 28, 29, 30
RTM_NEWSTATS, RTM_GETSTATS = 92, 94

AF_INET = 2
IFF_UP, IFF_LOWER_UP = 0x1, 0x10000
IF_OPER_UNKNOWN, IF_OPER_UP = 0, 6
IFNAME_BYTES = 15
"""An interface name has at most 15 bytes."""
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_OPERSTATE, IFLA_LINKINFO, IFLA_IFALIAS = 1, 3, 4, 16, 18, 20
IFLA_STATS64, IFLA_NET_NS_FD, IFLA_NUM_TX_QUEUES, IFLA_NUM_RX_QUEUES, IFLA_GSO_MAX_SEGS = 23, 28, 31, 32, 40
IFLA_INFO_KIND, IFLA_INFO_DATA, VETH_INFO_PEER = 1, 2, 1
IFLA_STATS_LINK_64 = 1

IFA_ADDRESS, IFA_LOCAL = 1, 2
NDA_DST, NDA_LLADDR = 1, 2
NUD_PERMANENT = 0x80
RTA_DST, RTA_SRC, RTA_IIF, RTA_OIF, RTA_GATEWAY, RTA_TABLE = 1, 2, 3, 4, 5, 15
RT_TABLE_MAIN = 254
RTPROT_STATIC = 4
SCOPE_UNIVERSE, SCOPE_LINK = 0, 253
RTN_UNICAST, RTN_LOCAL = 1, 2

_LINK = struct.Struct("=BxHiII")  # ifinfomsg: family, type, index, flags, change
_ADDRESS = struct.Struct("=BBBBI")  # ifaddrmsg: family, prefix, flags, scope, index
_NEIGHBOUR = struct.Struct("=BxxxiHBB")  # ndmsg: family, index, state, flags, type
_ROUTE = struct.Struct("=BBBBBBBBI")  # rtmsg: family, dst, src, tos, table, protocol, scope, type, flags
_STATS = struct.Struct("=BxxxII")  # if_stats_msg: family, index, filter mask
_STATS64 = struct.Struct("=8Q")  # the head of rtnl_link_stats64


class VethEnd(NamedTuple):
    """One end of a pair to be born: in the namespace behind an open file descriptor, with an index of our choice."""

    name: str
    ifindex: int
    mac: str
    namespace_fd: int


class LinkState(NamedTuple):
    """One link of a dump.  ``carries``: a packet sent now would leave."""

    ifindex: int
    name: str
    up: bool
    carries: bool
    mtu: int
    mac: str
    alias: str
    kind: str
    tx_queues: int
    gso_max_segs: int


class LinkStats(NamedTuple):
    """The head of ``rtnl_link_stats64``, in its order."""

    rx_packets: int
    tx_packets: int
    rx_bytes: int
    tx_bytes: int
    rx_errors: int
    tx_errors: int
    rx_dropped: int
    tx_dropped: int


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


def pack_mac(mac: str) -> bytes:
    """``02:00:00:00:00:01`` as six bytes."""
    packed = bytes.fromhex(mac.replace(":", ""))
    if len(packed) != 6:
        raise ValueError(f"{mac!r} is not an Ethernet address")
    return packed


def pack_interface_name(name: str) -> bytes:
    """IFLA_IFNAME.  Raises ValueError for what Linux does not take as an interface name."""
    if not name or len(name.encode()) > IFNAME_BYTES or "/" in name or " " in name:
        raise ValueError(f"{name!r} is not an interface name: 1 to {IFNAME_BYTES} bytes, no slash, no space")
    return pack_text(IFLA_IFNAME, name)


def _end(end: VethEnd, mtu: int, alias: str) -> bytes:
    # One transmit queue: by default a veth has one per CPU, which costs time and memory and serves nothing here.
    # gso_max_segs 1: with segmentation offload a 64 kB super-packet is one packet to netem's loss and limit.
    return b"".join(
        (
            _LINK.pack(0, 0, end.ifindex, 0, 0),
            pack_interface_name(end.name),
            pack_attribute(IFLA_ADDRESS, pack_mac(end.mac)),
            pack_u32(IFLA_MTU, mtu),
            pack_u32(IFLA_NUM_TX_QUEUES, 1),
            pack_u32(IFLA_NUM_RX_QUEUES, 1),
            pack_u32(IFLA_GSO_MAX_SEGS, 1),
            pack_u32(IFLA_NET_NS_FD, end.namespace_fd),
            pack_text(IFLA_IFALIAS, alias),
        )
    )


def new_veth(a: VethEnd, b: VethEnd, mtu: int, alias: str) -> Request:
    """A veth pair with both ends born in their final namespaces, down.

    Moving an end afterwards would cost an unregistration and RCU grace periods.
    """
    peer = pack_attribute(VETH_INFO_PEER, _end(b, mtu, alias))
    info = pack_nested(IFLA_LINKINFO, pack_text(IFLA_INFO_KIND, "veth"), pack_nested(IFLA_INFO_DATA, peer))
    return Request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, _end(a, mtu, alias) + info)


def new_ifb(name: str, index: int, alias: str) -> Request:
    """An intermediate functional block: a place for a queueing discipline on arrival.  One queue, up at once."""
    body = b"".join(
        (
            _LINK.pack(0, 0, index, IFF_UP, IFF_UP),
            pack_interface_name(name),
            pack_u32(IFLA_NUM_TX_QUEUES, 1),
            pack_u32(IFLA_NUM_RX_QUEUES, 1),
            pack_text(IFLA_IFALIAS, alias),
            pack_nested(IFLA_LINKINFO, pack_text(IFLA_INFO_KIND, "ifb")),
        )
    )
    return Request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body)


def set_link_up(index: int, *, up: bool) -> Request:
    return Request(RTM_NEWLINK, 0, _LINK.pack(0, 0, index, IFF_UP if up else 0, IFF_UP))


def delete_link(index: int) -> Request:
    return Request(RTM_DELLINK, 0, _LINK.pack(0, 0, index, 0, 0))


def get_links() -> Request:
    return Request(RTM_GETLINK, NLM_F_DUMP, _LINK.pack(0, 0, 0, 0, 0))


def get_link(ifindex: int) -> Request:
    """One link.  Since Linux 6.7 asking makes the kernel catch up with the link's carrier first; a dump does not."""
    return Request(RTM_GETLINK, 0, _LINK.pack(0, 0, ifindex, 0, 0))


def parse_link(body: bytes) -> LinkState:
    """One message of a link dump, or the answer to :func:`get_link`."""
    _, _, index, flags, _ = _LINK.unpack_from(body)
    found = attributes(body, _LINK.size)
    kind = text(attributes(found.get(IFLA_LINKINFO, b"")).get(IFLA_INFO_KIND, b""))
    return LinkState(
        ifindex=index,
        name=text(found[IFLA_IFNAME]),
        up=bool(flags & IFF_UP),
        carries=_carries(flags, found.get(IFLA_OPERSTATE, b"\0")[0], kind),
        mtu=_u32(found.get(IFLA_MTU)),
        mac=found.get(IFLA_ADDRESS, b"").hex(":"),
        alias=text(found.get(IFLA_IFALIAS, b"")),
        kind=kind,
        tx_queues=_u32(found.get(IFLA_NUM_TX_QUEUES)),
        gso_max_segs=_u32(found.get(IFLA_GSO_MAX_SEGS)),
    )


def _carries(flags: int, operstate: int, kind: str) -> bool:
    """Whether a packet sent now would leave.

    The carrier of a veth comes at once when its other end goes up, but the end that was up first gets its queue only
    when the kernel's link watch has run; until then it drops what is sent.  The operational state tells: it is UNKNOWN
    (which the flag RUNNING takes for good) until then, and UP after.  An IFB has no carrier and stays UNKNOWN.
    """
    ready = operstate == IF_OPER_UP or (operstate == IF_OPER_UNKNOWN and kind != "veth")
    return ready and flags & (IFF_UP | IFF_LOWER_UP) == IFF_UP | IFF_LOWER_UP


def get_stats() -> Request:
    """All interfaces' counters: 200 bytes each, where a link dump has 1.3 kB."""
    return Request(RTM_GETSTATS, NLM_F_DUMP, _STATS.pack(0, 0, 1 << (IFLA_STATS_LINK_64 - 1)))


def parse_stats(body: bytes) -> tuple[int, LinkStats]:
    """Interface index and its counters."""
    _, index, _ = _STATS.unpack_from(body)
    return index, LinkStats(*_STATS64.unpack_from(attributes(body, _STATS.size)[IFLA_STATS_LINK_64]))


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
        ifindex=_u32(found.get(RTA_OIF)),
        kind=kind,
        table=_u32(found.get(RTA_TABLE)) or table,
    )


def _u32(payload: bytes | None) -> int:
    return int.from_bytes(payload or b"", sys.byteorder)
