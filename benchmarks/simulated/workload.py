"""What both sides are given: a network, greedy CUBIC flows, and the routes.

In: a name and seconds.  Out: the job for our guest, and the same as text for the peer's program.  Frames count on a
link as they do in ns-3 (1502 bytes a full one), and nobody has probes.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from benchmarks.networks import fat_tree
from shadowlab.lab.job import Job, WatchedInterface
from shadowlab.model.fabric import Fabric, Route
from shadowlab.model.flow import FlowSpec, Reading
from shadowlab.model.impairment import Framing, Impairment
from shadowlab.model.network import Link, Network, Node
from shadowlab.model.traffic.tcp_options import TcpOptions
from shadowlab.shadow.ops import ImpairEgress, ImpairIngress
from shadowlab.shadow.plan import build_plan
from shadowlab.topology.addressing import address
from shadowlab.topology.routing import path_directions, shortest_routes

CUBIC = TcpOptions(congestion_control="cubic")
RATE_BPS = 100_000_000
PPP = Framing(packet_bytes=-12)
"""ns-3's point-to-point header has 2 bytes, a socket buffer's Ethernet header 14."""
FRAME_BYTES = 1502
ACCESS_BPS = 10_000_000_000
"""Of the peer's links that have no rate with us: never the bottleneck."""
FIRST_PORT = 5001


@dataclass(frozen=True, kw_only=True)
class Workload:
    """``hops``: of each flow, the links that it crosses."""

    name: str
    seconds: int
    network: Network
    fabric: Fabric
    routes: tuple[Route, ...]
    flows: tuple[FlowSpec, ...]

    @property
    def hops(self) -> dict[str, int]:
        """Links that each flow crosses."""
        return {flow.id: len(path_directions(self.network, flow.source, flow.target)) for flow in self.flows}

    def job(self, *, seed: int = 1, reading: Reading = "kernel") -> Job:
        """Ours: sampled once a second as every run is."""
        plan = build_plan(self.network, self.fabric, self.routes)
        queues = [op for op in plan if isinstance(op, ImpairEgress | ImpairIngress)]
        return Job(
            seed=seed,
            duration_ns=self.seconds * 10**9,
            sample_every_ns=10**9,
            probe_every_ns=10**9,
            build=plan,
            addresses=self.fabric.node_address,
            interface_directions={},
            flows=self.flows,
            paths=(),
            watched=tuple(
                WatchedInterface(
                    node=op.node,
                    interface=op.interface if isinstance(op, ImpairEgress) else op.device,
                    direction=op.direction,
                )
                for op in queues
            ),
            timeline=(),
            reading=reading,
        )

    def text(self) -> str:
        """For the peer: one fact a line.  Interfaces are numbered as ns-3 numbers a node's, from 1 in map order."""
        numbers = {node.id: number for number, node in enumerate(self.network.nodes)}
        place = {
            (one.node, one.name): number
            for some in self.fabric.by_node.values()
            for number, one in enumerate(some, start=1)
        }
        lines = [f"seconds {self.seconds}"]
        lines += [f"node {self.fabric.node_address[node.id]}" for node in self.network.nodes]
        for link in self.network.links:
            # A channel of ns-3 has one delay for both ways: half of the round trip.
            delay_ns = (link.forward.delay_ns + link.backward.delay_ns) // 2
            words = [numbers[link.a], numbers[link.b], delay_ns, *_wire(link.forward), *_wire(link.backward)]
            lines.append(" ".join(["link", *map(str, words)]))
        for route in self.routes:
            exit_number = place[route.node, route.interface]
            lines.append(f"route {numbers[route.node]} {route.destination} {route.prefix} {route.via} {exit_number}")
        for number, flow in enumerate(self.flows):
            lines.append(f"flow {numbers[flow.source]} {numbers[flow.target]} {FIRST_PORT + number}")
        return "\n".join([*lines, ""])


def _wire(one: Impairment) -> tuple[int, int]:
    """Rate in bit/s, packets that may wait."""
    return (ACCESS_BPS, 100_000) if one.rate_bps is None else (one.rate_bps, one.queue_packets)


