"""The flow engine on the machine's own kernel against iperf3, over one veth pair, at 1, 10 and 100 flows.

In: ``--runs``, ``--seconds`` of one measurement, ``--flows N`` for one count only.  Out: one JSON line per count.
Every measurement is a process of its own, in network namespaces of its own, and all that it starts ends with it.  Both
sides send with segmentation offload and CUBIC, turn by turn; the first second is left out.  As root, with iperf3
(Debian's package); else exit 3.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from pathlib import Path

from benchmarks import report
from shadowlab.kernel.linux import LinuxSegment
from shadowlab.kernel.loop import Loop
from shadowlab.kernel.netns import enter_private_segment
from shadowlab.model.flow import FlowSpec, Reading
from shadowlab.model.network import Link, Network, Node
from shadowlab.model.traffic.tcp_options import TcpOptions
from shadowlab.shadow.apply import apply
from shadowlab.shadow.plan import build_plan
from shadowlab.topology.addressing import address
from shadowlab.topology.routing import shortest_routes
from shadowlab.traffic.engine import Engine

COUNTS = (1, 10, 100)
TARGETS = {1: 0.9, 10: 2.0, 100: 2.0}
"""Times the peer's goodput."""
RUNS = 5
SECONDS = 5
OMITTED_S = 1
OURS, PLAIN, PEER = "ours", "ours, prompt", "iperf3"
READING: dict[str, Reading] = {OURS: "kernel", PLAIN: "prompt"}


def main() -> None:
    """One line per count."""
    parser = ArgumentParser(prog="scripts/bench engine")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--seconds", type=int, default=SECONDS)
    parser.add_argument("--flows", type=int, choices=COUNTS)
    parser.add_argument("--one", nargs=2, metavar=("WHO", "FLOWS"), help="a measurement, in its own process")
    words, _ = parser.parse_known_args()
    if words.one:
        who, count = words.one[0], int(words.one[1])
        print(json.dumps(_measure_here(who, count, words.seconds)))
        return
    if os.geteuid() != 0 or shutil.which("iperf3") is None:
        print("engine: needs root, and iperf3: apt-get install iperf3", file=sys.stderr)
        sys.exit(3)
    for count in COUNTS:
        if words.flows in (None, count):
            _contest(count, words.runs, words.seconds)


def _contest(count: int, runs: int, seconds: int) -> None:
    seen: dict[str, list[dict[str, float]]] = {OURS: [], PLAIN: [], PEER: []}
    for _ in range(runs):
        for who, some in seen.items():
            some.append(_measure(who, count, seconds))
    goodput = {who: statistics.median(one["gbps"] for one in some) for who, some in seen.items()}
    per_cpu = {who: statistics.median(one["gbps"] / one["cpu_share"] for one in some) for who, some in seen.items()}
    report(
        benchmark=f"engine: {count} flows over one veth pair",
        unit="Gbit/s",
        values=[one["gbps"] for one in seen[OURS]],
        target_ratio=TARGETS[count],
        ratio=round(goodput[OURS] / goodput[PEER], 2),
        gbps={who: round(value, 2) for who, value in goodput.items()},
        gbps_per_processor={who: round(value, 2) for who, value in per_cpu.items()},
        ratio_per_processor=round(per_cpu[OURS] / per_cpu[PEER], 2),
        load_average=round(os.getloadavg()[0], 1),
    )


def _measure(who: str, count: int, seconds: int) -> dict[str, float]:
    words = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, "-m", __spec__.name]
    done = subprocess.run([*words, "--one", who, str(count), "--seconds", str(seconds)], check=True, text=True,
                          stdout=subprocess.PIPE, cwd=Path(__file__).parents[1])  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _measure_here(who: str, count: int, seconds: int) -> dict[str, float]:
    enter_private_segment()
    network = Network(
        name="pair",
        nodes=(Node(id="a", kind="host"), Node(id="b", kind="host")),
        links=(Link(id="a-b", a="a", b="b", offload=True),),
    )
    fabric = address(network)
    with LinuxSegment() as segment:
        apply(build_plan(network, fabric, shortest_routes(network, fabric)), segment)
        if who == PEER:
            return _iperf3(segment, fabric.node_address["b"], count, seconds)
        return _drive(segment, fabric.node_address, count, seconds, READING[who])


def _drive(
    segment: LinuxSegment, addresses: dict[str, str], count: int, seconds: int, reading: Reading
) -> dict[str, float]:
    flows = [
        FlowSpec(
            id=f"f{number}",
            source="a",
            target="b",
            flow_class="greedy",
            tcp=TcpOptions(congestion_control="cubic"),
        )
        for number in range(count)
    ]
    moments: list[tuple[float, float, int]] = []

    with Loop() as loop, Engine(loop=loop, segment=segment, flows=flows, addresses=addresses, seed=1,
                                reading=reading) as engine:  # fmt: skip

        def look(due_ns: int) -> None:
            got = sum(drive.received_bytes for drive in engine.drives)
            moments.append((time.monotonic(), _cpu_s(), got))

        zero = loop.clock.now_ns() + 100_000_000
        engine.start(zero)
        for second in (OMITTED_S, OMITTED_S + seconds):
            loop.at(zero + second * 10**9, look)
        loop.run_until(zero + (OMITTED_S + seconds) * 10**9 + 1)
    (begin, cpu_before, before), (end, cpu_after, after) = moments
    wall_s = end - begin
    return {"gbps": 8e-9 * (after - before) / wall_s, "cpu_share": (cpu_after - cpu_before) / wall_s}


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _iperf3(segment: LinuxSegment, target: str, count: int, seconds: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="shadowlab-bench-") as folder:
        log = Path(folder) / "client.json"
        room_ns = (seconds + 30) * 10**9
        segment.start_program(
            "b", ["iperf3", "-s", "-1"], dict(os.environ), folder
        )  # ends with this process's namespace
        time.sleep(0.5)
        client = ["iperf3", "-c", target, "-P", str(count), "-t", str(seconds), "-O", str(OMITTED_S), "-C", "cubic"]
        segment.run_script("a", [*client, "-J", "--logfile", str(log)], dict(os.environ), room_ns, "")
        said = json.loads(log.read_text())
        if "error" in said:
            sys.exit(f"iperf3: {said['error']}")
        end = said["end"]
    share = end["cpu_utilization_percent"]
    used = (share["host_total"] + share["remote_total"]) / 100
    return {"gbps": end["sum_received"]["bits_per_second"] / 1e9, "cpu_share": used}


if __name__ == "__main__":
    main()
