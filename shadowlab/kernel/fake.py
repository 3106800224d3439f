"""A segment in memory with Linux' semantics, refusals included: what tests use where no kernel is needed.

In: the same calls as Linux.  Out: the same answers; counters stay zero, for nothing is ever sent.
Never: a socket or a program: those are refused (EOPNOTSUPP), unless the test gives ``run_script`` an outcome to return.
Held to its promise by ``tests/contract``, which runs one suite against this and against Linux.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence

from shadowlab.kernel.links import LOOPBACK
from shadowlab.kernel.ports import InterfaceCounters, ScriptOutcome
from shadowlab.kernel.queueing.asked import netems_for
from shadowlab.kernel.queueing.counters import NO_STATS, join_counters
from shadowlab.kernel.queueing.held import meaning_of
from shadowlab.kernel.segment.faked import FakeInterface, refused, valid
from shadowlab.kernel.segment.faked_forwarding import FakeForwarding
from shadowlab.model.impairment import Impairment
from shadowlab.model.queue import Shaper
from shadowlab.wire.disciplines import as_held, disciplines_of, shaper_of
from shadowlab.wire.if_link import pack_interface_name, pack_mac

_ZERO = join_counters(NO_STATS, ())

OnScript = Callable[[str, Sequence[str], Mapping[str, str], str], ScriptOutcome]


class FakeSegment(FakeForwarding):
    """Implements :class:`~shadowlab.kernel.ports.Segment`.  ``on_script`` runs the scripts."""

    def __init__(self, on_script: OnScript | None = None) -> None:
        super().__init__()
        self._on_script = on_script

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
            with valid(tried):
                pack_interface_name(name)
                pack_mac(mac)
            if name in node.interfaces or (node_a, name_a) == (node_b, name_b):
                raise refused(tried, "EEXIST", f"there is a {name} already")
        a.interfaces[name_a] = FakeInterface(peer=(node_b, name_b))
        b.interfaces[name_b] = FakeInterface(peer=(node_a, name_a))

    def create_bridge(self, node: str, name: str, *, mac: str, mtu: int, alias: str = "") -> None:
        tried = f"make the bridge {node}/{name}"
        interfaces = self._node(node, tried).interfaces
        with valid(tried):
            pack_interface_name(name)
            pack_mac(mac)
        if name in interfaces:
            raise refused(tried, "EEXIST", f"{node} has a {name} already")
        interfaces[name] = FakeInterface(up=True, is_bridge=True)

    def set_bridge_port(self, node: str, name: str, bridge: str | None) -> None:
        tried = f"make {node}/{name} a port of {bridge}" if bridge else f"take {node}/{name} out of its bridge"
        if bridge is not None and not self._interface(node, bridge, tried).is_bridge:
            raise refused(tried, "EOPNOTSUPP", f"{bridge} is no bridge")
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

    def _carries(self, one: FakeInterface) -> bool:
        peer_up = one.peer is None or self._nodes[one.peer[0]].interfaces[one.peer[1]].up
        return one.up and peer_up

    def wait_for_links(self, interfaces: Sequence[tuple[str, str]]) -> None:
        """Nothing changes by waiting here, so what does not carry yet is refused at once."""
        missing = [f"{node}/{name}" for node, name in interfaces if not self.links(node).get(name)]
        if missing:
            tried = f"wait for {len(interfaces)} interfaces to carry packets"
            raise refused(tried, "ETIMEDOUT", f"still without carrier: {', '.join(missing)}")

    # --- impairments and counters ------------------------------------------------------------------------------

    def set_netem(self, node: str, name: str, impairment: Impairment) -> None:
        tried = f"set netem on {node}/{name} ({impairment.describe()})"
        one = self._interface(node, name, tried)
        with valid(tried):
            one.netems = netems_for(impairment, len(one.netems))
        one.shape, one.shaper = impairment.jitter_shape, None

    def read_netem(self, node: str, name: str) -> Impairment | None:
        one = self._interface(node, name, f"read netem on {node}/{name}")
        return meaning_of(one.netems, one.shape) if one.netems else None

    def set_shaper(self, node: str, name: str, shaper: Shaper) -> None:
        tried = f"shape {node}/{name} ({shaper.describe()})"
        one = self._interface(node, name, tried)
        with valid(tried):
            root, *below = disciplines_of(shaper)
        named = [(each.kind, each) for each in (root, *below[:1])] + [("buffer", each) for each in below[1:]]
        one.shaper = shaper_of({name: as_held(discipline) for name, discipline in named})
        one.netems = ()

    def read_shaper(self, node: str, name: str) -> Shaper | None:
        return self._interface(node, name, f"read the shaper of {node}/{name}").shaper

    def redirect_ingress(self, node: str, name: str, ifb: str) -> None:
        tried = f"redirect what arrives at {node}/{name} through {ifb}"
        one = self._interface(node, name, tried)
        if one.ifb == ifb:
            return
        if one.ifb is not None or ifb in self._nodes[node].interfaces:
            raise refused(tried, "EEXIST", f"{one.ifb or ifb} is in the way")
        with valid(tried):
            pack_interface_name(ifb)
        self._nodes[node].interfaces[ifb] = FakeInterface(up=True)
        one.ifb = ifb

    def counters(self, node: str) -> Mapping[str, InterfaceCounters]:
        found = self._node(node, f"read the counters of {node}").interfaces
        return {name: _ZERO for name in found if name != LOOPBACK}

    # --- sockets and children ----------------------------------------------------------------------------------

    def open_socket(self, node: str, family: int, kind: int, protocol: int = 0) -> socket.socket:
        tried = f"open a socket in {node}"
        self._node(node, tried)
        raise refused(tried, "EOPNOTSUPP", "the fake kernel carries no packets")

    def run_script(
        self, node: str, argv: Sequence[str], environment: Mapping[str, str], timeout_ns: int, text: str
    ) -> ScriptOutcome:
        tried = f"run {argv[0]} in {node}"
        self._node(node, tried)
        if self._on_script is None:
            raise refused(tried, "EOPNOTSUPP", "the fake kernel runs no programs")
        return self._on_script(node, argv, environment, text)
