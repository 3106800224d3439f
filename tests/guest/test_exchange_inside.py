"""Workloads in the embedded kernel, on the virtual clock: what clients see follows from theory, and repeats."""

from __future__ import annotations

import math
import pickle
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path as FilePath

import numpy as np
import pytest
from exchange_inside import Driven, ExchangeScene
from traffic_inside import Scene

from shadowlab.guest.boot import run_in_guest
from shadowlab.guest.cache import BuiltKernel
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Link, Network, Node
from shadowlab.model.traffic.completion import Completion
from shadowlab.model.traffic.distribution import Distribution, constant
from shadowlab.model.traffic.workload import (
    Arrivals,
    Compute,
    Datagrams,
    Incast,
    Lookups,
    Requests,
    Transfers,
    Workload,
)
from shadowlab.monitor.exchanges.unloaded import IdlePair
from shadowlab.topology.addressing import address
from shadowlab.topology.routing import shortest_routes

pytestmark = pytest.mark.guest

MS = 1_000_000
SECOND = 1_000 * MS
SECONDS = 12


def exponential(mean_ns: float) -> Distribution:
    return Distribution(family="exponential", parameters=(mean_ns,))


def per_second(rate: float) -> Arrivals:
    return Arrivals(process="poisson", rate_per_s=rate)


def star(hosts: Sequence[str], special: Mapping[str, Impairment]) -> Network:
    """Every host one millisecond from the router in the middle, except for the special ones."""
    plain = Impairment(delay_ns=MS)
    return Network(
        name="star",
        nodes=(Node(id="r", kind="router"), *(Node(id=one, kind="host") for one in hosts)),
        links=tuple(
            Link(id=f"l-{one}", a=one, b="r", forward=special.get(one, plain), backward=special.get(one, plain))
            for one in hosts
        ),
    )


def driven(
    kernel: BuiltKernel,
    folder: FilePath,
    network: Network,
    workloads: tuple[Workload, ...],
    *,
    seconds: int = SECONDS,
    seed: int = 1,
    compute: Mapping[str, Compute] | None = None,
    scale: tuple[tuple[int, tuple[str, ...], float], ...] = (),
    memory_bytes: int = 512 << 20,
) -> Driven:
    fabric = address(network)
    scene = Scene(
        network=network,
        fabric=fabric,
        routes=shortest_routes(network, fabric),
        duration_ns=seconds * SECOND,
        seed=seed,
    )
    folder.mkdir(parents=True, exist_ok=True)
    outcome = run_in_guest(
        kernel=kernel,
        entry="exchange_inside:run",
        job=pickle.dumps(ExchangeScene(scene=scene, workloads=workloads, compute=compute or {}, scale=scale)),
        folder=folder,
        clock="virtual",
        seed=seed,
        virtual_deadline_ns=(seconds + 30) * SECOND,
        wall_deadline_s=300,
        memory_bytes=memory_bytes,
    )
    assert outcome.exit_code == 0
    found: Driven = pickle.loads((folder / "driven").read_bytes())
    return found


