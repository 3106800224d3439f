"""Cures at the traffic, executed while it runs in the embedded kernel: each takes effect, and is taken back."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from shadowlab.guest.boot import run_in_guest
from shadowlab.guest.cache import BuiltKernel
from shadowlab.lab.job import Job
from shadowlab.model.flow import FlowSpec
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Link, Network, Node
from shadowlab.model.traffic.distribution import constant
from shadowlab.model.traffic.workload import Compute, Requests
from shadowlab.shadow.ops import TimedChange
from shadowlab.shadow.plan import build_plan
from shadowlab.shadow.traffic_ops import SetCongestion, SetPacing, SetServers, SetWorkers
from shadowlab.store.reader import read_records
from shadowlab.store.recorder import ENDING
from shadowlab.topology.addressing import address
from shadowlab.topology.routing import shortest_routes
from shadowlab.wire.tcp_info import TCP_INFO_FIELDS

pytestmark = pytest.mark.guest

S = 10**9
WIRE = Impairment(delay_ns=2_000_000, rate_bps=20_000_000, queue_packets=60)


def test_cures_at_the_traffic_take_effect_and_are_taken_back(built_kernel: BuiltKernel, tmp_path: Path) -> None:
    names = ("client", "one", "two", "three")
    network = Network(
        name="star",
        nodes=(*(Node(id=name, kind="host") for name in names), Node(id="r", kind="router")),
        links=tuple(Link(id=f"{name}-r", a=name, b="r", forward=WIRE, backward=WIRE) for name in names),
    )
    fabric = address(network)
    greedy = FlowSpec(id="bulk", source="one", target="two", flow_class="greedy")
    pages = Requests(
        name="pages",
        clients=("client",),
        servers=("one",),
        request=constant(100),
        response=constant(1000),
        think_ns=constant(1_000_000),
        connections=4,
        requests_per_connection=5,
    )

    def change(at_s: int, *ops: object) -> TimedChange:
        return TimedChange(at_ns=at_s * S, reason="cure", ops=ops)  # type: ignore[arg-type]

    def servers(*some: str) -> SetServers:
        return SetServers(workload="pages", servers=some, like="one")

    job = Job(
        seed=1,
        duration_ns=8 * S,
        sample_every_ns=S,
        probe_every_ns=S,
        build=build_plan(network, fabric, shortest_routes(network, fabric)),
        addresses=fabric.node_address,
        interface_directions={},
        flows=(greedy,),
        paths=(),
        watched=(),
        workloads=(pages,),
        compute={"one": Compute(workers=1, service_ns=constant(40_000_000))},
        timeline=(
            change(2, SetPacing(flows=("bulk",), rate_bps=2_000_000), SetWorkers(node="one", workers=4)),
            change(4, SetPacing(flows=("bulk",), rate_bps=None), SetCongestion(flows=("bulk",), control="bbr")),
            change(5, servers("one", "three"), SetWorkers(node="one", workers=1)),
            change(7, servers("one"), SetCongestion(flows=("bulk",), control="nonsense")),
        ),
    )
    folder = tmp_path / "run"
    folder.mkdir()

    run_in_guest(
        kernel=built_kernel,
        entry="shadowlab.lab.inside:run",
        job=job.to_bytes(),
        folder=folder,
        clock="virtual",
        seed=1,
        virtual_deadline_ns=600 * S,
        wall_deadline_s=300,
    )

    report = json.loads((folder / "inside.json").read_text())
    (failure,) = report["failures"]
    assert failure.startswith("congestion control of 1 flows: nonsense: flow bulk: congestion control nonsense")
    carried = _acked_per_second(folder)
    assert carried[2] > 2e6  # bytes: close to 20 Mbit/s; the first reading is at zero
    assert carried[4] == pytest.approx(0.25e6, rel=0.05)
    assert carried[7] > 2e6
    finished = _finished(folder, sorted(fabric.node_address))

    def served(second: int, node: str) -> int:
        return finished[second, node] - finished.get((second - 1, node), 0)

    assert served(2, "one") == pytest.approx(25, abs=1)  # one worker, 40 ms each
    assert served(4, "one") == pytest.approx(4 / 0.051, abs=4)  # four at once: served, thought, travelled
    assert served(7, "three") > 10


def _acked_per_second(folder: Path) -> list[int]:
    place = next(offset for name, offset, _ in TCP_INFO_FIELDS if name == "bytes_acked")
    strings = read_records(folder / f"tcp{ENDING}").strings
    assert strings is not None
    total = [0, *strings.field(place, "u8")[0].tolist()]
    return [after - before for before, after in pairwise(total)]


def _finished(folder: Path, names: list[str]) -> dict[tuple[int, str], int]:
    """By second and node."""
    records = read_records(folder / f"instances{ENDING}")
    rows = zip(records["at_ns"].tolist(), records["node"].tolist(), records["finished"].tolist(), strict=True)
    return {(at_ns // S, names[node]): finished for at_ns, node, finished in rows}
