"""Namespaces and interfaces: what a segment remembers of them, and what the kernel says of them.

In: names; a namespace's netlink socket.  Out: records with the indices we chose, and the kernel's tables by name.
Never: a change.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shadowlab.errors import KernelRefusedError
from shadowlab.kernel import clock
from shadowlab.kernel.netlink import NetlinkSocket
from shadowlab.model.impairment import Impairment
from shadowlab.wire import if_link, routes, rtnetlink

LOOPBACK = "lo"
_LOCALHOST = ("127.0.0.1", "::1")
_LINKS_UP_NS = 5_000_000_000
_LEAST_PAUSE_S, _MOST_PAUSE_S = 0.0005, 0.01
_LOOPBACK_INDEX = 1
"""Every namespace is born with its loopback, and it is the first."""
FIRST_IFINDEX = 64
"""Some kernels put tunnel devices (sit0, tunl0, …) into every new namespace; ours are numbered from beyond them.

No two interfaces of a segment share a number: the kernel's link watch serves a veth at once whose two ends differ in
theirs, and lets one wait for up to a second whose ends are equal (``linkwatch_urgent_event``).
"""


@dataclass(kw_only=True)
class InterfaceRecord:
    """An interface we made.  ``peer`` is the other end of a veth; ``neighbours`` come back when it goes up again."""

    name: str
    ifindex: int
    peer: tuple[str, str] | None = None
    went_down: bool = False
    neighbours: dict[str, str] = field(default_factory=dict)
    ifb: str | None = None
    """The IFB that its arrivals are redirected to."""
    impairment: Impairment | None = None
    """What was asked of its netem last: the kernel does not tell a jitter table, and tells a seed nobody asked for."""
    has_table: bool = False
    """Whether its netem was ever given a jitter table, which it cannot be told to forget."""
    netems: int = 0
    """How many netems in a row it has."""
    shaper_root: str = ""
    """``htb`` or ``cake`` where its root is a shaper."""


@dataclass(kw_only=True)
class NamespaceRecord:
    """A namespace: the file descriptor that keeps it alive, its netlink socket, its interfaces."""

    node: str
    fd: int
    netlink: NetlinkSocket
    interfaces: dict[str, InterfaceRecord] = field(default_factory=dict)
    hashes_flows: set[int] = field(default_factory=set)
    """The address families whose equal-cost routes were told to hash over addresses, protocol and ports."""

    unserved: list[tuple[str, str]] = field(default_factory=list)
    """(interface, IPv6 address) of those given since the links were last waited for."""
    ways: dict[tuple[str, int, int], tuple[routes.HopState, ...]] = field(default_factory=dict)
    """The ways of equal-cost routes (destination, prefix, table) in the kernel's order, read since the last change."""

    def __post_init__(self) -> None:
        self.interfaces[LOOPBACK] = InterfaceRecord(name=LOOPBACK, ifindex=_LOOPBACK_INDEX)

    def interface(self, name: str, tried: str) -> InterfaceRecord:
        """The record of an interface, or the refusal the kernel would have given."""
        found = self.interfaces.get(name)
        if found is None:
            raise KernelRefusedError(tried=tried, errno_name="ENODEV", why=f"{self.node} has no interface {name}")
        return found

    def add(self, name: str, ifindex: int, peer: tuple[str, str] | None = None) -> InterfaceRecord:
        """Remember an interface that was made."""
        record = InterfaceRecord(name=name, ifindex=ifindex, peer=peer)
        self.interfaces[name] = record
        return record

    def name_of(self, index: int) -> str:
        """The name for an index; ``#7`` for one we did not make."""
        for record in self.interfaces.values():
            if record.ifindex == index:
                return record.name
        return f"#{index}"


def read_link_states(namespace: NamespaceRecord) -> Mapping[str, if_link.LinkState]:
    """Every interface of the namespace by name, as the kernel tells it; loopback is left out."""
    bodies = namespace.netlink.dump(if_link.get_links(), f"read the links of {namespace.node}")
    return {state.name: state for state in map(if_link.parse_link, bodies) if state.name != LOOPBACK}


def read_links(namespace: NamespaceRecord) -> Mapping[str, bool]:
    """Whether each interface carries packets; loopback and what we did not make are left out."""
    bodies = namespace.netlink.dump(if_link.get_links(), f"read the links of {namespace.node}")
    states = map(if_link.parse_link, bodies)
    return {
        state.name: state.carries for state in states if state.name in namespace.interfaces and state.name != LOOPBACK
    }


