"""What everybody is to make: the operations of our own plan, one change to them, one link more.

In: a network.  Out: operations.  Every link that leaves a router carries a queueing discipline: netem where the kernel
has it, else a token bucket of the same rate (``tbf``), for everybody alike.
"""

from __future__ import annotations

import dataclasses
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from benchmarks.networks import fat_tree, joined, random_map, ring
from shadowlab.model.network import Network
from shadowlab.shadow.ops import CreateLink, ImpairEgress, Op, SetLinkState
from shadowlab.shadow.plan import build_plan
from shadowlab.topology.addressing import address
from shadowlab.topology.routing import shortest_routes

RATE_BPS = 100_000_000
SLOWER_BPS = 50_000_000
DELAY_MS = 1
BURST_BYTES = 15_000
LIMIT_BYTES = 150_000


@dataclass(frozen=True, kw_only=True)
class Workload:
    """``build``: everything.  ``change``: the rate of one direction.  ``more``: one link more, up."""

    network: Network
    plan_s: float
    build: tuple[Op, ...]
    change: ImpairEgress
    more: tuple[CreateLink | ImpairEgress | SetLinkState, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many operations of each kind."""
        kinds = [type(op).__name__ for op in self.build]
        return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}


def networks() -> tuple[Network, ...]:
    """The four of the benchmark, by growing size."""
    return (fat_tree(4), fat_tree(8), ring(1000, 10), random_map(1000, 2000, 10, seed=1))


def workload(network: Network) -> Workload:
    """Addresses, shortest paths and the plan, timed; then the change and the link to be added."""
    begin = time.monotonic()
    build = _plan(network)
    plan_s = time.monotonic() - begin
    first = next(op for op in build if isinstance(op, ImpairEgress))
    slower = dataclasses.replace(first.impairment, rate_bps=SLOWER_BPS)
    routers = [node.id for node in network.nodes if node.kind == "router"]
    linked = {(link.a, link.b) for link in network.links}
    far = next(node for node in reversed(routers) if not {(routers[0], node), (node, routers[0])} & linked)
    link = joined(routers[0], far)
    known = {(op.node, op.interface) for op in build if isinstance(op, ImpairEgress)}
    with_it = _plan(dataclasses.replace(network, links=(*network.links, link)))
    news = [op for op in with_it if isinstance(op, CreateLink | SetLinkState) and op.link == link.id]
    shapes = [op for op in with_it if isinstance(op, ImpairEgress) and (op.node, op.interface) not in known]
    more = (*news[:1], *shapes, *news[1:])
    return Workload(
        network=network,
        plan_s=plan_s,
        build=build,
        change=dataclasses.replace(first, impairment=slower),
        more=more,
    )


def _plan(network: Network) -> tuple[Op, ...]:
    fabric = address(network)
    return build_plan(network, fabric, shortest_routes(network, fabric, aggregate=True))


@cache
def discipline() -> str:
    """``netem`` if this kernel has it, else ``tbf``.  To be asked in a private network namespace."""
    tried = subprocess.run(["tc", "qdisc", "add", "dev", "lo", "root", "netem", "limit", "1"], capture_output=True)
    if tried.returncode:
        return "tbf"
    subprocess.run(["tc", "qdisc", "del", "dev", "lo", "root"], check=True)
    return "netem"


def tc_words(op: ImpairEgress) -> str:
    """The discipline of one direction as ``tc`` is told it."""
    rate = op.impairment.rate_bps
    if discipline() == "netem":
        return f"netem delay {op.impairment.delay_ns}ns rate {rate} limit {op.impairment.limit_packets()}"
    return f"tbf rate {rate} burst {BURST_BYTES} limit {LIMIT_BYTES}"


def of_kind(ops: Sequence[Op], kind: type[Op]) -> list[Op]:
    """Those of one kind."""
    return [op for op in ops if isinstance(op, kind)]