SERVICE = exponential(3 * MS)
WORKLOADS: tuple[Workload, ...] = (
    Transfers(
        name="exact",
        sources=("a",),
        targets=("b",),
        arrivals=Arrivals(process="listed", at_ns=(SECOND, 2 * SECOND, 3 * SECOND)),
        size=constant(14_480),
    ),
    Transfers(
        name="large",
        sources=("a",),
        targets=("slow",),
        arrivals=Arrivals(process="listed", at_ns=(SECOND,)),
        size=constant(10_000_000),
    ),
    Transfers(
        name="sizes",
        sources=("near",),
        targets=("far",),
        arrivals=Arrivals(process="listed", at_ns=tuple(second * SECOND for second in range(1, 11))),
        size=Distribution(
            family="empirical", points=((100, 0.2), (20_000, 0.4), (100_000, 0.6), (400_000, 0.8), (1_500_000, 1.0))
        ),
    ),
    Requests(
        name="small instance",
        clients=("c",),
        servers=("one",),
        request=constant(300),
        response=constant(1_000),
        think_ns=constant(0),
        arrivals=per_second(200),
    ),
    Requests(
        name="bigger instance",
        clients=("d",),
        servers=("two",),
        request=constant(300),
        response=constant(1_000),
        think_ns=constant(0),
        arrivals=per_second(200),
    ),
    Requests(
        name="another instance",
        clients=("e",),
        servers=("half", "other half"),
        request=constant(300),
        response=constant(1_000),
        think_ns=constant(0),
        arrivals=per_second(200),
    ),
    Requests(
        name="overload",
        clients=("f",),
        servers=("busy",),
        request=constant(300),
        response=constant(30_000),
        think_ns=constant(10 * MS),
        connections=6,
        requests_per_connection=5,
        timeout_ns=120 * MS,
    ),
    Incast(
        name="incast",
        aggregator="narrow",
        workers=("b", "c", "d", "e"),
        response=constant(60_000),
        every_ns=200 * MS,
        rounds=20,
    ),
    Datagrams(name="constant", source="a", target="lossy", rate_bps=960_000, payload_bytes=1_200),
    Datagrams(
        name="bursts",
        source="b",
        target="d",
        rate_bps=960_000,
        payload_bytes=1_200,
        on_ns=constant(100 * MS),
        off_ns=constant(300 * MS),
    ),
    Lookups(
        name="names",
        clients=("c",),
        servers=("lossy",),
        arrivals=per_second(50),
        request=constant(60),
        response=constant(200),
        timeout_ns=50 * MS,
        tries=3,
    ),
    Datagrams(name="mixed", source="e", target="f", rate_bps=960_000, mix_bytes=(18, 18, 18, 1234, 1472)),
)
NETWORK = star(
    [
        "a",
        "b",
        "c",
        "d",
        "e",
        "f",
        "one",
        "two",
        "half",
        "other half",
        "busy",
        "slow",
        "narrow",
        "lossy",
        "near",
        "far",
    ],
    {
        "slow": Impairment(delay_ns=10 * MS, rate_bps=50_000_000, queue_packets=2_000),
        "narrow": Impairment(delay_ns=MS, rate_bps=20_000_000, queue_packets=60),
        "far": Impairment(delay_ns=10 * MS, rate_bps=20_000_000, queue_packets=2_000),
        "lossy": Impairment(delay_ns=5 * MS, loss=0.1),
    },
)
COMPUTE = {
    "one": Compute(workers=1, service_ns=SERVICE),
    "two": Compute(workers=2, service_ns=SERVICE),
    "half": Compute(workers=1, service_ns=SERVICE),
    "other half": Compute(workers=1, service_ns=SERVICE),
    "busy": Compute(workers=1, service_ns=constant(30 * MS), queue=3),
}
HALVED_NS = 8 * SECOND


@pytest.fixture(scope="module")
def whole(built_kernel: BuiltKernel, tmp_path_factory: pytest.TempPathFactory) -> Driven:
    """Everything at once, in one guest; the bursts stop after 8 s."""
    return driven(
        built_kernel,
        tmp_path_factory.mktemp("whole"),
        NETWORK,
        WORKLOADS,
        compute=COMPUTE,
        scale=((HALVED_NS, ("bursts",), 0.0),),
    )


def of(found: Driven, name: str) -> list[Completion]:
    index = [one.name for one in WORKLOADS].index(name)
    return [one for one in found.completions if one.workload == index]


def mean_wait_ms(found: Driven, name: str) -> float:
    waits = [one.waited_ns for one in of(found, name) if one.outcome == "ok"]
    return sum(waits) / len(waits) / MS


def test_an_idle_transfer_takes_a_round_trip_to_connect_and_half_of_one_for_the_first_window(whole: Driven) -> None:
    found = of(whole, "exact")

    assert [one.start_ns for one in found] == [SECOND, 2 * SECOND, 3 * SECOND]
    for one in found:
        assert (one.outcome, one.sent_bytes, one.reused) == ("ok", 14_480, False)
        assert one.connected_ns - one.start_ns == pytest.approx(4 * MS, abs=20_000)
        assert one.end_ns - one.start_ns == pytest.approx(6 * MS, abs=50_000)
        assert one.first_byte_ns <= one.end_ns
        assert len(one.tcp_info) >= 220


