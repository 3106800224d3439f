"""What a segment in memory holds: namespaces, their sysctls and interfaces.

In: the same calls as Linux.  Out: the same answers and refusals.  Never: a socket or a program.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

from shadowlab.errors import KernelRefusedError, ShadowFailedError
from shadowlab.kernel.links import LOOPBACK
from shadowlab.kernel.routing.memory import Attached, Tables
from shadowlab.model.jitter import JitterShape
from shadowlab.model.queue import Shaper
from shadowlab.wire.netem import Netem

FORWARDING, FORWARDING_IPV6 = "net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"
DISABLE_IPV6 = "net/ipv6/conf/all/disable_ipv6"
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
    DISABLE_IPV6: "1",
}


@dataclass
class FakeInterface:
    peer: tuple[str, str] | None = None
    up: bool = False
    ifb: str | None = None
    is_bridge: bool = False
    bridge: str | None = None
    netems: tuple[Netem, ...] = ()
    shape: JitterShape | None = None
    shaper: Shaper | None = None
    addresses: dict[str, int] = field(default_factory=dict)
    neighbours: dict[str, str] = field(default_factory=dict)


@dataclass
class FakeNode:
    interfaces: dict[str, FakeInterface]
    sysctls: dict[str, str]
    tables: Tables = field(default_factory=Tables)

    def attached(self) -> dict[str, Attached]:
        return {name: Attached(one.up, one.addresses) for name, one in self.interfaces.items()}


class FakeNodes:
    """The namespaces of a segment in memory."""

    def __init__(self) -> None:
        self._nodes: dict[str, FakeNode] = {}
        self._batching = False

    def __enter__(self) -> Self:
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
            raise refused(f"make a network namespace for {node}", "EEXIST", "there is one already")
        sysctls = _SYSCTLS | ({DISABLE_IPV6: "0", "net/ipv6/conf/all/keep_addr_on_down": "1"} if ipv6 else {})
        self._nodes[node] = FakeNode(interfaces={LOOPBACK: FakeInterface(up=True)}, sysctls=sysctls)

    def delete_namespace(self, node: str) -> None:
        tried = f"delete the network namespace of {node}"
        if any(one.peer is not None for one in self._node(node, tried).interfaces.values()):
            raise refused(tried, "EBUSY", "it still has links")
        del self._nodes[node]

    def namespaces(self) -> tuple[str, ...]:
        return tuple(self._nodes)

    def set_sysctl(self, node: str, key: str, value: str) -> None:
        tried = f"set {key} to {value} in {node}"
        sysctls = self._node(node, tried).sysctls
        if key not in sysctls:
            raise refused(tried, "ENOENT", "no such file or directory")
        sysctls[key] = value

    def read_sysctl(self, node: str, key: str) -> str:
        tried = f"read {key} in {node}"
        sysctls = self._node(node, tried).sysctls
        if key not in sysctls:
            raise refused(tried, "ENOENT", "no such file or directory")
        return sysctls[key]

    def _node(self, node: str, tried: str) -> FakeNode:
        found = self._nodes.get(node)
        if found is None:
            raise refused(tried, "ENOENT", f"there is no namespace {node}")
        return found

    def _interface(self, node: str, name: str, tried: str) -> FakeInterface:
        found = self._node(node, tried).interfaces.get(name)
        if found is None:
            raise refused(tried, "ENODEV", f"{node} has no interface {name}")
        return found


def refused(tried: str, errno_name: str, why: str) -> KernelRefusedError:
    return KernelRefusedError(tried=tried, errno_name=errno_name, why=why)


@contextmanager
def valid(tried: str) -> Iterator[None]:
    """What no field of a kernel message can hold is refused as the codec refuses it."""
    try:
        yield
    except ValueError as error:
        raise refused(tried, "EINVAL", str(error)) from error
