"""Traffic and probes in the embedded kernel, on the virtual clock: what they drive and measure is exact and repeats."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import pytest
from traffic_inside import Scene

from shadowlab.guest.boot import run_in_guest
from shadowlab.guest.cache import BuiltKernel
from shadowlab.model.flow import FlowSpec, Path, Phase
from shadowlab.model.impairment import Impairment
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.network import Link, Network, Node
from shadowlab.model.traffic.tcp_options import TcpOptions
from shadowlab.monitor.indicators import path_table
from shadowlab.monitor.raw_records import read_probes
from shadowlab.shadow.transport import plan_transport, with_windows
from shadowlab.topology.addressing import address
from shadowlab.topology.routing import shortest_routes

pytestmark = pytest.mark.guest

MS = 1_000_000
SECOND = 1_000 * MS
THERE = Path(source="a", target="b")
BACK = Path(source="b", target="a")
OFF = Phase(duration_ns=SECOND, rate_bps=0)
GOODPUT_SHARE = 1448 / (1514 + 24)
"""Payload of a full TCP segment with timestamps, over the frame with Ethernet's framing."""


def two_hosts(*, rate_bps: int | None = None, queue_packets: int = 100) -> Network:
    """a - r - b, 10 ms in each direction of each link; ``rate_bps`` where r sends towards b."""
    slow = Impairment(delay_ns=10 * MS, rate_bps=rate_bps, queue_packets=queue_packets)
    plain = Impairment(delay_ns=10 * MS)
    return Network(
        name="two hosts",
        nodes=(Node(id="a", kind="host"), Node(id="r", kind="router"), Node(id="b", kind="host")),
        links=(
            Link(id="a-r", a="a", b="r", forward=plain, backward=plain),
            Link(id="r-b", a="r", b="b", forward=slow, backward=plain),
        ),
    )


def flow(flow_class: Any, **others: Any) -> FlowSpec:
    return FlowSpec(id=flow_class, source="a", target="b", flow_class=flow_class, **others)


def ran(
    kernel: BuiltKernel,
    folder: FilePath,
    network: Network,
    *,
    seed: int = 1,
    seconds: int,
    function: str = "run",
    on_line: Callable[[str], None] | None = None,
    **others: Any,
) -> Scene:
    """The scene, after it ran and left its raw records in ``folder``."""
    fabric = address(network)
    scene = Scene(
        network=network,
        fabric=fabric,
        routes=with_windows(shortest_routes(network, fabric), plan_transport(others.get("flows", ()), fabric)),
        duration_ns=seconds * SECOND,
        seed=seed,
        **others,
    )
    folder.mkdir(parents=True, exist_ok=True)
    outcome = run_in_guest(
        kernel=kernel,
        entry=f"traffic_inside:{function}",
        on_line=on_line,
        job=pickle.dumps(scene),
        folder=folder,
        clock="virtual",
        seed=seed,
        virtual_deadline_ns=(seconds + 20) * SECOND,
        wall_deadline_s=60,
        memory_bytes=512 << 20,
    )
    assert outcome.exit_code == 0
    return scene


def indicators(folder: FilePath, scene: Scene) -> SeriesTable:
    return path_table(folder, scene.paths, scene.flows, scene.duration_ns, SECOND)


def throughput_mbps(folder: FilePath, scene: Scene, *, settled_s: int = 3) -> float:
    return float(np.mean(indicators(folder, scene).column("throughput_mbps", str(THERE))[settled_s:]))


def test_every_probe_of_an_idle_network_takes_40_ms(built_kernel: BuiltKernel, tmp_path: FilePath) -> None:
    ran(built_kernel, tmp_path, two_hosts(), paths=(THERE, BACK), seconds=20)

    probes = read_probes(tmp_path)
    assert len(probes) >= 180
    assert np.all(np.abs(probes["round_trip_ns"] - 40 * MS) <= 10_000)
    assert np.all(np.abs(probes["one_way_ns"] - 20 * MS) <= 10_000)


def test_flows_run_again_at_once_where_their_ports_are_still_in_time_wait(
    built_kernel: BuiltKernel, tmp_path: FilePath
) -> None:
    told: list[str] = []
    # With timestamps TCP tells old segments from new ones, and gives the port out again by itself.
    plain = TcpOptions(timestamps=False)
    sized = FlowSpec(id="sized", source="a", target="b", flow_class="greedy", size_bytes=50_000, tcp=plain)
    lasting = FlowSpec(id="lasting", source="a", target="b", flow_class="paced", rate_bps=800_000)

    ran(
        built_kernel,
        tmp_path,
        two_hosts(),
        flows=(sized, lasting),
        seconds=2,
        function="run_again",
        on_line=told.append,
    )

    assert [one.split()[:5] for one in told[0:6:2]] == [
        [port, "sized", "closed", "0", "50000"] for port in ("20000", "20002", "20004")
    ]
    assert all(one.startswith("20001 lasting open 0 1") for one in told[1::2])
    assert told[6].split()[2:4] == ["waiting", "2"]
    assert told[6].endswith("EADDRNOTAVAIL")


