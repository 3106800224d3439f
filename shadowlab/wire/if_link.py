"""Links and their counters, as ``linux/if_link.h`` has them: veth pairs, bridges, IFBs, VXLAN tunnels, carriers.

In: names, numbers, Ethernet addresses.  Out: requests for the kernel, and its answers as named tuples.
Never: a socket.

Interface indices are chosen by us (``ifi_index`` in a creation is honoured, also for the peer of a veth), so nothing
needs to be read back between creating a link and using it.
"""

from __future__ import annotations

import ipaddress
import struct
from functools import lru_cache
from typing import NamedTuple

from shadowlab.wire.netlink import (
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    Request,
    attributes,
    pack_attribute,
    pack_nested,
    pack_text,
    pack_u32,
    read_u32,
    text,
    walk_attributes,
)

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWSTATS, RTM_GETSTATS = 92, 94

IFF_UP, IFF_LOWER_UP = 0x1, 0x10000
IF_OPER_UNKNOWN, IF_OPER_UP = 0, 6
IFNAME_BYTES = 15
"""An interface name has at most 15 bytes."""
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_MASTER, IFLA_OPERSTATE, IFLA_LINKINFO, IFLA_IFALIAS = 1, 3, 4, 10, 16, 18, 20
IFLA_STATS64, IFLA_NET_NS_FD, IFLA_NUM_TX_QUEUES, IFLA_NUM_RX_QUEUES, IFLA_GSO_MAX_SEGS = 23, 28, 31, 32, 40
IFLA_EXT_MASK = 29
IFLA_INFO_KIND, IFLA_INFO_DATA, VETH_INFO_PEER = 1, 2, 1
IFLA_BR_FORWARD_DELAY, IFLA_BR_STP_STATE, IFLA_BR_MCAST_SNOOPING = 1, 5, 23
IFLA_STATS_LINK_64 = 1
IFLA_VXLAN_ID, IFLA_VXLAN_GROUP, IFLA_VXLAN_LOCAL, IFLA_VXLAN_TTL, IFLA_VXLAN_LEARNING = 1, 2, 4, 5, 7
IFLA_VXLAN_PORT, IFLA_VXLAN_GROUP6, IFLA_VXLAN_LOCAL6 = 15, 16, 17
VXLAN_PORT = 4789
"""IANA's; the kernel's own default is an older one."""
VXLAN_BYTES, VXLAN6_BYTES = 50, 70
"""By which a packet is longer in the underlay: Ethernet inside, VXLAN, UDP, IP."""
_TTL = 64  # of a tunnel's packets
MOST_VNI = (1 << 24) - 1
GSO_MOST_SEGMENTS = 65_535
"""The kernel's default: super-packets as large as they come."""

_LINK = struct.Struct("=BxHiII")  # ifinfomsg: family, type, index, flags, change
_WITHOUT_STATS = pack_u32(IFLA_EXT_MASK, 8)  # RTEXT_FILTER_SKIP_STATS
_NUMBERS = struct.Struct("=HH6s2x" + 5 * "HHI")  # attributes of a link's end: its Ethernet address, five numbers
_MAC_BYTES = 10
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
    master: int = 0
    """The index of the bridge that it is a port of."""


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


@lru_cache(maxsize=1 << 14)  # once for an interface, once for its neighbour
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


def _end(end: VethEnd, mtu: int, alias: str, segments: int) -> bytes:
    # One transmit queue: by default a veth has one per CPU, which costs time and memory and serves nothing here.
    # gso_max_segs 1: with segmentation offload a 64 kB super-packet is one packet to netem's loss and limit.
    numbers = _NUMBERS.pack(
        *(_MAC_BYTES, IFLA_ADDRESS, pack_mac(end.mac)),
        *(8, IFLA_MTU, mtu),
        *(8, IFLA_NUM_TX_QUEUES, 1),
        *(8, IFLA_NUM_RX_QUEUES, 1),
        *(8, IFLA_GSO_MAX_SEGS, segments),
        *(8, IFLA_NET_NS_FD, end.namespace_fd),
    )
    head = _LINK.pack(0, 0, end.ifindex, 0, 0) + pack_interface_name(end.name)
    return head + numbers + pack_text(IFLA_IFALIAS, alias)


def new_veth(a: VethEnd, b: VethEnd, mtu: int, alias: str, *, offload: bool = False) -> Request:
    """A veth pair with both ends born in their final namespaces, down.

    Moving an end afterwards would cost an unregistration and RCU grace periods.
    """
    segments = GSO_MOST_SEGMENTS if offload else 1
    peer = pack_attribute(VETH_INFO_PEER, _end(b, mtu, alias, segments))
    info = pack_nested(IFLA_LINKINFO, pack_text(IFLA_INFO_KIND, "veth"), pack_nested(IFLA_INFO_DATA, peer))
    return Request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, _end(a, mtu, alias, segments) + info)


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


