"""Addresses, interface names and MAC addresses of a network.

In: a :class:`~shadowlab.model.network.Network`.  Out: its :class:`~shadowlab.model.fabric.Fabric`, the same for the
same network, byte for byte.  Never: an address given twice.

A node's own /32 is the first IPv4 address its map states.  Else a host has one of 10.32.0.0/11, next to those of the
hosts near it, so that routes can be few; a router the next free one of 10.0.0.0/11.  The two
ends of a link take the next free /31 of 10.128.0.0/9, in map order; all that hangs on a segment shares a subnet of
10.64.0.0/10, with as much room again.  Every pool skips the addresses that the map states.

IPv6 addresses follow from those of IPv4: the same number in the last 32 bits, below fd53:4c41::/32 (nodes: /64 number
0, links: 1, segments: 2), unless the map states one for a node.

A network that lives keeps what it has: a node its address, a link its addresses, names and MACs, as long as the map
still has them and states nothing else.  What is new takes nothing that is in use, not even by what is about to go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from itertools import count

from shadowlab.model.fabric import Fabric, Interface
from shadowlab.model.network import Link, Network, Node
from shadowlab.topology.forwarding.locality import groups_by_place

ROUTER_POOL = IPv4Network("10.0.0.0/11")
HOST_POOL = IPv4Network("10.32.0.0/11")
SEGMENT_POOL = IPv4Network("10.64.0.0/10")
LINK_POOL = IPv4Network("10.128.0.0/9")
IPV6_POOL = IPv6Network("fd53:4c41::/32")
LINK_PREFIX = 31
LONGEST_NAME = 15
"""Linux' IFNAMSIZ without the closing zero."""

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")
_LEAST_SEGMENT = 8


_NOTHING = Fabric(node_address={}, interfaces=())


def address(network: Network, *, keep: Fabric = _NOTHING) -> Fabric:
    """The fabric of a network; ``keep`` is what is in use.

    Raises ValueError when a pool is exhausted or an address is stated twice.
    """
    stated = _stated_addresses(network)
    used = {int(one) for one in stated if isinstance(one, IPv4Address)}
    used |= {int(IPv4Address(text)) for text in keep.node_address.values() if text}
    used |= {int(IPv4Address(one.address)) for one in keep.interfaces if one.address}
    node_address = _node_addresses(network, keep, stated, used)
    ends = _ends(network, keep, stated, used)
    taken: dict[str, set[str]] = {node.id: set() for node in network.nodes}
    for one in keep.interfaces:
        taken.setdefault(one.node, set()).add(one.name)
    used_macs = {one.mac for one in keep.interfaces}
    numbers = (number for number in count(step=2) if not {_mac(number), _mac(number + 1)} & used_macs)
    interfaces: list[Interface] = []
    for link in network.links:
        given = ends[link.id]
        if kept := _kept_ends(link, keep, given):
            interfaces += kept
            continue
        number = next(numbers)
        names = (_interface_name(link.b, taken[link.a]), _interface_name(link.a, taken[link.b]))
        macs, nodes = (_mac(number), _mac(number + 1)), (link.a, link.b)
        for near, far in ((0, 1), (1, 0)):
            interfaces.append(
                Interface(
                    node=nodes[near],
                    name=names[near],
                    link=link.id,
                    peer=nodes[far],
                    peer_name=names[far],
                    address=given.addresses[near],
                    peer_address=given.addresses[far],
                    prefix=given.prefix,
                    mac=macs[near],
                    peer_mac=macs[far],
                )
            )
    fabric = Fabric(node_address=node_address, interfaces=tuple(interfaces))
    return _with_ipv6(network, fabric) if network.ipv6 else fabric


@dataclass(frozen=True, kw_only=True)
class _Given:
    """The addresses of a link's two ends (empty at a segment) and the prefix of their subnet."""

    addresses: tuple[str, str]
    prefix: int


_Stated = Mapping[IPv4Address | IPv6Address, str]


def _stated_addresses(network: Network) -> _Stated:
    """Address to node."""
    owner: dict[IPv4Address | IPv6Address, str] = {}
    for node in network.nodes:
        for text in node.addresses:
            number = ip_address(text)
            if owner.setdefault(number, node.id) != node.id:
                raise ValueError(f"address {text} belongs to both {owner[number]} and {node.id}")
    return owner