def test_a_large_transfer_is_as_fast_as_its_narrowest_link(whole: Driven) -> None:
    (one,) = of(whole, "large")

    payload_share = 1448 / (1514 + 24)
    assert one.outcome == "ok"
    assert (one.end_ns - one.start_ns) / SECOND == pytest.approx(80e6 / 50e6 / payload_share, rel=0.1)


def test_the_unloaded_time_by_formula_is_what_idle_transfers_take(whole: Driven) -> None:
    far = NETWORK.links_by_id["l-far"].forward
    pair = IdlePair(there=(Impairment(delay_ns=MS), far), back=(far, Impairment(delay_ns=MS)))

    found = of(whole, "sizes")

    assert len({one.sent_bytes for one in found}) > 5
    for one in found:
        unloaded_ns = float(pair.transfer_ns(np.array([float(one.sent_bytes)]))[0])
        assert one.end_ns - one.start_ns == pytest.approx(unloaded_ns, rel=0.02), one.sent_bytes


def test_a_bigger_instance_and_another_one_shorten_the_wait_as_theory_says(whole: Driven) -> None:
    offered = 0.6
    two = 3 * offered**2 / (4 - offered**2)  # M/M/2: rho^2 / (1 - rho^2) of a service, rho = a / 2
    halves = 3 * (offered / 2) / (1 - offered / 2)  # M/M/1 at half the arrivals each

    small, bigger, another = (
        mean_wait_ms(whole, name) for name in ("small instance", "bigger instance", "another instance")
    )

    assert small == pytest.approx(3 * offered / (1 - offered), rel=0.25)
    assert bigger == pytest.approx(two, rel=0.25)
    assert another == pytest.approx(halves, rel=0.25)


def test_what_a_client_sees_is_the_way_there_and_back_the_wait_and_the_service(whole: Driven) -> None:
    for one in of(whole, "small instance"):
        if one.outcome == "ok":
            handshake = 0 if one.reused else 4 * MS
            expected = handshake + 4 * MS + one.waited_ns + one.service_ns
            assert one.end_ns - one.start_ns == pytest.approx(expected, abs=100_000)


def test_a_full_queue_refuses_and_impatient_clients_give_up(whole: Driven) -> None:
    outcomes = Counter(one.outcome for one in of(whole, "overload"))

    assert outcomes["ok"] > 50 and outcomes["refused"] > 50 and outcomes["timed-out"] > 50
    assert all(one.received_bytes == 30_000 for one in of(whole, "overload") if one.outcome == "ok")
    assert all(
        one.end_ns - one.start_ns == pytest.approx(120 * MS, abs=20_000)
        for one in of(whole, "overload")
        if one.outcome == "timed-out"
    )


def test_the_samples_of_an_instance_agree_with_its_requests(whole: Driven) -> None:
    last = [one for one in whole.instances if one.node == "one"][-1]
    served = [one for one in of(whole, "small instance") if one.outcome == "ok"]

    assert last.at_ns == pytest.approx(SECONDS * SECOND, abs=1_000)
    assert last.busy_ns / last.at_ns == pytest.approx(0.6, abs=0.06)
    assert last.begun - len(served) <= 10
    assert last.refused == 0


