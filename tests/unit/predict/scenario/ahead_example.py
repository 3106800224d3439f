"""A small situation to ask what-if questions about."""

from __future__ import annotations

from shadowlab.model.flow import FlowSpec
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Link, Network, Node
from shadowlab.model.traffic.distribution import constant
from shadowlab.model.traffic.tcp_options import TcpOptions
from shadowlab.model.traffic.workload import Arrivals, Compute, Datagrams, Requests, Transfers
from shadowlab.predict.scenario.situation import Situation

S = 10**9
MS = 10**6


def link(a: str, b: str, *, rate: int = 10_000_000) -> Link:
    one = Impairment(delay_ns=5 * MS, rate_bps=rate)
    return Link(id=f"{a}-{b}", a=a, b=b, forward=one, backward=one)


def situation() -> Situation:
    """Three routers in a triangle, an instance at each; flows of two classes, workloads of three kinds."""
    routers = [Node(id=name, kind="router") for name in ("north", "south", "west")]
    hosts = [Node(id=name, kind="host") for name in ("web", "db", "api")]
    network = Network(
        name="triangle",
        nodes=(*routers, *hosts),
        links=(
            link("north", "south"),
            link("north", "west"),
            link("south", "west"),
            link("web", "north", rate=100_000_000),
            link("db", "south", rate=100_000_000),
            link("api", "west", rate=100_000_000),
        ),
        groups={"duct": ("north-south", "north-west")},
    )
    return Situation(
        network=network,
        flows=(
            FlowSpec(id="steady", source="web", target="db", flow_class="paced", rate_bps=1_000_000, service="shop"),
            *(
                FlowSpec(
                    id=f"held-{number}",
                    source="db",
                    target="api",
                    flow_class="receiver-limited",
                    tcp=TcpOptions(window_bytes=64_000),
                )
                for number in range(10)
            ),
        ),
        workloads=(
            Requests(
                name="pages",
                clients=("web", "api"),
                servers=("db",),
                request=constant(400),
                response=constant(10_000),
                think_ns=constant(S),
                connections=3,
            ),
            Transfers(
                name="objects",
                sources=("api",),
                targets=("web",),
                arrivals=Arrivals(process="poisson", rate_per_s=2.0),
                size=constant(20_000),
            ),
            Datagrams(name="voice", source="web", target="api", rate_bps=64_000),
        ),
        compute={"db": Compute(workers=2, service_ns=constant(4 * MS), queue=10)},
        duration_ns=25 * S,
    )
