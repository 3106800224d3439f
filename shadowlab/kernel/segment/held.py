"""What a segment on Linux holds: its namespaces, a netlink socket for each, and the requests that wait to be sent.

In: requests of the parts above.  Out: the kernel's state, or :class:`~shadowlab.errors.KernelRefusedError`.

Namespaces, links and everything in them are made through one netlink socket per namespace.  Inside :meth:`batch`
requests are collected and sent together.  Two things make that safe: interface indices are chosen by us, so a request
need not wait to learn one; and veth pairs, the only requests that reach into two namespaces, go through one socket of
their own that is always flushed first.
"""

from __future__ import annotations

import gc
import itertools
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self, TypeVar

from shadowlab.errors import KernelRefusedError, ShadowFailedError
from shadowlab.kernel import netns
from shadowlab.kernel.links import FIRST_IFINDEX, LOOPBACK, InterfaceRecord, NamespaceRecord
from shadowlab.kernel.netlink import NetlinkSocket
from shadowlab.kernel.queueing import held
from shadowlab.kernel.queueing.asked import Wanted
from shadowlab.wire import if_link
from shadowlab.wire.netlink import Request

_Made = TypeVar("_Made")


class HeldNamespaces:
    """The namespaces of a segment, and the requests that wait for them."""

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

    def __enter__(self) -> Self:
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
                    held.learn_roots(namespace)  # of what was asked for together, some was done and some was not
                raise
        for node, wanted in unchecked.items():
            held.check_wanted(self._namespaces[node], wanted)

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
