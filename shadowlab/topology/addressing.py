"""Addresses, interface names and MAC addresses of a network.

In: a :class:`~shadowlab.model.network.Network`.  Out: its :class:`~shadowlab.model.fabric.Fabric`, the same for the
same network, byte for byte.  Never: an address given twice.

A node's own /32 is the first address its map states, else the next free one of 10.0.0.0/10.  The two ends of a link
take the next free /31 of 10.128.0.0/9.  Both pools are used in map order and skip every address the map states.

A network that lives keeps what it has: a node its address, a link its addresses, names and MACs, as long as the map
still has them and states nothing else.  What is new takes nothing that is in use, not even by what is about to go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from itertools import count

from shadowlab.model.fabric import Fabric, Interface
from shadowlab.model.network import Link, Network, Node

NODE_POOL = IPv4Network("10.0.0.0/10")
LINK_POOL = IPv4Network("10.128.0.0/9")
LINK_PREFIX = 31
LONGEST_NAME = 15
"""Linux' IFNAMSIZ without the closing zero."""

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")


_NOTHING = Fabric(node_address={}, interfaces=())


def address(network: Network, *, keep: Fabric = _NOTHING) -> Fabric:
    """The fabric of a network; ``keep`` is what is in use.

    Raises ValueError when a pool is exhausted or an address is stated twice.
    """
    stated = _stated_addresses(network)
    used = stated | {int(IPv4Address(text)) for text in keep.node_address.values()}
    used |= {int(IPv4Address(one.address)) for one in keep.interfaces}
    own = _free_addresses(used)
    node_address = {node.id: _node_address(node, keep, stated) or next(own) for node in network.nodes}
    pairs = _free_pairs(used)
    taken: dict[str, set[str]] = {node.id: set() for node in network.nodes}
    for one in keep.interfaces:
        taken.setdefault(one.node, set()).add(one.name)
    used_macs = {one.mac for one in keep.interfaces}
    numbers = (number for number in count(step=2) if not {_mac(number), _mac(number + 1)} & used_macs)
    interfaces: list[Interface] = []
    for link in network.links:
        if kept := _kept_ends(link, keep, stated):
            interfaces += kept
            continue
        number = next(numbers)
        names = (_interface_name(link.b, taken[link.a]), _interface_name(link.a, taken[link.b]))
        addresses, macs, ends = next(pairs), (_mac(number), _mac(number + 1)), (link.a, link.b)
        for near, far in ((0, 1), (1, 0)):
            interfaces.append(
                Interface(
                    node=ends[near],
                    name=names[near],
                    link=link.id,
                    peer=ends[far],
                    peer_name=names[far],
                    address=addresses[near],
                    peer_address=addresses[far],
                    prefix=LINK_PREFIX,
                    mac=macs[near],
                    peer_mac=macs[far],
                )
            )
    return Fabric(node_address=node_address, interfaces=tuple(interfaces))


def _node_address(node: Node, keep: Fabric, stated: frozenset[int]) -> str:
    """What the map states, else what the node has; empty if it needs a new one."""
    if node.addresses:
        return node.addresses[0]
    kept = keep.node_address.get(node.id, "")
    return "" if kept and int(IPv4Address(kept)) in stated else kept


def _kept_ends(link: Link, keep: Fabric, stated: frozenset[int]) -> list[Interface]:
    """The two ends of a link that stays as it is; none if it is new, ends elsewhere, or its addresses are needed."""
    ends = [keep.by_direction.get(direction) for direction in link.directions]
    kept = [one for one in ends if one is not None and int(IPv4Address(one.address)) not in stated]
    return kept if len(kept) == len(ends) else []


def _stated_addresses(network: Network) -> frozenset[int]:
    owner: dict[int, str] = {}
    for node in network.nodes:
        for text in node.addresses:
            number = int(IPv4Address(text))
            if owner.setdefault(number, node.id) != node.id:
                raise ValueError(f"address {text} belongs to both {owner[number]} and {node.id}")
    return frozenset(owner)


def _free_addresses(stated: frozenset[int]) -> Iterator[str]:
    first = int(NODE_POOL.network_address)
    for number in range(first + 1, first + NODE_POOL.num_addresses - 1):
        if number not in stated:
            yield str(IPv4Address(number))
    raise ValueError(f"the pool {NODE_POOL} has no address left for a node")


def _free_pairs(stated: frozenset[int]) -> Iterator[tuple[str, str]]:
    first = int(LINK_POOL.network_address)
    for number in range(first, first + LINK_POOL.num_addresses, 2):
        if number not in stated and number + 1 not in stated:
            yield str(IPv4Address(number)), str(IPv4Address(number + 1))
    raise ValueError(f"the pool {LINK_POOL} has no /{LINK_PREFIX} left for a link")


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