def test_an_unknown_congestion_control_of_a_record_becomes_cubic_and_one_that_was_asked_for_is_refused(
    built_kernel: BuiltKernel, tmp_path: FilePath
) -> None:
    told: list[str] = []
    recorded = TcpOptions(congestion_control="bbr9", control_recorded=True)
    asked = TcpOptions(congestion_control="bbr9")
    flows = (
        FlowSpec(id="recorded", source="a", target="b", flow_class="greedy", tcp=recorded),
        FlowSpec(id="asked", source="a", target="b", flow_class="greedy", tcp=asked),
    )

    ran(built_kernel, tmp_path, two_hosts(), flows=flows, seconds=1, function="run_one_by_one", on_line=told.append)

    assert told[0] == "open|congestion control cubic instead of bbr9, which this kernel has not"
    assert told[1].startswith(
        "flow asked: set congestion control bbr9 on a: this kernel has none of that name, it has: "
    )
    assert {"reno", "cubic", "bbr", "dctcp"} < set(told[1].partition("it has: ")[2].split())


def test_a_greedy_flow_fills_10_mbit_less_the_framing(built_kernel: BuiltKernel, tmp_path: FilePath) -> None:
    network = two_hosts(rate_bps=10_000_000)

    scene = ran(built_kernel, tmp_path, network, paths=(THERE,), flows=(flow("greedy"),), seconds=20)

    assert throughput_mbps(tmp_path, scene) == pytest.approx(10 * GOODPUT_SHARE, rel=0.01)


@pytest.mark.parametrize("rate_bps", [300_000, 5_000_000])
def test_a_paced_flow_keeps_its_rate(built_kernel: BuiltKernel, tmp_path: FilePath, rate_bps: int) -> None:
    flows = (flow("paced", rate_bps=rate_bps),)

    scene = ran(built_kernel, tmp_path, two_hosts(rate_bps=10_000_000), paths=(THERE,), flows=flows, seconds=15)

    assert throughput_mbps(tmp_path, scene) == pytest.approx(rate_bps / 1e6, rel=0.01)


def test_demand_is_scaled_live(built_kernel: BuiltKernel, tmp_path: FilePath) -> None:
    flows = (flow("paced", rate_bps=1_000_000),)

    scene = ran(
        built_kernel, tmp_path, two_hosts(), paths=(THERE,), flows=flows, seconds=15, scale=((8 * SECOND, 2.5),)
    )

    series = indicators(tmp_path, scene).column("throughput_mbps", str(THERE))
    assert np.mean(series[3:8]) == pytest.approx(1.0, rel=0.01)
    assert np.mean(series[10:]) == pytest.approx(2.5, rel=0.01)


def test_a_receiver_limited_flow_moves_one_window_per_round_trip(built_kernel: BuiltKernel, tmp_path: FilePath) -> None:
    flows = (flow("receiver-limited", tcp=TcpOptions(window_bytes=65_536)),)

    scene = ran(built_kernel, tmp_path, two_hosts(), paths=(THERE,), flows=flows, seconds=10)

    assert throughput_mbps(tmp_path, scene) == pytest.approx(65_536 * 8 / 0.040 / 1e6, rel=0.03)


def test_who_reads_does_not_move_the_goodput(built_kernel: BuiltKernel, tmp_path: FilePath) -> None:
    network = two_hosts(rate_bps=10_000_000, queue_packets=30)
    measured = []

    for reading in ("prompt", "lazy", "kernel"):
        folder = tmp_path / reading
        flows = (flow("greedy"), flow("paced", rate_bps=2_000_000))
        scene = ran(built_kernel, folder, network, paths=(THERE,), flows=flows, seconds=60, reading=reading)
        measured.append(throughput_mbps(folder, scene))

    assert measured[1:] == pytest.approx(measured[:1] * 2, rel=0.005)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    built_kernel: BuiltKernel, tmp_path: FilePath
) -> None:
    lossy = Impairment(delay_ns=10 * MS, jitter_ns=2 * MS, loss=0.02, rate_bps=5_000_000)
    network = two_hosts()
    network = network.with_links(network.links[0], Link(id="r-b", a="r", b="b", forward=lossy, backward=lossy))
    files = []

    for name, seed in (("run", 7), ("a folder of another name/and depth", 7), ("other", 8)):
        folder = tmp_path / name
        flows = (
            flow("greedy", tcp=TcpOptions(ecn=True, timestamps=False)),
            flow("paced", rate_bps=500_000, pattern=(Phase(duration_ns=SECOND, rate_bps=1_000_000), OFF)),
            flow("sender-limited", tcp=TcpOptions(send_buffer_bytes=50_000, initial_cwnd_segments=4)),
            flow("receiver-limited", rate_bps=500_000, tcp=TcpOptions(window_bytes=30_000)),
        )
        ran(built_kernel, folder, network, paths=(THERE, BACK), flows=flows, seconds=10, seed=seed)
        files.append({one.name: one.read_bytes() for one in sorted(folder.iterdir())})

    assert files[0] == files[1]
    assert files[0]["probes.blocks"] != files[2]["probes.blocks"]
    assert files[0]["tcp.blocks"] != files[2]["tcp.blocks"]


def test_loss_is_seen_by_the_probes(built_kernel: BuiltKernel, tmp_path: FilePath) -> None:
    lossy = Impairment(delay_ns=10 * MS, loss=0.2)
    network = two_hosts().with_links(Link(id="r-b", a="r", b="b", forward=lossy, backward=Impairment(delay_ns=10 * MS)))

    ran(built_kernel, tmp_path, network, paths=(THERE,), seconds=100, probe_every_ns=50 * MS)

    lost = read_probes(tmp_path)["round_trip_ns"] < 0
    assert len(lost) > 1_900
    assert np.mean(lost) == pytest.approx(0.2, abs=0.03)
