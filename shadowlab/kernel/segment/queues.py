"""Queueing disciplines of a segment on Linux, and what interfaces count.

In: impairments and shapers.  Out: what was asked of the kernel, or read back from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shadowlab.errors import KernelRefusedError
from shadowlab.kernel.links import NamespaceRecord
from shadowlab.kernel.ports import InterfaceCounters
from shadowlab.kernel.queueing import asked, counters, held
from shadowlab.kernel.queueing.asked import Wanted
from shadowlab.kernel.segment.held import HeldNamespaces
from shadowlab.model.impairment import Impairment
from shadowlab.model.queue import Shaper
from shadowlab.wire import if_link, pkt_sched
from shadowlab.wire.netlink import Request


class Queues(HeldNamespaces):
    """Sets, reads and compares what impairs an interface."""

    def set_netem(self, node: str, name: str, impairment: Impairment) -> None:
        tried = f"set netem on {node}/{name} ({impairment.describe()})"
        namespace = self._namespace(node, tried)
        record = namespace.interface(name, tried)
        netems, requests = self._valid(tried, lambda: asked.netem_requests(record, impairment))
        self._set_root(namespace, name, requests, Wanted(tried, netems=netems))

    def read_netem(self, node: str, name: str) -> Impairment | None:
        tried = f"read netem on {node}/{name}"
        namespace = self._read(node, tried)
        return held.read_impairment(namespace, namespace.interface(name, tried))

    def set_shaper(self, node: str, name: str, shaper: Shaper) -> None:
        tried = f"shape {node}/{name} ({shaper.describe()})"
        namespace = self._namespace(node, tried)
        record = namespace.interface(name, tried)
        tree, requests = self._valid(tried, lambda: asked.shaper_requests(record, shaper))
        self._set_root(namespace, name, requests, Wanted(tried, tree=tree))

    def read_shaper(self, node: str, name: str) -> Shaper | None:
        tried = f"read the shaper of {node}/{name}"
        namespace = self._read(node, tried)
        return held.read_shaper(namespace, namespace.interface(name, tried))

    def queue_differences(
        self, node: str, wanted: Mapping[str, Impairment | Shaper | None]
    ) -> tuple[tuple[str, str, object, object], ...]:
        """(interface, attribute, wished, held) wherever the kernel holds another queueing discipline than ``wanted``;
        None: one that impairs nothing."""
        return tuple(held.queue_differences(self._read(node, f"read the queues of {node}"), wanted))

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
        return counters.read_counters(self._read(node, f"read the counters of {node}"))