def dumbbell(seconds: int) -> Workload:
    """10 + 10 hosts, one flow each, 100 Mbit/s and 10 ms each way between two routers, one bandwidth-delay product of
    buffer."""
    delay_ns = 10_000_000
    queue = 2 * delay_ns * RATE_BPS // (8 * 10**9 * FRAME_BYTES)
    wire = Impairment(delay_ns=delay_ns, rate_bps=RATE_BPS, queue_packets=queue, framing=PPP)
    nodes = [Node(id=name, kind="router") for name in ("left", "right")]
    links = [Link(id="middle", a="left", b="right", forward=wire, backward=wire)]
    for number in range(10):
        for side, router in (("s", "left"), ("d", "right")):
            nodes.append(Node(id=f"{side}{number}", kind="host"))
            links.append(Link(id=f"{side}{number}={router}", a=f"{side}{number}", b=router))
    network = Network(name="dumbbell", nodes=tuple(nodes), links=tuple(links))
    return _workload("dumbbell", seconds, network, [(f"s{number}", f"d{number}") for number in range(10)])


def tree(seconds: int) -> Workload:
    """A fat-tree k=4, links of 100 Mbit/s and 1 ms; every host sends to two hosts of other pods."""
    plain = fat_tree(4)

    def alike(one: Impairment) -> Impairment:
        return one if one.rate_bps is None else replace(one, framing=PPP)

    links = [replace(link, forward=alike(link.forward), backward=alike(link.backward)) for link in plain.links]
    network = replace(plain, links=tuple(links))
    hosts = [node.id for node in network.hosts]
    rng = random.Random(1)
    pairs = []
    for shift in (4, 8):  # as many flows end at a host as begin there
        turned = hosts[shift:] + hosts[:shift]
        for pod in range(0, len(turned), 4):
            part = turned[pod : pod + 4]
            rng.shuffle(part)
            turned[pod : pod + 4] = part
        pairs += list(zip(hosts, turned, strict=True))
    return _workload("fat-tree k=4", seconds, network, pairs)


CROWD_RATE_BPS = 50_000
CROWD_ROUTERS = 10


def crowd(seconds: int, flows: int, nodes: int) -> Workload:
    """So many paced flows at once between random hosts on a ring of routers, begun one by one in the first second."""
    core = Impairment(delay_ns=1_000_000, rate_bps=10 * RATE_BPS, queue_packets=1000)
    edge = Impairment(delay_ns=1_000_000, rate_bps=RATE_BPS)
    routers = [f"r{number}" for number in range(CROWD_ROUTERS)]
    hosts = [f"h{number}" for number in range(nodes - CROWD_ROUTERS)]
    links = [
        Link(id=f"{a}={b}", a=a, b=b, forward=core, backward=core)
        for a, b in zip(routers, routers[1:] + routers[:1], strict=True)
    ]
    links += [
        Link(id=f"{host}={router}", a=host, b=router, backward=edge)
        for host, router in zip(hosts, routers * len(hosts), strict=False)
    ]
    network = Network(
        name="crowd",
        nodes=(*(Node(id=one, kind="router") for one in routers), *(Node(id=one, kind="host") for one in hosts)),
        links=tuple(links),
    )
    rng = random.Random(1)
    fabric = address(network)
    specs = []
    for number in range(flows):
        source, target = rng.sample(hosts, 2)
        specs.append(
            FlowSpec(
                id=f"f{number}",
                source=source,
                target=target,
                flow_class="paced",
                rate_bps=CROWD_RATE_BPS,
                tcp=CUBIC,
                start_ns=number * 10**9 // flows,
            )
        )
    routes = shortest_routes(network, fabric, aggregate=True)
    return Workload(name="crowd", seconds=seconds, network=network, fabric=fabric, routes=routes, flows=tuple(specs))


def _workload(name: str, seconds: int, network: Network, pairs: list[tuple[str, str]]) -> Workload:
    fabric = address(network)
    flows = tuple(
        FlowSpec(id=f"f{number}", source=source, target=target, flow_class="greedy", tcp=CUBIC)
        for number, (source, target) in enumerate(pairs)
    )
    routes = shortest_routes(network, fabric, aggregate=True)
    return Workload(name=name, seconds=seconds, network=network, fabric=fabric, routes=routes, flows=flows)


WORKLOADS = {"dumbbell": dumbbell, "fat-tree": tree}
