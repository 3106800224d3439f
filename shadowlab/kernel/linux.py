"""The segment on Linux: as root of a private segment of the host kernel, or as root inside the embedded one.

In: names, numbers, impairments.  Out: the kernel's state, or :class:`~shadowlab.errors.KernelRefusedError`.
Never: a name in the file system, a trace after the process has ended, a decision about what should be.

Namespaces, links and everything in them are made through one netlink socket per namespace.  Inside :meth:`batch`
requests are collected and sent together.  Two things make that safe: interface indices are chosen by us, so a request
need not wait to learn one; and veth pairs, the only requests that reach into two namespaces, go through one socket of
their own that is always flushed first.
"""

from __future__ import annotations

import gc
import itertools
import os
import socket
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from shadowlab.errors import KernelRefusedError, ShadowFailedError
from shadowlab.kernel import netns, qdisc
from shadowlab.kernel.links import (
    FIRST_IFINDEX,
    LOOPBACK,
    InterfaceRecord,
    NamespaceRecord,
    read_addresses,
    read_bridge_ports,
    read_link_states,
    read_links,
    read_neighbours,
    wait_for_links,
)
from shadowlab.kernel.netlink import NetlinkSocket
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
from shadowlab.kernel.qdisc import Wanted
from shadowlab.kernel.routing import tables
from shadowlab.kernel.syscalls import refusal
from shadowlab.model.impairment import Impairment
from shadowlab.model.queue import Shaper
from shadowlab.wire import if_link, pkt_sched, routes, rtnetlink
from shadowlab.wire.addresses import AF_INET6, canonical, family_of
from shadowlab.wire.if_link import VethEnd
from shadowlab.wire.netlink import Request

if TYPE_CHECKING:
    from shadowlab.kernel.programs import Running

_Made = TypeVar("_Made")


