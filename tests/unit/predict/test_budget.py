"""What a run costs, and the law that makes it cheaper."""

import pytest

from shadowlab.model.flow import FlowSpec, Path
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Direction, Link, Network, Node
from shadowlab.model.traffic.distribution import constant
from shadowlab.model.traffic.tcp_options import TcpOptions
from shadowlab.model.traffic.workload import Arrivals, Compute, Datagrams, Requests, Transfers, Workload
from shadowlab.predict.budget import WRITE_HOPS, Cost, expected_cost, scale_flows, scale_network, scale_workloads
from shadowlab.predict.workloads import EXCHANGE_S, workload_work

TEN_MBIT = Impairment(delay_ns=10**7, loss=0.01, rate_bps=10**7, queue_packets=60)
NETWORK = Network(
    name="n",
    nodes=(Node(id="a", kind="host"), Node(id="b", kind="host")),
    links=(Link(id="a-b", a="a", b="b", forward=TEN_MBIT, backward=TEN_MBIT),),
)
PATH = Path(source="a", target="b")
HOPS = {PATH: (Direction(link="a-b", source="a", target="b"),)}


def flow(**values: object) -> FlowSpec:
    return FlowSpec(
        **{"id": "f", "source": "a", "target": "b", "flow_class": "paced", "rate_bps": 1448 * 8 * 100} | values
    )  # type: ignore[arg-type]


def test_a_paced_flow_costs_its_segments_and_acknowledgements_per_hop() -> None:
    cost = expected_cost(network=NETWORK, flows=[flow()], paths=[], hops=HOPS, duration_ns=10**10, probe_every_ns=10**9)

    assert cost.packet_hops == pytest.approx(100 * 10 * 1.5)


def test_a_slow_paced_flow_costs_by_its_writes_which_are_no_whole_segments() -> None:
    slow = flow(rate_bps=8_000)  # a write a second of two thirds of a segment

    cost = expected_cost(network=NETWORK, flows=[slow], paths=[], hops=HOPS, duration_ns=10**10, probe_every_ns=10**9)

    small = 10 - 10 * 1000 / 1448
    assert cost.packet_hops == pytest.approx(10 * 1.5 + small * WRITE_HOPS)


def test_greedy_flows_share_their_bottleneck() -> None:
    greedy = [flow(id=name, flow_class="greedy", rate_bps=None) for name in "xy"]

    both = expected_cost(network=NETWORK, flows=greedy, paths=[], hops=HOPS, duration_ns=10**9, probe_every_ns=10**9)
    one = expected_cost(network=NETWORK, flows=greedy[:1], paths=[], hops=HOPS, duration_ns=10**9, probe_every_ns=10**9)

    assert both.packet_hops == pytest.approx(one.packet_hops)


def test_probes_cost_both_ways() -> None:
    cost = expected_cost(network=NETWORK, flows=[], paths=[PATH], hops=HOPS, duration_ns=10**10, probe_every_ns=10**9)

    assert cost.packet_hops == 20


def test_the_law_divides_capacity_demand_and_buffer_and_keeps_delay_and_loss() -> None:
    scaled = scale_network(NETWORK, 10).links[0].forward
    (paced,) = scale_flows([flow(tcp=TcpOptions(window_bytes=100_000))], 10)

    assert (scaled.rate_bps, scaled.queue_packets) == (10**6, 6)
    assert (scaled.delay_ns, scaled.loss) == (10**7, 0.01)
    assert (paced.rate_bps, paced.tcp.window_bytes) == (1448 * 80, 10_000)


def test_scaled_workloads_carry_less_in_as_many_exchanges() -> None:
    arrivals = Arrivals(process="poisson", rate_per_s=5)
    transfers = Transfers(name="t", sources=("a",), targets=("b",), arrivals=arrivals, size=constant(9_000))
    stream = Datagrams(name="d", source="a", target="b", rate_bps=3_000_000)

    fewer, slower = scale_workloads((transfers, stream), 3)

    assert isinstance(fewer, Transfers)
    assert isinstance(slower, Datagrams)
    assert (fewer.size.mean(), fewer.arrivals, slower.rate_bps) == (3_000, arrivals, 1_000_000)


def test_an_exchange_costs_its_packets_and_a_time_of_its_own_that_no_scaling_changes() -> None:
    arrivals = Arrivals(process="poisson", rate_per_s=100)
    uploads = Transfers(name="t", sources=("a",), targets=("b",), arrivals=arrivals, size=constant(14_480))
    stream = Datagrams(name="d", source="a", target="b", rate_bps=9_600_000)

    def cost(workload: Workload) -> Cost:
        return expected_cost(
            network=NETWORK,
            flows=[],
            paths=[],
            hops=HOPS,
            duration_ns=10**10,
            probe_every_ns=10**9,
            workloads=[(workload, [PATH])],
        )

    assert cost(uploads).packet_hops == pytest.approx(1_000 * (7 + 10.5 * 1.5))
    assert cost(uploads).exchanges_s == pytest.approx(1_000 * EXCHANGE_S)
    assert cost(stream).packet_hops == pytest.approx(10_000)


def test_users_ask_as_often_as_thinking_the_way_and_the_service_let_them() -> None:
    users = Requests(
        name="r",
        clients=("a",),
        servers=("b",),
        request=constant(100),
        response=constant(100),
        think_ns=constant(60 * 10**6),
        connections=5,
    )
    compute = {"b": Compute(workers=1, service_ns=constant(20 * 10**6))}

    work = workload_work(users, [PATH], {PATH: (TEN_MBIT,)}, compute, 10**10)

    assert work.exchanges == pytest.approx(5 * 10 / 0.1)
