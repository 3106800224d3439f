"""Interfaces of a segment on Linux: veth pairs, bridges and their ports, IFBs, with addresses and neighbours.

In: names of nodes and interfaces.  Out: what was asked of the kernel, or read back from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shadowlab.errors import KernelRefusedError
from shadowlab.kernel.links import (
    LOOPBACK,
    read_addresses,
    read_bridge_ports,
    read_link_states,
    read_links,
    read_neighbours,
    wait_for_links,
)
from shadowlab.kernel.segment.held import HeldNamespaces
from shadowlab.wire import if_link, rtnetlink
from shadowlab.wire.addresses import AF_INET6, canonical, family_of
from shadowlab.wire.if_link import VethEnd


class Interfaces(HeldNamespaces):
    """Makes, reads and removes interfaces."""

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
        a, b = self._namespace(node_a, tried), self._namespace(node_b, tried)
        for namespace, name in ((a, name_a), (b, name_b)):
            if name in namespace.interfaces or (node_a, name_a) == (node_b, name_b):
                raise KernelRefusedError(tried=tried, errno_name="EEXIST", why=f"{namespace.node} has a {name} already")
        end_a = VethEnd(name_a, next(self._ifindices), mac_a, a.fd)
        end_b = VethEnd(name_b, next(self._ifindices), mac_b, b.fd)
        mark = f"{self._alias}/{alias}"
        self._veths.queue(self._valid(tried, lambda: if_link.new_veth(end_a, end_b, mtu, mark, offload=offload)), tried)
        if not self._batching or self._veths.full:
            self._veths.flush()
        a.add(name_a, end_a.ifindex, (node_b, name_b))
        b.add(name_b, end_b.ifindex, (node_a, name_a))

    def create_bridge(self, node: str, name: str, *, mac: str, mtu: int, alias: str = "") -> None:
        tried = f"make the bridge {node}/{name}"
        namespace = self._namespace(node, tried)
        if name in namespace.interfaces:
            raise KernelRefusedError(tried=tried, errno_name="EEXIST", why=f"{node} has a {name} already")
        ifindex = next(self._ifindices)
        self._set(namespace, self._valid(tried, lambda: if_link.new_bridge(name, ifindex, mac, mtu)), tried)
        namespace.add(name, ifindex)

    def set_bridge_port(self, node: str, name: str, bridge: str | None) -> None:
        tried = f"make {node}/{name} a port of {bridge}" if bridge else f"take {node}/{name} out of its bridge"
        master = self._namespace(node, tried).interface(bridge, tried).ifindex if bridge else 0
        self._change(node, name, tried, lambda ifindex: if_link.set_master(ifindex, master))

    def bridge_ports(self, node: str) -> tuple[tuple[str, str], ...]:
        return read_bridge_ports(self._read(node, f"read the bridge ports of {node}"))

    def delete_link(self, node: str, name: str) -> None:
        tried = f"delete {node}/{name}"
        namespace = self._read(node, tried)
        record = namespace.interface(name, tried)
        self._set(namespace, if_link.delete_link(record.ifindex), tried)
        if self._batching:
            self._flush()
        gone = [(node, record)]
        if record.peer is not None:  # one end of a veth takes the other along
            other, other_name = record.peer
            gone.append((other, self._namespaces[other].interface(other_name, tried)))
        for owner, one in gone:
            del self._namespaces[owner].interfaces[one.name]
            if one.ifb is not None and one.ifb in self._namespaces[owner].interfaces:
                self.delete_link(owner, one.ifb)

    def set_link_up(self, node: str, name: str, *, up: bool) -> None:
        tried = f"set {node}/{name} {'up' if up else 'down'}"
        record = self._change(node, name, tried, lambda ifindex: if_link.set_link_up(ifindex, up=up))
        if up and record.went_down:  # the kernel forgot them when the interface went down
            for address, mac in record.neighbours.items():
                self.add_neighbour(node, name, address, mac)
        record.went_down = not up

    def links(self, node: str) -> Mapping[str, bool]:
        return read_links(self._read(node, f"read the links of {node}"))

    def link_states(self, node: str) -> Mapping[str, if_link.LinkState]:
        """Every interface by name with its MTU, address and offload; also those that somebody else made."""
        return read_link_states(self._read(node, f"read the links of {node}"))

    def wait_for_links(self, interfaces: Sequence[tuple[str, str]]) -> None:
        self._flush()
        wait_for_links([(self._namespace(node, f"wait for {node}/{name}"), name) for node, name in interfaces])

    def add_address(self, node: str, name: str, address: str, prefix: int) -> None:
        # A link's address gets link scope: then the kernel takes the loopback's address, the node's own, as the source
        # of what goes anywhere beyond the link, without a preferred source in every route.
        scope = rtnetlink.SCOPE_UNIVERSE if name == LOOPBACK else rtnetlink.SCOPE_LINK
        tried = f"add {address}/{prefix} to {node}/{name}"
        self._change(node, name, tried, lambda ifindex: rtnetlink.new_address(ifindex, address, prefix, scope))
        if family_of(address) == AF_INET6:
            self._namespaces[node].unserved.append((name, canonical(address)))

    def addresses(self, node: str) -> tuple[tuple[str, str, int], ...]:
        return read_addresses(self._read(node, f"read the addresses of {node}"))

    def add_neighbour(self, node: str, name: str, address: str, mac: str) -> None:
        tried = f"tell {node}/{name} that {address} is at {mac}"
        record = self._change(node, name, tried, lambda ifindex: rtnetlink.new_neighbour(ifindex, address, mac))
        record.neighbours[address] = mac

    def delete_neighbour(self, node: str, name: str, address: str) -> None:
        tried = f"forget the neighbour {address} of {node}/{name}"
        address = canonical(address)
        self._namespace(node, tried).interface(name, tried).neighbours.pop(address, None)
        if any(one[:2] == (name, address) for one in self.neighbours(node)):
            self._change(node, name, tried, lambda ifindex: rtnetlink.delete_neighbour(ifindex, address))

    def neighbours(self, node: str) -> tuple[tuple[str, str, str], ...]:
        return read_neighbours(self._read(node, f"read the neighbours of {node}"))