def test_a_round_of_an_incast_begins_after_all_answers_of_the_one_before(whole: Driven) -> None:
    found = of(whole, "incast")
    rounds = [[one for one in found if one.number // 4 == number] for number in range(20)]

    assert len(found) == 80 and all(one.outcome == "ok" for one in found)
    assert [len({one.start_ns for one in each}) for each in rounds] == [1] * 20
    assert all(max(one.end_ns for one in before) <= after[0].start_ns for before, after in pairwise(rounds))
    assert all(one.reused for one in rounds[1])
    serialised_ns = 240_000 / 1448 * 1538 * 8 / 20e6 * SECOND
    assert min(max(one.end_ns for one in each) - each[0].start_ns for each in rounds) > serialised_ns


def test_datagrams_come_at_their_rate_and_the_lost_ones_are_counted(whole: Driven) -> None:
    last = [one for one in whole.streams if WORKLOADS[one.workload].name == "constant"][-1]

    assert last.sent == pytest.approx(SECONDS * 100, abs=1)
    assert last.missing / last.sent == pytest.approx(0.1, abs=0.03)
    assert last.sent - last.received - last.missing <= 4
    assert last.delay_ns / last.received == pytest.approx(6 * MS, abs=20_000)
    assert (last.reordered, last.duplicates) == (0, 0)
    assert last.jitter_ns < 10_000


def test_a_mix_of_sizes_keeps_its_order_its_rate_and_loses_nothing(whole: Driven) -> None:
    last = [one for one in whole.streams if WORKLOADS[one.workload].name == "mixed"][-1]

    assert last.sent == pytest.approx(SECONDS * 120_000 / 552, abs=3)  # 552 bytes are the mean
    assert last.received_bytes == pytest.approx(last.received * 552, rel=0.002)
    assert last.sent - last.received <= 1


def test_bursts_come_while_on_and_stop_when_demand_does(whole: Driven) -> None:
    found = [one for one in whole.streams if WORKLOADS[one.workload].name == "bursts"]

    assert found[-1].sent == pytest.approx(8 * 25, abs=3)
    assert found[-1].sent == next(one for one in found if one.at_ns >= HALVED_NS).sent


def test_a_lost_question_is_asked_again(whole: Driven) -> None:
    found = of(whole, "names")
    answered_at_once = 0.9 * 0.9

    first = [one for one in found if one.outcome == "ok" and one.tries == 1]
    assert len(first) / len(found) == pytest.approx(answered_at_once, abs=0.06)
    assert all(one.end_ns - one.start_ns == pytest.approx(12 * MS, abs=50_000) for one in first)
    assert all(
        one.end_ns - one.start_ns == pytest.approx((one.tries - 1) * 50 * MS + 12 * MS, abs=50_000)
        for one in found
        if one.outcome == "ok"
    )
    assert all(
        one.end_ns - one.start_ns == pytest.approx(150 * MS, abs=20_000) for one in found if one.outcome == "timed-out"
    )


def test_the_same_seed_gives_the_same_records_and_another_seed_others(
    built_kernel: BuiltKernel, tmp_path: FilePath, whole: Driven
) -> None:
    scale = ((HALVED_NS, ("bursts",), 0.0),)

    again = driven(built_kernel, tmp_path, NETWORK, WORKLOADS, compute=COMPUTE, scale=scale)
    other = driven(built_kernel, tmp_path / "o", NETWORK, WORKLOADS, compute=COMPUTE, seed=2, seconds=2)

    assert again == whole
    assert other.completions[:20] != whole.completions[:20]


@pytest.mark.slow
def test_ten_thousand_connections_at_once_over_two_hundred_nodes(built_kernel: BuiltKernel, tmp_path: FilePath) -> None:
    hosts = [f"h{number}" for number in range(200)]
    users = Requests(
        name="crowd",
        clients=tuple(hosts[:100]),
        servers=tuple(hosts[100:]),
        request=constant(300),
        response=constant(1_000),
        think_ns=constant(10 * SECOND),
        connections=100,
    )
    distant = {one: Impairment(delay_ns=50 * MS) for one in hosts}

    found = driven(built_kernel, tmp_path, star(hosts, distant), (users,), seconds=25, memory_bytes=2 << 30)

    assert found.most_open >= 10_000
    assert Counter(one.outcome for one in found.completions) == {"ok": 20_000}


@pytest.mark.slow
def test_many_waits_are_erlangs(built_kernel: BuiltKernel, tmp_path: FilePath) -> None:
    rate, workers, service_s = 300.0, 3, 0.006
    load = rate * service_s
    top = load**workers / math.factorial(workers) * workers / (workers - load)
    waits = top / (sum(load**k / math.factorial(k) for k in range(workers)) + top)
    pool = Requests(
        name="pool",
        clients=("a",),
        servers=("b",),
        request=constant(300),
        response=constant(1_000),
        think_ns=constant(0),
        arrivals=per_second(rate),
    )
    compute = {"b": Compute(workers=workers, service_ns=exponential(service_s * SECOND))}

    found = driven(built_kernel, tmp_path, star("ab", {}), (pool,), seconds=150, compute=compute)

    seen = [one.waited_ns for one in found.completions if one.outcome == "ok"]
    assert sum(seen) / len(seen) / SECOND == pytest.approx(waits * service_s / (workers - load), rel=0.05)