class LinuxSegment:
    """Implements :class:`~shadowlab.kernel.ports.Segment`.  For one thread."""

    socket_kind: type[NetlinkSocket] = NetlinkSocket
    """A benchmark puts one here that records what is sent."""

    def __init__(self, name: str = "shadowlab") -> None:
        self._alias = name
        self._home_fd = -1
        self._veths = self.socket_kind("the segment")
        self._namespaces: dict[str, NamespaceRecord] = {}
        self._ifindices = itertools.count(FIRST_IFINDEX)
        self._sysctls = netns.Sysctls()
        self._unquiet: dict[bool, tuple[tuple[str, str], ...]] = {}
        self._batching = False
        self._changed: dict[str, NamespaceRecord] = {}
        self._unchecked: dict[str, dict[str, Wanted]] = {}

    def __enter__(self) -> LinuxSegment:
        netns.raise_file_limit()
        self._home_fd = netns.open_own_namespace()
        self._veths.open()
        return self

    def __exit__(self, *exc: object) -> None:
        for namespace in self._namespaces.values():
            namespace.netlink.close()
            os.close(namespace.fd)
        self._namespaces.clear()
        self._veths.close()
        self._sysctls.close()
        os.close(self._home_fd)

    # --- batches -----------------------------------------------------------------------------------------------

    @contextmanager
    def batch(self) -> Iterator[None]:
        if self._batching:
            raise ShadowFailedError("a batch is open already")
        self._batching = True
        # What is collected lives until it is sent and holds no cycles: looking for some took a quarter of the time.
        collects = gc.isenabled()
        gc.disable()
        try:
            yield
            self._flush()
        finally:
            self._batching = False
            if collects:
                gc.enable()

    def _flush(self) -> None:
        self._veths.flush()
        unchecked, self._unchecked = self._unchecked, {}
        for node in tuple(self._changed):  # what is left after a refusal goes with the next flush
            namespace = self._changed.pop(node)
            try:
                namespace.netlink.flush()
            except KernelRefusedError:
                if node in unchecked:
                    qdisc.learn_roots(namespace)  # of what was asked for together, some was done and some was not
                raise
        for node, wanted in unchecked.items():
            qdisc.check_wanted(self._namespaces[node], wanted)

    def _queue(self, namespace: NamespaceRecord, request: Request, tried: str) -> None:
        self._changed[namespace.node] = namespace
        namespace.ways.clear()
        namespace.netlink.queue(request, tried)

    def _set(self, namespace: NamespaceRecord, request: Request, tried: str) -> None:
        self._queue(namespace, request, tried)
        if not self._batching or namespace.netlink.full:
            self._veths.flush()
            del self._changed[namespace.node]
            namespace.netlink.flush()

    def _change(self, node: str, name: str, tried: str, make: Callable[[int], Request]) -> InterfaceRecord:
        """One change to one interface, of whose index ``make`` makes the request."""
        namespace = self._namespace(node, tried)
        record = namespace.interface(name, tried)
        self._set(namespace, self._valid(tried, lambda: make(record.ifindex)), tried)
        return record

    @staticmethod
    def _valid(tried: str, make: Callable[[], _Made]) -> _Made:
        """What ``make`` makes, or a refusal: what no field of a message can hold never reaches the kernel."""
        try:
            return make()
        except (ValueError, struct.error) as error:
            raise KernelRefusedError(tried=tried, errno_name="EINVAL", why=str(error)) from error

    def _namespace(self, node: str, tried: str) -> NamespaceRecord:
        found = self._namespaces.get(node)
        if found is None:
            raise KernelRefusedError(tried=tried, errno_name="ENOENT", why=f"there is no namespace {node}")
        return found

    def _read(self, node: str, tried: str) -> NamespaceRecord:
        """The namespace, with everything asked so far done."""
        namespace = self._namespace(node, tried)
        if self._batching:
            self._flush()
        return namespace

    # --- namespaces --------------------------------------------------------------------------------------------

    def create_namespace(self, node: str, *, ipv6: bool = False) -> None:
        tried = f"make a network namespace for {node}"
        if node in self._namespaces:
            raise KernelRefusedError(tried=tried, errno_name="EEXIST", why="there is one already")
        with netns.fresh_namespace(self._home_fd, node) as fd:
            namespace = NamespaceRecord(node=node, fd=fd, netlink=self.socket_kind(node).open())
            self._namespaces[node] = namespace
            self._sysctls.visit()
            if ipv6 not in self._unquiet:
                self._unquiet[ipv6] = self._sysctls.unquiet(node, ipv6=ipv6)
            for key, value in self._unquiet[ipv6]:
                self._sysctls.write(node, key, value)
        self._change(node, LOOPBACK, f"{node}: loopback up", lambda ifindex: if_link.set_link_up(ifindex, up=True))

    def delete_namespace(self, node: str) -> None:
        tried = f"delete the network namespace of {node}"
        namespace = self._read(node, tried)
        if any(one.peer is not None for one in namespace.interfaces.values()):
            raise KernelRefusedError(tried=tried, errno_name="EBUSY", why="it still has links")
        del self._namespaces[node]
        self._changed.pop(node, None)
        namespace.netlink.close()
        os.close(namespace.fd)

    def namespaces(self) -> tuple[str, ...]:
        return tuple(self._namespaces)

    def set_sysctl(self, node: str, key: str, value: str) -> None:
        namespace = self._namespace(node, f"set {key} in {node}")
        with netns.visit(namespace.fd, self._home_fd, node):
            self._sysctls.visit()
            self._sysctls.write(node, key, value)

    def read_sysctl(self, node: str, key: str) -> str:
        namespace = self._namespace(node, f"read {key} in {node}")
        with netns.visit(namespace.fd, self._home_fd, node):
            self._sysctls.visit()
            return self._sysctls.read(node, key)

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

    # --- addresses, neighbours, routes -------------------------------------------------------------------------

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
        tried = tables.describe_route(node, destination, prefix, hops, table)
        namespace = self._namespace(node, tried)
        ways = [(namespace.interface(name, tried).ifindex, via) for name, via in hops]
        request = self._valid(tried, lambda: routes.replace_route(destination, prefix, ways, table, windows))
        if len(ways) > 1:
            self._hash_flows(namespace, family_of(destination))
        self._set(namespace, request, tried)

    def _hash_flows(self, namespace: NamespaceRecord, family: int) -> None:
        if family not in namespace.hashes_flows:
            with netns.visit(namespace.fd, self._home_fd, namespace.node):
                self._sysctls.visit()
                for key, value in tables.HASH_FLOWS[family]:
                    self._sysctls.write(namespace.node, key, value)
            namespace.hashes_flows.add(family)

    def replace_by_black_hole(self, node: str, destination: str, prefix: int, *, table: int = MAIN_TABLE) -> None:
        tried = f"let {node} drop what goes to {destination}/{prefix}{tables.in_table(table)}"
        namespace = self._namespace(node, tried)
        request = self._valid(tried, lambda: routes.replace_by_black_hole(destination, prefix, table))
        self._set(namespace, request, tried)

    def delete_route(self, node: str, destination: str, prefix: int, *, table: int = MAIN_TABLE) -> None:
        tried = f"delete the route {destination}/{prefix}{tables.in_table(table)} in {node}"
        namespace = self._namespace(node, tried)
        self._set(namespace, self._valid(tried, lambda: routes.delete_route(destination, prefix, table)), tried)

    def routes(self, node: str) -> tuple[Route, ...]:
        return tables.read_routes(self._read(node, f"read the routes of {node}"))

    def add_rule(self, node: str, rule: Rule) -> None:
        tried = f"add to {node} the rule {tables.describe_rule(rule)}"
        self._set(self._namespace(node, tried), self._valid(tried, lambda: routes.new_rule(*rule)), tried)

    def delete_rule(self, node: str, rule: Rule) -> None:
        tried = f"delete from {node} the rule {tables.describe_rule(rule)}"
        self._set(self._namespace(node, tried), self._valid(tried, lambda: routes.delete_rule(*rule)), tried)

    def rules(self, node: str) -> tuple[Rule, ...]:
        return tables.read_rules(self._read(node, f"read the rules of {node}"))

    def next_hop(
        self, node: str, destination: str, source: str, arrived_by: str | None = None, flow: Flow | None = None
    ) -> NextHop | None:
        tried = f"ask {node} for its route to {destination}"
        namespace = self._read(node, tried)
        index = namespace.interface(arrived_by, tried).ifindex if arrived_by is not None else 0
        question = tables.Question(destination, source, index, flow)
        self._valid(tried, question.request)
        seed = partial(tables.hash_seed, lambda: self.read_sysctl(node, tables.HASH_SEED))
        return tables.ask_next_hop(namespace, question, seed, tried)

    # --- impairments and counters ------------------------------------------------------------------------------

    def set_netem(self, node: str, name: str, impairment: Impairment) -> None:
        tried = f"set netem on {node}/{name} ({impairment.describe()})"
        namespace = self._namespace(node, tried)
        record = namespace.interface(name, tried)
        netem, requests = self._valid(tried, lambda: qdisc.netem_requests(record, impairment))
        self._set_root(namespace, name, requests, Wanted(tried, netem=netem))

    def read_netem(self, node: str, name: str) -> Impairment | None:
        tried = f"read netem on {node}/{name}"
        namespace = self._read(node, tried)
        return qdisc.read_impairment(namespace, namespace.interface(name, tried))

    def set_shaper(self, node: str, name: str, shaper: Shaper) -> None:
        tried = f"shape {node}/{name} ({shaper.describe()})"
        namespace = self._namespace(node, tried)
        record = namespace.interface(name, tried)
        tree, requests = self._valid(tried, lambda: qdisc.shaper_requests(record, shaper))
        self._set_root(namespace, name, requests, Wanted(tried, tree=tree))

    def read_shaper(self, node: str, name: str) -> Shaper | None:
        tried = f"read the shaper of {node}/{name}"
        namespace = self._read(node, tried)
        return qdisc.read_shaper(namespace, namespace.interface(name, tried))

    def queue_differences(
        self, node: str, wanted: Mapping[str, Impairment | Shaper | None]
    ) -> tuple[tuple[str, str, object, object], ...]:
        """(interface, attribute, wished, held) wherever the kernel holds another queueing discipline than ``wanted``;
        None: one that impairs nothing."""
        return tuple(qdisc.queue_differences(self._read(node, f"read the queues of {node}"), wanted))

    def _set_root(self, namespace: NamespaceRecord, name: str, requests: Sequence[Request], wanted: Wanted) -> None:
        self._unchecked.setdefault(namespace.node, {})[name] = wanted
        for request in requests:
            self._queue(namespace, request, wanted.tried)
        if not self._batching or namespace.netlink.full:
            self._flush()

    def create_ifb(self, node: str, name: str) -> int:
        """An IFB by itself, up; its interface index."""
        tried = f"make the IFB {node}/{name}"
        namespace = self._namespace(node, tried)
        ifindex = next(self._ifindices)
        self._set(namespace, self._valid(tried, lambda: if_link.new_ifb(name, ifindex, self._alias)), tried)
        namespace.add(name, ifindex)
        return ifindex

    def redirect_ingress(self, node: str, name: str, ifb: str) -> None:
        tried = f"redirect what arrives at {node}/{name} through {ifb}"
        namespace = self._namespace(node, tried)
        record = namespace.interface(name, tried)
        if record.ifb == ifb:
            return
        if record.ifb is not None or ifb in namespace.interfaces:
            raise KernelRefusedError(tried=tried, errno_name="EEXIST", why=f"{record.ifb or ifb} is in the way")
        target = self.create_ifb(node, ifb)
        self._set(namespace, pkt_sched.new_ingress(record.ifindex), tried)
        self._set(namespace, pkt_sched.new_redirect(record.ifindex, target), tried)
        record.ifb = ifb

    def counters(self, node: str) -> Mapping[str, InterfaceCounters]:
        return qdisc.read_counters(self._read(node, f"read the counters of {node}"))

    def open_network_file(self, node: str, name: str) -> int:
        """A file of ``/proc/net`` as the node has it, read-only: it stays the node's, and each read from 0 is fresh."""
        namespace = self._read(node, f"open /proc/net/{name} in {node}")
        with netns.visit(namespace.fd, self._home_fd, node):
            return netns.open_network_file(name)

    # --- sockets and children ----------------------------------------------------------------------------------

    def open_socket(self, node: str, family: int, kind: int, protocol: int = 0) -> socket.socket:
        tried = f"open a socket in {node}"
        namespace = self._read(node, tried)
        with netns.visit(namespace.fd, self._home_fd, node):
            try:
                return socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol)
            except OSError as error:
                raise refusal(tried, error.errno or 0) from error

    def run_script(
        self, node: str, argv: Sequence[str], environment: Mapping[str, str], timeout_ns: int, text: str
    ) -> ScriptOutcome:
        from shadowlab.kernel import children  # subprocess is slow to import, and few runs have scripts

        namespace = self._read(node, f"run {argv[0]} in {node}")
        with netns.visit(namespace.fd, self._home_fd, node):
            return children.run(argv, environment, timeout_ns, text, f"{argv[0]} in {node}")

    def start_program(self, node: str, argv: Sequence[str], environment: Mapping[str, str], folder: str) -> Running:
        """Start a program that runs beside everything else, in a node's namespace, its output in one stream.

        Raises KernelRefusedError if it cannot be started.
        """
        from shadowlab.kernel import children, programs  # subprocess is slow to import, and few runs have programs

        tried = f"start {argv[0]} in {node}"
        namespace = self._read(node, tried)
        with netns.visit(namespace.fd, self._home_fd, node):
            try:
                started = programs.start(
                    argv,
                    environment={"PATH": children.PATH, "HOME": folder, "TMPDIR": folder, **environment},
                    folder=folder,
                    stdin=programs.NO_INPUT,
                    stdout=programs.PIPE,
                    stderr=programs.STDOUT,
                    hosts=None,
                )
            except programs.START_ERRORS as error:
                raise refusal(tried, getattr(error, "errno", 0) or 0) from error
            return programs.Running(started)