def read_addresses(namespace: NamespaceRecord) -> tuple[tuple[str, str, int], ...]:
    """(interface, address, prefix), loopback's own left out."""
    bodies = namespace.netlink.dump(rtnetlink.get_addresses(), f"read the addresses of {namespace.node}")
    states = map(rtnetlink.parse_address, bodies)
    return tuple(
        (namespace.name_of(one.ifindex), one.address, one.prefix) for one in states if one.address not in _LOCALHOST
    )


def read_neighbours(namespace: NamespaceRecord) -> tuple[tuple[str, str, str], ...]:
    """(interface, address, MAC) of the permanent ones."""
    bodies = namespace.netlink.dump(rtnetlink.get_neighbours(), f"read the neighbours of {namespace.node}")
    states = map(rtnetlink.parse_neighbour, bodies)
    return tuple((namespace.name_of(one.ifindex), one.address, one.mac) for one in states if one.permanent)


def read_bridge_ports(namespace: NamespaceRecord) -> tuple[tuple[str, str], ...]:
    """(bridge, interface) of every port."""
    bodies = namespace.netlink.dump(if_link.get_links(), f"read the bridge ports of {namespace.node}")
    states = map(if_link.parse_link, bodies)
    return tuple(sorted((namespace.name_of(one.master), one.name) for one in states if one.master))


def wait_for_links(interfaces: Sequence[tuple[NamespaceRecord, str]]) -> None:
    """Ask for each interface, again and again, until it carries packets.

    Asking for one interface makes the kernel catch up with its carrier at once.  By itself it does so
    for a hundred interfaces a second (``__linkwatch_run_queue``).
    """
    tried = f"wait for {len(interfaces)} interfaces to carry packets"
    missing: dict[str, tuple[NamespaceRecord, list[InterfaceRecord]]] = {}
    for namespace, name in interfaces:
        missing.setdefault(namespace.node, (namespace, []))[1].append(namespace.interface(name, tried))
    unserved = {namespace.node: namespace for namespace, _ in interfaces if namespace.unserved}
    give_up_ns = clock.now_ns() + _LINKS_UP_NS
    pause_s = _LEAST_PAUSE_S
    while True:
        missing = {
            node: (namespace, still)
            for node, (namespace, ones) in missing.items()
            if (still := _without_carrier(namespace, ones, tried))
        }
        unserved = {node: namespace for node, namespace in unserved.items() if not _serves(namespace, interfaces)}
        if not missing and not unserved:
            return
        if clock.now_ns() > give_up_ns:
            names = ", ".join([f"{node}/{one.name}" for node, (_, ones) in missing.items() for one in ones] or unserved)
            what = "carrier" if missing else "their IPv6 addresses"
            why = f"still without {what} after {_LINKS_UP_NS // 10**9} s: {names}"
            raise KernelRefusedError(tried=tried, errno_name="ETIMEDOUT", why=why)
        time.sleep(pause_s)  # on a busy machine the link watch may be under way with a carrier that was just asked for
        pause_s = min(2 * pause_s, _MOST_PAUSE_S)


def _without_carrier(
    namespace: NamespaceRecord, interfaces: Sequence[InterfaceRecord], tried: str
) -> list[InterfaceRecord]:
    answers = namespace.netlink.ask_each([if_link.get_link(one.ifindex) for one in interfaces], tried)
    return [one for one, answer in zip(interfaces, answers, strict=True) if not if_link.carries(answer.body)]


def _serves(namespace: NamespaceRecord, interfaces: Sequence[tuple[NamespaceRecord, str]]) -> bool:
    """Whether the IPv6 addresses of these interfaces and of the loopback are the node's own by now.

    The kernel takes an address at once and routes to it a moment later, from a queue (``addrconf_dad_work``, which runs
    without duplicate address detection too); until then what is sent there is lost.
    """
    names = {LOOPBACK, *(name for owner, name in interfaces if owner is namespace)}
    wanted = [one for one in namespace.unserved if one[0] in names]
    bodies = namespace.netlink.dump(routes.get_routes(), f"read the routes of {namespace.node}") if wanted else []
    own = {one.destination for one in map(routes.parse_route, bodies) if one.kind == routes.RTN_LOCAL}
    namespace.unserved = [one for one in namespace.unserved if one not in wanted or one[1] not in own]
    return not any(one in namespace.unserved for one in wanted)