def first_address(node: Node, family: type[IPv4Address] | type[IPv6Address]) -> str:
    """The first address of a family that the map states for a node; empty if there is none."""
    return next((text for text in node.addresses if isinstance(ip_address(text), family)), "")


def _node_addresses(network: Network, keep: Fabric, stated: _Stated, used: set[int]) -> dict[str, str]:
    found: dict[str, str] = {}
    for node in network.nodes:
        kept = keep.node_address.get(node.id, "")
        text = first_address(node, IPv4Address)
        if text or node.kind == "segment":
            found[node.id] = text
        elif kept and IPv4Address(kept) not in stated:
            found[node.id] = kept
    pool = _Pool(HOST_POOL, used)
    for group in groups_by_place(network):
        needed = [name for name in group if name not in found]
        beside = max((int(IPv4Address(found[name])) for name in group if name in found), default=0)
        while needed and pool.free(beside + 1):
            beside += 1
            found[needed.pop(0)] = pool.take(beside)
        if needed:
            start = pool.next_block(len(needed))
            found |= {name: pool.take(start + place) for place, name in enumerate(needed)}
    pool = _Pool(ROUTER_POOL, used)
    return {node.id: found[node.id] if node.id in found else pool.take(pool.next_block(1)) for node in network.nodes}


class _Pool:
    """Free addresses of a pool; ``used`` are those of all pools."""

    def __init__(self, pool: IPv4Network, used: set[int]) -> None:
        self._pool = pool
        self._used = used
        self._next = int(pool.network_address) + 1

    def free(self, number: int) -> bool:
        return IPv4Address(number) in self._pool and number not in self._used

    def take(self, number: int) -> str:
        self._used.add(number)
        return str(IPv4Address(number))

    def next_block(self, size: int) -> int:
        """The first free run of ``size`` addresses at or behind the last one that begins where one prefix could cover
        it."""
        step = 1 << (size - 1).bit_length()
        start, last = -(-self._next // step) * step, int(self._pool.broadcast_address)
        while start + size <= last:
            if self._used.isdisjoint(range(start, start + size)):
                self._next = start + size
                return start
            start += step
        raise ValueError(f"the pool {self._pool} has no address left for a node")


def _ends(network: Network, keep: Fabric, stated: _Stated, used: set[int]) -> dict[str, _Given]:
    """What the ends of every link have: what they had if they can keep it, else something new."""
    found: dict[str, _Given] = {}
    members: dict[str, list[Link]] = {node.id: [] for node in network.nodes if node.kind == "segment"}
    pairs = _free_pairs(used)
    for link in network.links:
        segment = next((end for end in (link.a, link.b) if end in members), None)
        if segment is not None:
            members[segment].append(link)
            continue
        kept = _kept(link, keep, stated)
        found[link.id] = kept if kept and all(kept.addresses) else _Given(addresses=next(pairs), prefix=LINK_PREFIX)
    subnets = {
        IPv4Network((one.address, one.prefix), strict=False)
        for one in keep.interfaces
        if one.address and not one.peer_address
    }
    for segment, links in members.items():
        found |= _on_segment(segment, links, keep, stated, subnets)
    return found


def _on_segment(
    segment: str, links: list[Link], keep: Fabric, stated: _Stated, subnets: set[IPv4Network]
) -> dict[str, _Given]:
    """One subnet for all: the one that is there if it has room; ``subnets`` are those in use, this one's is added."""
    before = {link.id: kept for link in links if (kept := _kept(link, keep, stated)) and not all(kept.addresses)}
    held = {IPv4Network(("".join(one.addresses), one.prefix), strict=False) for one in before.values()}
    subnet = held.pop() if len(held) == 1 else None
    if subnet is None or subnet.num_addresses - 2 < len(links):
        before = {}
        subnet = _free_subnet(max(_LEAST_SEGMENT, 2 * (len(links) + 2)), subnets, stated)
        subnets.add(subnet)
    in_use = {IPv4Address("".join(one.addresses)) for one in before.values()}
    free = (one for one in subnet.hosts() if one not in in_use and one not in stated)
    found: dict[str, _Given] = {}
    for link in links:
        if link.id in before:
            found[link.id] = before[link.id]
            continue
        own = str(next(free))
        pair = ("", own) if link.a == segment else (own, "")
        found[link.id] = _Given(addresses=pair, prefix=subnet.prefixlen)
    return found


def _free_subnet(size: int, subnets: set[IPv4Network], stated: _Stated) -> IPv4Network:
    for subnet in SEGMENT_POOL.subnets(new_prefix=32 - (size - 1).bit_length()):
        if not any(subnet.overlaps(one) for one in subnets) and not any(one in subnet for one in stated):
            return subnet
    raise ValueError(f"the pool {SEGMENT_POOL} has no subnet left for a segment of {size} addresses")


def _kept(link: Link, keep: Fabric, stated: _Stated) -> _Given | None:
    """What the ends of a link have; None if it is new, ends elsewhere, or its addresses are needed by a node."""
    ends = [keep.by_direction.get(direction) for direction in link.directions]
    kept = [one for one in ends if one is not None and not (one.address and IPv4Address(one.address) in stated)]
    if len(kept) != len(ends):
        return None
    return _Given(addresses=(kept[0].address, kept[1].address), prefix=kept[0].prefix)


def _kept_ends(link: Link, keep: Fabric, given: _Given) -> list[Interface]:
    """The two ends of a link that stays as it is; none if it is new, ends elsewhere, or has other addresses now."""
    ends = [keep.by_direction.get(direction) for direction in link.directions]
    kept = [replace(one, address6="", peer_address6="", prefix6=127) for one in ends if one is not None]
    same = len(kept) == len(ends) and tuple(one.address for one in kept) == given.addresses
    return kept if same and kept[0].prefix == given.prefix else []


def _free_pairs(used: set[int]) -> Iterator[tuple[str, str]]:
    first = int(LINK_POOL.network_address)
    for number in range(first, first + LINK_POOL.num_addresses, 2):
        if number not in used and number + 1 not in used:
            yield str(IPv4Address(number)), str(IPv4Address(number + 1))
    raise ValueError(f"the pool {LINK_POOL} has no /{LINK_PREFIX} left for a link")


def _with_ipv6(network: Network, fabric: Fabric) -> Fabric:
    nodes = {
        node.id: first_address(node, IPv6Address) or _in_ipv6(fabric.node_address[node.id], 0) for node in network.nodes
    }
    return replace(fabric, node_address6=nodes, interfaces=tuple(map(_interface_with_ipv6, fabric.interfaces)))


def _interface_with_ipv6(one: Interface) -> Interface:
    pool = 1 if one.address and one.peer_address else 2
    return replace(
        one,
        address6=_in_ipv6(one.address, pool),
        peer_address6=_in_ipv6(one.peer_address, pool),
        prefix6=96 + one.prefix,
    )


def _in_ipv6(address: str, pool: int) -> str:
    """The IPv6 address that goes with one of IPv4."""
    if not address:
        return ""
    return str(IPv6Address(int(IPv6_NETWORKS[pool].network_address) + int(IPv4Address(address))))


IPv6_NETWORKS = tuple(IPv6Network((int(IPV6_POOL.network_address) + (pool << 64), 64)) for pool in range(3))


def _interface_name(peer: str, taken: set[str]) -> str:
    """``to-<peer>``, cut to Linux' length; a number tells parallel links and cut names apart."""
    wanted = "to-" + _UNSAFE.sub("_", peer)
    name, count = wanted[:LONGEST_NAME], 1
    while name in taken:
        count += 1
        suffix = f"-{count}"
        name = wanted[: LONGEST_NAME - len(suffix)] + suffix
    taken.add(name)
    return name


def _mac(number: int) -> str:
    """A locally administered unicast address: 02, then 40 bits of the number."""
    return ":".join(f"{byte:02x}" for byte in b"\x02" + number.to_bytes(5, "big"))


def owners_of(fabric: Fabric) -> dict[str, str]:
    """The node that has an address: its own, or one of an interface."""
    found = {one: node for book in (fabric.node_address, fabric.node_address6) for node, one in book.items() if one}
    for one in fabric.interfaces:
        found |= {text: one.node for text in (one.address, one.address6) if text}
    return found


def leaving_of(fabric: Fabric) -> dict[str, str]:
    """For each interface, as ``node/interface``, the direction that leaves by it, as ``link|source|target``."""
    return {f"{one.node}/{one.name}": f"{one.link}|{one.node}|{one.peer}" for one in fabric.interfaces}


def gateways_of(fabric: Fabric) -> dict[str, str]:
    """For each address on a LAN the direction that leads there from its segment, as ``link|source|target``."""
    return {
        text: f"{one.link}|{one.peer}|{one.node}"
        for one in fabric.interfaces
        if not one.peer_address
        for text in (one.address, one.address6)
        if text
    }
