"""What a network will cost before it is built: memory and time, for the host's kernel and the embedded one.

In: the operations that would build it.  Out: bytes and seconds, by kind of part; whether a machine has that much.
Never: a kernel call, and no figure that nobody measured: ``scripts/bench scale`` prints every constant below.

Memory is that of the kernel's objects, of the program that makes them, and of the guest itself.  Packets that wait are
not in it (2 kB each, full ones), nor what runs in the nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

from shadowlab.errors import CannotRunError
from shadowlab.shadow.ops import CreateLink, CreateNode, ImpairEgress, ImpairIngress, Op, SetRoute

KernelName = Literal["embedded", "host"]

MEASURED_BY = "scripts/bench scale"

_MIB = 1 << 20
_LEAST_GUEST_BYTES = 512 * _MIB
_GROWTH = 2
"""A lab's guest is given so many times what its map needs: maps grow by ``apply``; untouched memory costs nothing."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """How many of each there are.  ``queues`` are directions impaired where they leave, ``arrivals`` those impaired
    where they arrive, through an IFB."""

    nodes: int
    links: int
    queues: int
    arrivals: int
    routes: int


@dataclass(frozen=True, kw_only=True)
class Each:
    """A figure for one of each."""

    node: float
    link: float
    queue: float
    arrival: float
    route: float

    def times(self, parts: Parts) -> dict[str, float]:
        """The figures of all of each kind."""
        return {
            "nodes": self.node * parts.nodes,
            "links": self.link * parts.links,
            "queues": self.queue * parts.queues,
            "arrivals": self.arrival * parts.arrivals,
            "routes": self.route * parts.routes,
        }


@dataclass(frozen=True, kw_only=True)
class Prices:
    """Of one kernel: bytes and microseconds of one core for each part; bytes and seconds of whatever comes first."""

    bytes_each: Each
    us_each: Each
    base_bytes: int
    base_s: float
    operation_bytes: int
    """What the program holds for each operation while it carries it out."""


PRICES: dict[KernelName, Prices] = {
    "embedded": Prices(
        bytes_each=Each(node=167_100, link=87_300, queue=1_070, arrival=48_700, route=310),
        us_each=Each(node=830, link=420, queue=97, arrival=440, route=18),
        base_bytes=75 * _MIB,
        base_s=0.5,
        operation_bytes=800,
    ),
    "host": Prices(
        bytes_each=Each(node=218_000, link=100_500, queue=3_200, arrival=56_000, route=190),
        us_each=Each(node=500, link=380, queue=62, arrival=410, route=13),
        base_bytes=22 * _MIB,
        base_s=0.2,
        operation_bytes=800,
    ),
}
"""Of 1000 nodes.  Bytes: the embedded kernel (Linux 6.12) and a stock Debian kernel for itself under qemu, both with
netem and IFBs.  Microseconds: on a machine of two cores that others used too.  A link's figures hold that of its being
taken up."""


@dataclass(frozen=True, kw_only=True)
class MapCost:
    """Of one map on one kernel.  ``memory`` by kind of part, with ``base`` and ``program``; it adds up."""

    kernel: KernelName
    parts: Parts
    memory: dict[str, int]
    build_s: float

    @property
    def memory_bytes(self) -> int:
        """All of it."""
        return sum(self.memory.values())

    @property
    def growing_bytes(self) -> int:
        """What depends on the map."""
        return self.memory_bytes - self.memory["base"]

    def nodes_within(self, free_bytes: int) -> int:
        """How many nodes a map like this one may have in so much memory: the same links and routes to a node."""
        if not self.parts.nodes:
            return 0
        return max(0, int((free_bytes - self.memory["base"]) * self.parts.nodes / self.growing_bytes))

    @property
    def guest_bytes(self) -> int:
        """How large a guest to boot for it: room to grow, and at least 512 MiB; in whole MiB."""
        return max(_LEAST_GUEST_BYTES, -(-_GROWTH * self.memory_bytes // _MIB) * _MIB)


def count_parts(ops: Sequence[Op]) -> Parts:
    """What operations make."""
    kinds = dict.fromkeys((CreateNode, CreateLink, ImpairEgress, ImpairIngress, SetRoute), 0)
    below = 0  # a netem below another costs what one at the root does
    for op in ops:
        if type(op) in kinds:
            kinds[type(op)] += 1
            if isinstance(op, ImpairEgress | ImpairIngress):
                below += op.impairment.netems - 1
    return Parts(
        nodes=kinds[CreateNode],
        links=kinds[CreateLink],
        queues=kinds[ImpairEgress] + below,
        arrivals=kinds[ImpairIngress],
        routes=kinds[SetRoute],
    )


def map_cost(parts: Parts, kernel: KernelName) -> MapCost:
    """The cost of a network of so many parts."""
    prices = PRICES[kernel]
    counts = [getattr(parts, one.name) for one in fields(parts)]
    memory = {"base": prices.base_bytes, "program": prices.operation_bytes * sum(counts)}
    memory |= {name: round(value) for name, value in prices.bytes_each.times(parts).items()}
    return MapCost(
        kernel=kernel,
        parts=parts,
        memory=memory,
        build_s=prices.base_s + sum(prices.us_each.times(parts).values()) / 1e6,
    )


def need_memory(cost: MapCost, free_bytes: int, what: str) -> None:
    """Raises CannotRunError if ``what`` needs more memory than there is: better before it is built than on the way."""
    if cost.memory_bytes > free_bytes:
        raise CannotRunError(
            f"{what} needs {format_bytes(cost.memory_bytes)} of memory and this machine has "
            f"{format_bytes(free_bytes)} free: about {cost.nodes_within(free_bytes)} of its {cost.parts.nodes} nodes "
            "would fit; 'shadowlab cost MAP' shows what takes how much"
        )


def format_bytes(value: float) -> str:
    """``5.2 GB``."""
    for factor, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if abs(value) >= factor:
            return f"{value / factor:.3g} {unit}"
    return f"{value:.0f} B"
