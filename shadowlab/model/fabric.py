"""What a network needs before it can live: interfaces, addresses, routes.

In: values decided by ``topology``.  Out: frozen values that ``shadow`` turns into operations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from shadowlab.model.network import Direction


@dataclass(frozen=True, kw_only=True)
class Interface:
    """One end of a link inside a node: a veth end.  Addresses are dotted quads; ``prefix`` is the link's (31)."""

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

    @property
    def direction(self) -> Direction:
        """The direction of the link that leaves by this interface."""
        return Direction(link=self.link, source=self.node, target=self.peer)


@dataclass(frozen=True, kw_only=True)
class Fabric:
    """Every node's own address (a /32 on its loopback) and every interface, in map order."""

    node_address: Mapping[str, str]
    interfaces: tuple[Interface, ...]

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


@dataclass(frozen=True, kw_only=True, order=True)
class Route:
    """In ``node``, ``destination``/``prefix`` goes by ``interface`` to ``via``."""

    node: str
    destination: str
    prefix: int
    via: str
    interface: str
