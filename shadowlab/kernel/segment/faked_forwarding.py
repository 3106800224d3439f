"""Addresses, neighbours, routes and rules of a segment in memory, and which way a packet would take.

In: the same calls as Linux.  Out: the same answers and refusals.
"""

from __future__ import annotations

from collections.abc import Sequence

from shadowlab.kernel.links import LOOPBACK
from shadowlab.kernel.ports import KERNELS_WINDOWS, MAIN_TABLE, Flow, Hop, InitialWindows, NextHop, Route, Rule
from shadowlab.kernel.routing.memory import covers
from shadowlab.kernel.routing.tables import HASH_FLOWS, describe_route, describe_rule, in_table
from shadowlab.kernel.segment.faked import (
    DISABLE_IPV6,
    FORWARDING,
    FORWARDING_IPV6,
    FakeInterface,
    FakeNodes,
    refused,
    valid,
)
from shadowlab.wire.addresses import AF_INET6, canonical, family_of
from shadowlab.wire.if_link import pack_mac
from shadowlab.wire.routes import check_weight, new_rule


class FakeForwarding(FakeNodes):
    """Sets, reads and asks routes."""

    def add_address(self, node: str, name: str, address: str, prefix: int) -> None:
        tried = f"add {address}/{prefix} to {node}/{name}"
        one = self._interface(node, name, tried)
        with valid(tried):
            address = canonical(address)
        if family_of(address) == AF_INET6 and self._nodes[node].sysctls[DISABLE_IPV6] == "1" and name != LOOPBACK:
            raise refused(tried, "EACCES", "IPv6 is disabled on this device")
        if address in one.addresses:
            raise refused(tried, "EEXIST", "address already assigned")
        one.addresses[address] = prefix

    def addresses(self, node: str) -> tuple[tuple[str, str, int], ...]:
        found = self._node(node, f"read the addresses of {node}").interfaces
        return tuple(
            (name, address, prefix) for name, one in found.items() for address, prefix in one.addresses.items()
        )

    def add_neighbour(self, node: str, name: str, address: str, mac: str) -> None:
        tried = f"tell {node}/{name} that {address} is at {mac}"
        one = self._interface(node, name, tried)
        with valid(tried):
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
            raise refused(tried, "EINVAL", f"a route to {destination}/{prefix} needs a way")
        with valid(tried):
            destination = canonical(destination)
            hops = tuple(Hop(name, via and canonical(via), check_weight(weight)) for name, via, weight in hops)
            if len(hops) == 1:
                hops = (hops[0]._replace(weight=1),)
        state = self._node(node, tried)
        for hop in hops:
            self._check_hop(state.interfaces[hop.interface], hop, family_of(destination), tried)
        if len(hops) > 1:
            state.sysctls.update(HASH_FLOWS[family_of(destination)])
        state.tables.replace(Route(destination, prefix, hops, "unicast", table, windows))

    @staticmethod
    def _check_hop(one: FakeInterface, hop: Hop, family: int, tried: str) -> None:
        if hop.via is None:
            if not one.up:
                raise refused(tried, "ENETDOWN", "nexthop device is not up")
        elif (
            not one.up
            or hop.via in one.addresses
            or not any(covers(address, length, hop.via) for address, length in one.addresses.items())
        ):
            raise refused(tried, "EHOSTUNREACH" if family == AF_INET6 else "ENETUNREACH", "nexthop has invalid gateway")

    def replace_by_black_hole(self, node: str, destination: str, prefix: int, *, table: int = MAIN_TABLE) -> None:
        tried = f"let {node} drop what goes to {destination}/{prefix}{in_table(table)}"
        state = self._node(node, tried)
        with valid(tried):
            destination = canonical(destination)
        state.tables.replace(Route(destination, prefix, (), "blackhole", table))

    def delete_route(self, node: str, destination: str, prefix: int, *, table: int = MAIN_TABLE) -> None:
        tried = f"delete the route {destination}/{prefix}{in_table(table)} in {node}"
        tables = self._node(node, tried).tables
        with valid(tried):
            destination = canonical(destination)
        if not tables.delete(destination, prefix, table):
            raise refused(tried, "ESRCH", "no such process")

    def routes(self, node: str) -> tuple[Route, ...]:
        state = self._node(node, f"read the routes of {node}")
        return state.tables.routes(state.attached())

    def add_rule(self, node: str, rule: Rule) -> None:
        tried = f"add to {node} the rule {describe_rule(rule)}"
        state = self._node(node, tried)
        with valid(tried):
            new_rule(*rule)
        if not state.tables.add_rule(rule):
            raise refused(tried, "EEXIST", "file exists")

    def delete_rule(self, node: str, rule: Rule) -> None:
        tried = f"delete from {node} the rule {describe_rule(rule)}"
        if not self._node(node, tried).tables.delete_rule(rule):
            raise refused(tried, "ENOENT", "no such file or directory")

    def rules(self, node: str) -> tuple[Rule, ...]:
        return self._node(node, f"read the rules of {node}").tables.rules()

    def next_hop(
        self, node: str, destination: str, source: str, arrived_by: str | None = None, flow: Flow | None = None
    ) -> NextHop | None:
        tried = f"ask {node} for its route to {destination}"
        state = self._node(node, tried)
        with valid(tried):
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
