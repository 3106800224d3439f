"""Networks of pairs: each cell of a grid has two hosts of its own, and nothing in common with the other cells.

In: impairments.  Out: cells, and the network that holds many of them side by side.

On the virtual clock cells of one network do not disturb each other, for computing takes no time there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from shadowlab.lab.job import Job
from shadowlab.lab.prepare import watched_interfaces
from shadowlab.model.flow import FlowSpec, Path
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Direction, Link, Network, Node
from shadowlab.model.traffic.tcp_options import TcpOptions
from shadowlab.shadow.plan import build_plan
from shadowlab.shadow.transport import plan_transport, with_windows
from shadowlab.topology.addressing import address
from shadowlab.topology.routing import shortest_routes

US, MS, SECOND = 1_000, 1_000_000, 1_000_000_000
KBIT, MBIT, GBIT = 1_000, 1_000_000, 1_000_000_000
FREE = Impairment()

Place = Literal["router", "host"]
"""Where the direction that is measured is impaired: leaving a router (egress), or leaving a host (arrival's IFB)."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A source and a target, named after the cell.  ``there`` and ``back`` are what happens to packets each way.

    ``place`` "router": source - router - target; the router's way to the target is ``there``, to the source ``back``.
    "host": the two are joined by one link.  ``facts`` are the measurement's own notes about the cell.
    """

    name: str
    there: Impairment
    back: Impairment = FREE
    place: Place = "router"
    flows: tuple[FlowSpec, ...] = ()
    probed: bool = False
    facts: dict[str, float] = field(default_factory=dict)

    @property
    def target(self) -> str:
        return f"{self.name}-b"

    @property
    def source(self) -> str:
        return f"{self.name}-a"

    @property
    def bottleneck(self) -> Direction:
        """The direction that ``there`` impairs."""
        start = f"{self.name}-r" if self.place == "router" else self.source
        return Direction(link=f"{self.name}-l", source=start, target=self.target)

    @property
    def nodes(self) -> tuple[Node, ...]:
        middle = (Node(id=f"{self.name}-r", kind="router"),) if self.place == "router" else ()
        return (*middle, Node(id=self.source, kind="host"), Node(id=self.target, kind="host"))

    @property
    def links(self) -> tuple[Link, ...]:
        if self.place == "host":
            return (Link(id=f"{self.name}-l", a=self.source, b=self.target, forward=self.there, backward=self.back),)
        router = f"{self.name}-r"
        return (
            Link(id=f"{self.name}-k", a=self.source, b=router, backward=self.back),
            Link(id=f"{self.name}-l", a=router, b=self.target, forward=self.there),
        )

    def flow(
        self, congestion_control: str, *, number: int = 0, window_bytes: int | None = None, ecn: bool | None = None
    ) -> FlowSpec:
        """A greedy flow over the cell; with a window, one that its receiver holds."""
        return FlowSpec(
            id=f"{self.name}-{number}",
            source=self.source,
            target=self.target,
            flow_class="greedy" if window_bytes is None else "receiver-limited",
            tcp=TcpOptions(congestion_control=congestion_control, window_bytes=window_bytes, ecn=ecn),
        )


def network_of(cells: Sequence[Cell]) -> Network:
    """All cells, side by side."""
    return Network(
        name="fidelity",
        nodes=tuple(node for cell in cells for node in cell.nodes),
        links=tuple(link for cell in cells for link in cell.links),
    )


def job_of(
    cells: Sequence[Cell], *, seconds: int, seed: int, sample_every_ns: int = SECOND, probe_every_ns: int = 200 * MS
) -> Job:
    """The job that `shadowlab run` would make of that network and its flows."""
    network = network_of(cells)
    fabric = address(network)
    flows = tuple(flow for cell in cells for flow in cell.flows)
    transport = plan_transport(flows, fabric)
    # Cells have no way to each other: such pairs are left without a route.
    routes = with_windows(shortest_routes(network, fabric, partial=True), transport)
    plan = build_plan(network, fabric, routes, transport.settings)
    return Job(
        seed=seed,
        duration_ns=seconds * SECOND,
        sample_every_ns=sample_every_ns,
        probe_every_ns=probe_every_ns,
        build=plan,
        addresses=fabric.node_address,
        interface_directions={f"{i.node}/{i.name}": f"{i.link}|{i.node}|{i.peer}" for i in fabric.interfaces},
        flows=flows,
        paths=tuple(Path(source=cell.source, target=cell.target) for cell in cells if cell.probed),
        watched=watched_interfaces(plan),
        timeline=(),
    )
