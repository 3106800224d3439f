"""What a network needs before it can live: interfaces, addresses, routes.

In: values decided by ``topology``.  Out: frozen values that ``shadow`` turns into operations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from shadowlab.model.network import Direction


@dataclass(frozen=True, kw_only=True)
class Interface:
    """One end of a link inside a node: a veth end.  ``prefix`` is the subnet's: 31, or that of the segment.

    A segment's end is a port of its bridge and has no address; then ``peer_address`` of the other end is empty as well.
    The IPv6 addresses (``address6``) are empty where the network has none.
    """

    node: str
    name: str
    link: str
    peer: str
    peer_name: str
    address: str
    peer_address: str
    prefix: int
    mac: str
    peer_mac: str
    address6: str = ""
    peer_address6: str = ""
    prefix6: int = 127

    @property
    def direction(self) -> Direction:
        """The direction of the link that leaves by this interface."""
        return Direction(link=self.link, source=self.node, target=self.peer)


@dataclass(frozen=True, kw_only=True)
class Fabric:
    """Every node's own address (a /32 on its loopback) and every interface, in map order.

    Segments have no address: an empty text.  ``node_address6`` is empty where the network has no IPv6.
    """

    node_address: Mapping[str, str]
    interfaces: tuple[Interface, ...]
    node_address6: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def by_direction(self) -> Mapping[Direction, Interface]:
        """The interface a direction leaves by."""
        return {interface.direction: interface for interface in self.interfaces}

    @cached_property
    def by_node(self) -> Mapping[str, tuple[Interface, ...]]:
        """The interfaces of each node."""
        found: dict[str, list[Interface]] = {}
        for interface in self.interfaces:
            found.setdefault(interface.node, []).append(interface)
        return {node: tuple(some) for node, some in found.items()}


class Route(NamedTuple):
    """In ``node``, ``destination``/``prefix`` goes by ``interface`` to ``via``.

    ``others`` are further (via, interface) of equal cost, among which the kernel spreads flows.  Without ``via`` it is
    a black hole.  With a ``source`` (an address) it holds for packets from there only, and has a ``table`` of its own.
    ``initial_cwnd`` and ``initial_rwnd``: with how many segments connections by it begin to send and to announce; 0
    leaves it to the kernel.  ``weights`` has one for each of several hops; none: all are alike.
    """

    node: str
    destination: str
    prefix: int
    via: str
    interface: str
    others: tuple[tuple[str, str], ...] = ()
    source: str = ""
    table: int = 0
    initial_cwnd: int = 0
    initial_rwnd: int = 0
    weights: tuple[int, ...] = ()

    @property
    def hops(self) -> tuple[tuple[str, str], ...]:
        """(via, interface) of each next hop; none for a black hole."""
        return ((self.via, self.interface), *self.others) if self.via else ()
