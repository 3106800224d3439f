"""A segment in memory with Linux' semantics, refusals included: what tests use where no kernel is needed.

In: the same calls as Linux.  Out: the same answers; counters stay zero, for nothing is ever sent.
Never: a socket or a program: those are refused (EOPNOTSUPP), unless the test gives ``run_script`` an outcome to return.
Held to its promise by ``tests/contract``, which runs one suite against this and against Linux.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from shadowlab.errors import KernelRefusedError, ShadowFailedError
from shadowlab.kernel.links import LOOPBACK
from shadowlab.kernel.ports import (
    KERNELS_WINDOWS,
    MAIN_TABLE,
    Flow,
    Hop,
    InitialWindows,
    InterfaceCounters,
    NextHop,
    Route,
    Rule,
    ScriptOutcome,
)
from shadowlab.kernel.qdisc import NO_STATS, join_counters
from shadowlab.kernel.routing.memory import Attached, Tables, covers
from shadowlab.kernel.routing.tables import HASH_FLOWS, describe_route, describe_rule, in_table
from shadowlab.model.impairment import Impairment
from shadowlab.model.jitter import JitterShape
from shadowlab.model.queue import Shaper
from shadowlab.wire.addresses import AF_INET6, canonical, family_of
from shadowlab.wire.disciplines import as_held, disciplines_of, shaper_of
from shadowlab.wire.if_link import pack_interface_name, pack_mac
from shadowlab.wire.netem import Netem, impairment_of, netem_of
from shadowlab.wire.routes import new_rule

FORWARDING, FORWARDING_IPV6 = "net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"
_DISABLE_IPV6 = "net/ipv6/conf/all/disable_ipv6"
_SYSCTLS = {
    FORWARDING: "0",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/all/send_redirects": "0",
    "net/ipv4/tcp_no_metrics_save": "1",
    "net/ipv4/tcp_congestion_control": "cubic",
    "net/ipv4/tcp_ecn": "2",
    "net/ipv4/tcp_sack": "1",
    "net/ipv4/tcp_timestamps": "1",
    "net/ipv4/tcp_window_scaling": "1",
    "net/ipv4/fib_multipath_hash_policy": "0",
    "net/ipv4/fib_multipath_hash_fields": "7",
    "net/ipv4/fib_multipath_hash_seed": "0",
    "net/ipv6/fib_multipath_hash_policy": "0",
    "net/ipv6/fib_multipath_hash_fields": "7",
    FORWARDING_IPV6: "0",
    "net/ipv6/conf/all/keep_addr_on_down": "0",
    _DISABLE_IPV6: "1",
}
_ZERO = join_counters(NO_STATS, None)

OnScript = Callable[[str, Sequence[str], Mapping[str, str], str], ScriptOutcome]


@dataclass
class _Interface:
    peer: tuple[str, str] | None = None
    up: bool = False
    ifb: str | None = None
    is_bridge: bool = False
    bridge: str | None = None
    netem: Netem | None = None
    shape: JitterShape | None = None
    shaper: Shaper | None = None
    addresses: dict[str, int] = field(default_factory=dict)
    neighbours: dict[str, str] = field(default_factory=dict)


@dataclass
class _Node:
    interfaces: dict[str, _Interface]
    sysctls: dict[str, str]
    tables: Tables = field(default_factory=Tables)

    def attached(self) -> dict[str, Attached]:
        return {name: Attached(one.up, one.addresses) for name, one in self.interfaces.items()}


class FakeSegment:
    """Implements :class:`~shadowlab.kernel.ports.Segment`.  ``on_script`` runs the scripts."""

    def __init__(self, on_script: OnScript | None = None) -> None:
        self._nodes: dict[str, _Node] = {}
        self._on_script = on_script
        self._batching = False

    def __enter__(self) -> FakeSegment:
        return self

    def __exit__(self, *exc: object) -> None:
        self._nodes.clear()

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Nothing is collected: every change is done, or refused, at once."""
        if self._batching:
            raise ShadowFailedError("a batch is open already")
        self._batching = True
        try:
            yield
        finally:
            self._batching = False

    # --- namespaces --------------------------------------------------------------------------------------------

    def create_namespace(self, node: str, *, ipv6: bool = False) -> None:
        if node in self._nodes:
            raise _refusal(f"make a network namespace for {node}", "EEXIST", "there is one already")
        sysctls = _SYSCTLS | ({_DISABLE_IPV6: "0", "net/ipv6/conf/all/keep_addr_on_down": "1"} if ipv6 else {})
        self._nodes[node] = _Node(interfaces={LOOPBACK: _Interface(up=True)}, sysctls=sysctls)

    def delete_namespace(self, node: str) -> None:
        tried = f"delete the network namespace of {node}"
        if any(one.peer is not None for one in self._node(node, tried).interfaces.values()):
            raise _refusal(tried, "EBUSY", "it still has links")
        del self._nodes[node]

    def namespaces(self) -> tuple[str, ...]:
        return tuple(self._nodes)

    def set_sysctl(self, node: str, key: str, value: str) -> None:
        tried = f"set {key} to {value} in {node}"
        sysctls = self._node(node, tried).sysctls
        if key not in sysctls:
            raise _refusal(tried, "ENOENT", "no such file or directory")
        sysctls[key] = value

    def read_sysctl(self, node: str, key: str) -> str:
        tried = f"read {key} in {node}"
        sysctls = self._node(node, tried).sysctls
        if key not in sysctls:
            raise _refusal(tried, "ENOENT", "no such file or directory")
        return sysctls[key]

    # --- links -------------------------------------------------------------------------------------------------

    def create_veth(
        self,
        *,
        node_a: str,
        name_a: str,
        mac_a: str,
        node_b: str,
        name_b: str,
        mac_b: str,
        mtu: int,
        alias: str,
        offload: bool = False,
    ) -> None:
        tried = f"make the veth pair {node_a}/{name_a} = {node_b}/{name_b}"
        a, b = self._node(node_a, tried), self._node(node_b, tried)
        for node, name, mac in ((a, name_a, mac_a), (b, name_b, mac_b)):
            with _valid(tried):
                pack_interface_name(name)
                pack_mac(mac)
            if name in node.interfaces or (node_a, name_a) == (node_b, name_b):
                raise _refusal(tried, "EEXIST", f"there is a {name} already")
        a.interfaces[name_a] = _Interface(peer=(node_b, name_b))
        b.interfaces[name_b] = _Interface(peer=(node_a, name_a))

    def create_bridge(self, node: str, name: str, *, mac: str, mtu: int, alias: str = "") -> None:
        tried = f"make the bridge {node}/{name}"
        interfaces = self._node(node, tried).interfaces
        with _valid(tried):
            pack_interface_name(name)
            pack_mac(mac)
        if name in interfaces:
            raise _refusal(tried, "EEXIST", f"{node} has a {name} already")
        interfaces[name] = _Interface(up=True, is_bridge=True)

    def set_bridge_port(self, node: str, name: str, bridge: str | None) -> None:
        tried = f"make {node}/{name} a port of {bridge}" if bridge else f"take {node}/{name} out of its bridge"
        if bridge is not None and not self._interface(node, bridge, tried).is_bridge:
            raise _refusal(tried, "EOPNOTSUPP", f"{bridge} is no bridge")
        self._interface(node, name, tried).bridge = bridge

    def bridge_ports(self, node: str) -> tuple[tuple[str, str], ...]:
        interfaces = self._node(node, f"read the bridge ports of {node}").interfaces
        return tuple(sorted((one.bridge, name) for name, one in interfaces.items() if one.bridge is not None))

    def delete_link(self, node: str, name: str) -> None:
        one = self._interface(node, name, f"delete {node}/{name}")
        self._remove(node, name)
        if one.peer is not None:
            self._remove(*one.peer)

    def _remove(self, node: str, name: str) -> None:
        state = self._nodes[node]
        state.tables.forget_interface(name)
        gone = state.interfaces.pop(name)
        for one in state.interfaces.values():
            one.bridge = None if one.bridge == name else one.bridge
        if gone.ifb is not None and gone.ifb in state.interfaces:
            self._remove(node, gone.ifb)

    def set_link_up(self, node: str, name: str, *, up: bool) -> None:
        self._interface(node, name, f"set {node}/{name} {'up' if up else 'down'}").up = up
        self._nodes[node].tables.forget_dead(self._nodes[node].attached())

    def links(self, node: str) -> Mapping[str, bool]:
        found = self._node(node, f"read the links of {node}").interfaces
        carrying = {name: self._carries(one) for name, one in found.items() if name != LOOPBACK}
        for name in [name for name, one in found.items() if one.is_bridge]:
            carrying[name] &= any(one.bridge == name and carrying[port] for port, one in found.items())
        return carrying

    def _carries(self, one: _Interface) -> bool:
        peer_up = one.peer is None or self._nodes[one.peer[0]].interfaces[one.peer[1]].up
        return one.up and peer_up

    def wait_for_links(self, interfaces: Sequence[tuple[str, str]]) -> None:
        """Nothing changes by waiting here, so what does not carry yet is refused at once."""
        missing = [f"{node}/{name}" for node, name in interfaces if not self.links(node).get(name)]
        if missing:
            tried = f"wait for {len(interfaces)} interfaces to carry packets"
            raise _refusal(tried, "ETIMEDOUT", f"still without carrier: {', '.join(missing)}")

    # --- addresses, neighbours, routes -------------------------------------------------------------------------

    def add_address(self, node: str, name: str, address: str, prefix: int) -> None:
        tried = f"add {address}/{prefix} to {node}/{name}"
        one = self._interface(node, name, tried)
        with _valid(tried):
            address = canonical(address)
        if family_of(address) == AF_INET6 and self._nodes[node].sysctls[_DISABLE_IPV6] == "1" and name != LOOPBACK:
            raise _refusal(tried, "EACCES", "IPv6 is disabled on this device")
        if address in one.addresses:
            raise _refusal(tried, "EEXIST", "address already assigned")
        one.addresses[address] = prefix

    def addresses(self, node: str) -> tuple[tuple[str, str, int], ...]:
        found = self._node(node, f"read the addresses of {node}").interfaces
        return tuple(
            (name, address, prefix) for name, one in found.items() for address, prefix in one.addresses.items()
        )

    def add_neighbour(self, node: str, name: str, address: str, mac: str) -> None:
        tried = f"tell {node}/{name} that {address} is at {mac}"
        one = self._interface(node, name, tried)
        with _valid(tried):
            address = canonical(address)
            pack_mac(mac)
        one.neighbours[address] = mac

    def delete_neighbour(self, node: str, name: str, address: str) -> None:
        found = self._interface(node, name, f"forget the neighbour {address} of {node}/{name}")
        found.neighbours.pop(canonical(address), None)

    def neighbours(self, node: str) -> tuple[tuple[str, str, str], ...]:
        found = self._node(node, f"read the neighbours of {node}").interfaces
        return tuple(
            (name, address, mac) for name, one in found.items() if one.up for address, mac in one.neighbours.items()
        )

    def replace_route(
        self,
        node: str,
        destination: str,
        prefix: int,
        hops: Sequence[Hop],
        *,
        table: int = MAIN_TABLE,
        windows: InitialWindows = KERNELS_WINDOWS,
    ) -> None:
        tried = describe_route(node, destination, prefix, hops, table)
        for hop in hops:
            self._interface(node, hop.interface, tried)
        if not hops:
            raise _refusal(tried, "EINVAL", f"a route to {destination}/{prefix} needs a way")
        with _valid(tried):
            destination = canonical(destination)
            hops = tuple(Hop(name, via and canonical(via)) for name, via in hops)
        state = self._node(node, tried)
        for hop in hops:
            self._check_hop(state.interfaces[hop.interface], hop, family_of(destination), tried)
        if len(hops) > 1:
            state.sysctls.update(HASH_FLOWS[family_of(destination)])
        state.tables.replace(Route(destination, prefix, hops, "unicast", table, windows))

    @staticmethod
    def _check_hop(one: _Interface, hop: Hop, family: int, tried: str) -> None:
        if hop.via is None:
            if not one.up:
                raise _refusal(tried, "ENETDOWN", "nexthop device is not up")
        elif (
            not one.up
            or hop.via in one.addresses
            or not any(covers(address, length, hop.via) for address, length in one.addresses.items())
        ):
            raise _refusal(
                tried, "EHOSTUNREACH" if family == AF_INET6 else "ENETUNREACH", "nexthop has invalid gateway"
            )

    def replace_by_black_hole(self, node: str, destination: str, prefix: int, *, table: int = MAIN_TABLE) -> None:
        tried = f"let {node} drop what goes to {destination}/{prefix}{in_table(table)}"
        state = self._node(node, tried)
        with _valid(tried):
            destination = canonical(destination)
        state.tables.replace(Route(destination, prefix, (), "blackhole", table))

    def delete_route(self, node: str, destination: str, prefix: int, *, table: int = MAIN_TABLE) -> None:
        tried = f"delete the route {destination}/{prefix}{in_table(table)} in {node}"
        tables = self._node(node, tried).tables
        with _valid(tried):
            destination = canonical(destination)
        if not tables.delete(destination, prefix, table):
            raise _refusal(tried, "ESRCH", "no such process")

    def routes(self, node: str) -> tuple[Route, ...]:
        state = self._node(node, f"read the routes of {node}")
        return state.tables.routes(state.attached())

    def add_rule(self, node: str, rule: Rule) -> None:
        tried = f"add to {node} the rule {describe_rule(rule)}"
        state = self._node(node, tried)
        with _valid(tried):
            new_rule(*rule)
        if not state.tables.add_rule(rule):
            raise _refusal(tried, "EEXIST", "file exists")

    def delete_rule(self, node: str, rule: Rule) -> None:
        tried = f"delete from {node} the rule {describe_rule(rule)}"
        if not self._node(node, tried).tables.delete_rule(rule):
            raise _refusal(tried, "ENOENT", "no such file or directory")

    def rules(self, node: str) -> tuple[Rule, ...]:
        return self._node(node, f"read the rules of {node}").tables.rules()

    def next_hop(
        self, node: str, destination: str, source: str, arrived_by: str | None = None, flow: Flow | None = None
    ) -> NextHop | None:
        tried = f"ask {node} for its route to {destination}"
        state = self._node(node, tried)
        with _valid(tried):
            destination, source = canonical(destination), source and canonical(source)
        own = {address for one in state.interfaces.values() for address in one.addresses}
        if arrived_by is not None:
            self._interface(node, arrived_by, tried)
        elif source and source not in own:
            return None
        if destination in own:
            return NextHop(interface=LOOPBACK, via=None, local=True)
        forwarding = FORWARDING_IPV6 if family_of(destination) == AF_INET6 else FORWARDING
        if arrived_by is not None and state.sysctls[forwarding] == "0":
            return None
        return state.tables.next_hop(state.attached(), destination, source, flow)

    # --- impairments and counters ------------------------------------------------------------------------------

    def set_netem(self, node: str, name: str, impairment: Impairment) -> None:
        tried = f"set netem on {node}/{name} ({impairment.describe()})"
        one = self._interface(node, name, tried)
        with _valid(tried):
            one.netem = netem_of(impairment)
        one.shape, one.shaper = impairment.jitter_shape, None

    def read_netem(self, node: str, name: str) -> Impairment | None:
        one = self._interface(node, name, f"read netem on {node}/{name}")
        return None if one.netem is None else impairment_of(one.netem, one.shape)

    def set_shaper(self, node: str, name: str, shaper: Shaper) -> None:
        tried = f"shape {node}/{name} ({shaper.describe()})"
        one = self._interface(node, name, tried)
        with _valid(tried):
            root, *below = disciplines_of(shaper)
        named = [(each.kind, each) for each in (root, *below[:1])] + [("buffer", each) for each in below[1:]]
        one.shaper = shaper_of({name: as_held(discipline) for name, discipline in named})
        one.netem = None

    def read_shaper(self, node: str, name: str) -> Shaper | None:
        return self._interface(node, name, f"read the shaper of {node}/{name}").shaper

    def redirect_ingress(self, node: str, name: str, ifb: str) -> None:
        tried = f"redirect what arrives at {node}/{name} through {ifb}"
        one = self._interface(node, name, tried)
        if one.ifb == ifb:
            return
        if one.ifb is not None or ifb in self._nodes[node].interfaces:
            raise _refusal(tried, "EEXIST", f"{one.ifb or ifb} is in the way")
        with _valid(tried):
            pack_interface_name(ifb)
        self._nodes[node].interfaces[ifb] = _Interface(up=True)
        one.ifb = ifb

    def counters(self, node: str) -> Mapping[str, InterfaceCounters]:
        found = self._node(node, f"read the counters of {node}").interfaces
        return {name: _ZERO for name in found if name != LOOPBACK}

    # --- sockets and children ----------------------------------------------------------------------------------

    def open_socket(self, node: str, family: int, kind: int, protocol: int = 0) -> socket.socket:
        tried = f"open a socket in {node}"
        self._node(node, tried)
        raise _refusal(tried, "EOPNOTSUPP", "the fake kernel carries no packets")

    def run_script(
        self, node: str, argv: Sequence[str], environment: Mapping[str, str], timeout_ns: int, text: str
    ) -> ScriptOutcome:
        tried = f"run {argv[0]} in {node}"
        self._node(node, tried)
        if self._on_script is None:
            raise _refusal(tried, "EOPNOTSUPP", "the fake kernel runs no programs")
        return self._on_script(node, argv, environment, text)

    def _node(self, node: str, tried: str) -> _Node:
        found = self._nodes.get(node)
        if found is None:
            raise _refusal(tried, "ENOENT", f"there is no namespace {node}")
        return found

    def _interface(self, node: str, name: str, tried: str) -> _Interface:
        found = self._node(node, tried).interfaces.get(name)
        if found is None:
            raise _refusal(tried, "ENODEV", f"{node} has no interface {name}")
        return found


def _refusal(tried: str, errno_name: str, why: str) -> KernelRefusedError:
    return KernelRefusedError(tried=tried, errno_name=errno_name, why=why)


@contextmanager
def _valid(tried: str) -> Iterator[None]:
    """What no field of a kernel message can hold is refused as the codec refuses it."""
    try:
        yield
    except ValueError as error:
        raise _refusal(tried, "EINVAL", str(error)) from error
