"""What the product itself builds and probes: on an idle network every single probe takes what the map says.

The job is the one of ``shadowlab run``, so its plan, its placement of netem and its neighbours are what is measured;
``test_traffic_inside.py`` measures the parts.
"""

from __future__ import annotations

import json
from pathlib import Path as FilePath

import numpy as np
import pytest

from shadowlab.guest.boot import run_in_guest
from shadowlab.guest.cache import BuiltKernel
from shadowlab.lab.job import Job
from shadowlab.lab.prepare import watched_interfaces
from shadowlab.model.flow import Path
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Link, Network, Node
from shadowlab.monitor.raw_records import read_probes
from shadowlab.shadow.plan import build_plan
from shadowlab.topology.addressing import address
from shadowlab.topology.routing import shortest_routes

pytestmark = pytest.mark.guest

US = 1_000
MS = 1_000 * US
SECOND = 1_000 * MS
TOLERANCE_NS = 10 * US
THERE, BACK = Path(source="a", target="b"), Path(source="b", target="a")
SECONDS = 30
PROBE_EVERY_NS = 20 * MS


def line(*delays_ns: tuple[int, int], rate_bps: int | None = None) -> Network:
    """a, routers, b in a row; each link with its delay towards b and back."""
    names = ["a", *(f"r{number}" for number in range(1, len(delays_ns))), "b"]
    return Network(
        name="line",
        nodes=tuple(Node(id=name, kind="host" if name in ("a", "b") else "router") for name in names),
        links=tuple(
            Link(
                id=f"l{number}",
                a=names[number],
                b=names[number + 1],
                forward=Impairment(delay_ns=there, rate_bps=rate_bps),
                backward=Impairment(delay_ns=back, rate_bps=rate_bps),
            )
            for number, (there, back) in enumerate(delays_ns)
        ),
    )


def star(spokes: int) -> Network:
    """Hosts around one router, 10 ms from it."""
    hosts = [chr(ord("a") + number) for number in range(spokes)]
    ten = Impairment(delay_ns=10 * MS)
    return Network(
        name="star",
        nodes=(Node(id="hub", kind="router"), *(Node(id=host, kind="host") for host in hosts)),
        links=tuple(Link(id=f"{host}-hub", a=host, b="hub", forward=ten, backward=ten) for host in hosts),
    )


def probed(kernel: BuiltKernel, folder: FilePath, network: Network, paths: tuple[Path, ...]) -> np.ndarray:
    """The records of every probe of ``SECONDS`` without any flow."""
    fabric = address(network)
    plan = build_plan(network, fabric, shortest_routes(network, fabric))
    job = Job(
        seed=1,
        duration_ns=SECONDS * SECOND,
        sample_every_ns=SECOND,
        probe_every_ns=PROBE_EVERY_NS,
        build=plan,
        addresses=fabric.node_address,
        interface_directions={f"{i.node}/{i.name}": f"{i.link}|{i.node}|{i.peer}" for i in fabric.interfaces},
        flows=(),
        paths=paths,
        watched=watched_interfaces(plan),
        timeline=(),
    )
    outcome = run_in_guest(
        kernel=kernel,
        entry="shadowlab.lab.inside:run",
        job=job.to_bytes(),
        folder=folder,
        clock="virtual",
        seed=1,
        virtual_deadline_ns=(SECONDS + 30) * SECOND,
        wall_deadline_s=240,
    )
    assert outcome.exit_code == 0, json.loads((folder / "inside.json").read_text())["error"]
    return read_probes(folder)


def assert_exact(probes: np.ndarray, *, paths: int, round_trip_ns: int, one_way_ns: int) -> None:
    assert len(probes) == pytest.approx(paths * SECONDS * SECOND / PROBE_EVERY_NS, abs=paths)
    assert np.all(np.abs(probes["round_trip_ns"] - round_trip_ns) <= TOLERANCE_NS)
    assert np.all(np.abs(probes["one_way_ns"] - one_way_ns) <= TOLERANCE_NS)


@pytest.mark.parametrize(
    "network",
    [
        pytest.param(line((20 * MS, 20 * MS)), id="one link between two instances"),
        pytest.param(line((10 * MS, 10 * MS), (10 * MS, 10 * MS)), id="a router in the middle"),
        pytest.param(line(*[(2 * MS, 2 * MS)] * 10), id="ten hops"),
        pytest.param(line(*[(10 * MS, 10 * MS)] * 2, rate_bps=10**9), id="gigabit links"),
    ],
)
def test_20_ms_there_and_20_ms_back_are_40_ms(built_kernel: BuiltKernel, tmp_path: FilePath, network: Network) -> None:
    probes = probed(built_kernel, tmp_path, network, (THERE, BACK))

    assert_exact(probes, paths=2, round_trip_ns=40 * MS, one_way_ns=20 * MS)


def test_a_way_that_is_longer_back_than_there_is_so_measured(built_kernel: BuiltKernel, tmp_path: FilePath) -> None:
    probes = probed(built_kernel, tmp_path, line((2 * MS, 25 * MS), (3 * MS, 10 * MS)), (THERE,))

    assert_exact(probes, paths=1, round_trip_ns=40 * MS, one_way_ns=5 * MS)


def test_many_paths_at_once_do_not_disturb_each_other(built_kernel: BuiltKernel, tmp_path: FilePath) -> None:
    network = star(6)
    hosts = [host.id for host in network.hosts]
    paths = tuple(Path(source=a, target=b) for a in hosts for b in hosts if a != b)

    probes = probed(built_kernel, tmp_path, network, paths)

    assert_exact(probes, paths=30, round_trip_ns=40 * MS, one_way_ns=20 * MS)
