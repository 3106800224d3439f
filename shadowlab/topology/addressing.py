"""Addresses, interface names and MAC addresses of a network.

In: a :class:`~shadowlab.model.network.Network`.  Out: its :class:`~shadowlab.model.fabric.Fabric`, the same for the
same network, byte for byte.  Never: an address given twice.

A node's own /32 is the first address its map states, else the next free one of 10.0.0.0/10.  The two ends of a link
take the next free /31 of 10.128.0.0/9.  Both pools are used in map order and skip every address the map states.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from shadowlab.model.fabric import Fabric, Interface
from shadowlab.model.network import Network

NODE_POOL = IPv4Network("10.0.0.0/10")
LINK_POOL = IPv4Network("10.128.0.0/9")
LINK_PREFIX = 31
LONGEST_NAME = 15
"""Linux' IFNAMSIZ without the closing zero."""

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")


def address(network: Network) -> Fabric:
    """The fabric of a network.  Raises ValueError when a pool is exhausted or an address is stated twice."""
    stated = _stated_addresses(network)
    own = _free_addresses(stated)
    node_address = {node.id: node.addresses[0] if node.addresses else next(own) for node in network.nodes}
    pairs = _free_pairs(stated)
    taken: dict[str, set[str]] = {node.id: set() for node in network.nodes}
    interfaces: list[Interface] = []
    for index, link in enumerate(network.links):
        names = (_interface_name(link.b, taken[link.a]), _interface_name(link.a, taken[link.b]))
        addresses, macs, ends = next(pairs), (_mac(2 * index), _mac(2 * index + 1)), (link.a, link.b)
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