def new_bridge(name: str, index: int, mac: str, mtu: int) -> Request:
    """A bridge that forwards from the first moment: no spanning tree, no delay; up at once."""
    settings = pack_nested(
        IFLA_INFO_DATA,
        pack_u32(IFLA_BR_STP_STATE, 0),
        pack_u32(IFLA_BR_FORWARD_DELAY, 0),
        pack_attribute(IFLA_BR_MCAST_SNOOPING, b"\0"),
    )
    body = b"".join(
        (
            _LINK.pack(0, 0, index, IFF_UP, IFF_UP),
            pack_interface_name(name),
            pack_attribute(IFLA_ADDRESS, pack_mac(mac)),
            pack_u32(IFLA_MTU, mtu),
            pack_nested(IFLA_LINKINFO, pack_text(IFLA_INFO_KIND, "bridge"), settings),
        )
    )
    return Request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body)


def new_vxlan(name: str, *, vni: int, local: str, remote: str, mtu: int, namespace_fd: int) -> Request:
    """Born in a namespace, down.  Its packets go out where the request is made: in the underlay.

    Raises ValueError for addresses of different families and for a number that VXLAN has no bits for.
    """
    near, far = ipaddress.ip_address(local), ipaddress.ip_address(remote)
    if near.version != far.version:
        raise ValueError(f"a tunnel from {local} to {remote}: one is IPv4, the other IPv6")
    if not 0 <= vni <= MOST_VNI:
        raise ValueError(f"a tunnel's number {vni}: has 24 bits")
    kinds = (IFLA_VXLAN_LOCAL, IFLA_VXLAN_GROUP) if near.version == 4 else (IFLA_VXLAN_LOCAL6, IFLA_VXLAN_GROUP6)
    settings = pack_nested(
        IFLA_INFO_DATA,
        pack_u32(IFLA_VXLAN_ID, vni),
        pack_attribute(kinds[0], near.packed),
        pack_attribute(kinds[1], far.packed),
        pack_attribute(IFLA_VXLAN_TTL, bytes([_TTL])),
        pack_attribute(IFLA_VXLAN_LEARNING, b"\0"),
        pack_attribute(IFLA_VXLAN_PORT, struct.pack("!H", VXLAN_PORT)),
    )
    body = b"".join(
        (
            _LINK.pack(0, 0, 0, 0, 0),
            pack_interface_name(name),
            pack_u32(IFLA_MTU, mtu),
            pack_u32(IFLA_NET_NS_FD, namespace_fd),
            pack_nested(IFLA_LINKINFO, pack_text(IFLA_INFO_KIND, "vxlan"), settings),
        )
    )
    return Request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body)


def set_master(index: int, bridge: int) -> Request:
    """Make an interface a port of a bridge; 0: of none."""
    return Request(RTM_NEWLINK, 0, _LINK.pack(0, 0, index, 0, 0) + pack_u32(IFLA_MASTER, bridge))


def set_link_up(index: int, *, up: bool) -> Request:
    return Request(RTM_NEWLINK, 0, _LINK.pack(0, 0, index, IFF_UP if up else 0, IFF_UP))


def set_alias(index: int, alias: str) -> Request:
    """The text that ``ip link`` shows as alias: up to 255 bytes."""
    return Request(RTM_NEWLINK, 0, _LINK.pack(0, 0, index, 0, 0) + pack_text(IFLA_IFALIAS, alias))


def delete_link(index: int) -> Request:
    return Request(RTM_DELLINK, 0, _LINK.pack(0, 0, index, 0, 0))


def get_links() -> Request:
    return Request(RTM_GETLINK, NLM_F_DUMP, _LINK.pack(0, 0, 0, 0, 0))


def get_link(ifindex: int) -> Request:
    """One link, without its counters.  Since Linux 6.7 asking makes the kernel catch up with the link's carrier first;
    a dump does not."""
    return Request(RTM_GETLINK, 0, _LINK.pack(0, 0, ifindex, 0, 0) + _WITHOUT_STATS)


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
        mtu=read_u32(found.get(IFLA_MTU)),
        mac=found.get(IFLA_ADDRESS, b"").hex(":"),
        alias=text(found.get(IFLA_IFALIAS, b"")),
        kind=kind,
        tx_queues=read_u32(found.get(IFLA_NUM_TX_QUEUES)),
        gso_max_segs=read_u32(found.get(IFLA_GSO_MAX_SEGS)),
        master=read_u32(found.get(IFLA_MASTER)),
    )


def carries(body: bytes) -> bool:
    """Of :func:`parse_link` only whether a packet sent now would leave: asked of every interface of a network."""
    _, _, _, flags, _ = _LINK.unpack_from(body)
    for kind, payload in walk_attributes(body, _LINK.size):
        if kind == IFLA_OPERSTATE:  # one of the first
            if payload[0] == IF_OPER_UP:
                return _carries(flags, IF_OPER_UP, "")
            break
    return parse_link(body).carries


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
