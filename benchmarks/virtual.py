"""The virtual clock: wall seconds per network second and packet-hops per wall second, beside ns-3 on the same workload.

In: ``--peers`` runs ns-3 too (Debian's libns3-dev; without it exit 3), ``--ns3-tree DIR`` an optimised build of it as
well (the ``build`` folder of its source tree), ``--only dumbbell|fat-tree``, ``--runs``, ``--seconds``; ``--flows N
--nodes M`` instead: N flows at once over M namespaces.  Out: one JSON line per workload.

Both sides are processes that are given the whole workload, routes included, on one processor; turn by turn, so that a
busy minute meets all alike.  Ratios are of medians: of wall time, and of processor time, which is nearer to the truth
on a busy machine.  ``plain`` is our engine reading whenever something arrives.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks import report
from benchmarks.simulated import ours, peer
from benchmarks.simulated.ours import Outcome
from benchmarks.simulated.workload import CROWD_RATE_BPS, WORKLOADS, Workload, crowd
from shadowlab.errors import CannotRunError

RUNS = 5
PLAIN_RUNS = 1
SECONDS = {"dumbbell": 20, "fat-tree": 5}
CROWD_NODES = 200
CROWD_SECONDS = 5
CROWD_BYTES = 4 << 30
TARGET = 3.0
"""Times faster than the peer."""
PLAIN, OURS, PACKAGE, TREE = "plain", "ours", "ns-3 package", "ns-3 optimised"


def main() -> None:
    """One line per workload."""
    parser = ArgumentParser(prog="scripts/bench virtual")
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--ns3-tree", type=Path)
    parser.add_argument("--only", choices=sorted(WORKLOADS))
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--flows", type=int)
    parser.add_argument("--nodes", type=int, default=CROWD_NODES)
    words, _ = parser.parse_known_args()
    ours.compile_modules()
    try:
        if words.flows:
            _crowd(crowd(words.seconds or CROWD_SECONDS, words.flows, words.nodes), words.runs)
            return
        with tempfile.TemporaryDirectory(prefix="shadowlab-bench-") as folder:
            peers = _peers(words, Path(folder))
            for name, make in WORKLOADS.items():
                if words.only in (None, name):
                    _contest(make(words.seconds or SECONDS[name]), peers, words.runs)
    except CannotRunError as error:
        print(f"virtual: {error}", file=sys.stderr)
        sys.exit(3)


def _peers(words: Namespace, folder: Path) -> dict[str, Path]:
    found = {}
    if words.peers:
        found[PACKAGE] = peer.compile_peer(folder, None)
    if words.ns3_tree:
        found[TREE] = peer.compile_peer(folder, words.ns3_tree)
    return found


def _contest(workload: Workload, peers: dict[str, Path], runs: int) -> None:
    cpu = max(os.sched_getaffinity(0))
    ways: dict[str, Callable[[], Outcome]] = {
        OURS: partial(ours.drive, workload, cpu=cpu),
        PLAIN: partial(ours.drive, workload, reading="prompt", cpu=cpu),
    }
    ways |= {name: partial(peer.drive, program, workload, cpu=cpu) for name, program in peers.items()}
    seen: dict[str, list[Outcome]] = {name: [] for name in ways}
    for turn in range(runs):
        for name, way in ways.items():
            if name != PLAIN or turn < PLAIN_RUNS:
                seen[name].append(way())
    hops = {OURS: seen[OURS][0].packet_hops, PLAIN: seen[PLAIN][0].packet_hops}
    if peers:
        hops |= dict.fromkeys(peers, peer.drive(next(iter(peers.values())), workload, cpu=cpu, count=True).packet_hops)
    walls, cpus = ({name: _median(some, what) for name, some in seen.items()} for what in ("wall_s", "cpu_s"))
    single = replace(workload, flows=workload.flows[:1])
    alone, plain_alone = (ours.drive(single, reading=way, cpu=cpu).received_bytes[0] for way in ("kernel", "prompt"))
    first = {name: some[0].received_bytes for name, some in seen.items()}
    report(
        benchmark=f"virtual clock: {workload.name}",
        unit="wall s per network s",
        values=[one.taken.wall_s / workload.seconds for one in seen[OURS]],
        target_ratio=TARGET,
        network_s=workload.seconds,
        flows=len(workload.flows),
        wall_s={name: round(value, 3) for name, value in walls.items()},
        cpu_s={name: round(value, 3) for name, value in cpus.items()},
        ratios={f"{what} {name}/ours": round(one[name] / one[OURS], 2)
                for what, one in (("wall", walls), ("cpu", cpus)) for name in seen if name != OURS},
        packet_hops=hops,
        packet_hops_per_cpu_s={name: round(count / cpus[name]) for name, count in hops.items()},
        goodput_mbps={name: round(8e-6 * sum(got) / workload.seconds, 2) for name, got in first.items()},
        fairness={name: round(_jain(got), 3) for name, got in first.items()},
        flow_alone_ours_to_plain=round(alone / plain_alone, 5),
        flows_ours_to_plain=_apart(first[OURS], first[PLAIN]),
        repeats=all(one.received_bytes == first[name] for name, some in seen.items() for one in some),
        load_average=round(os.getloadavg()[0], 1),
    )  # fmt: skip


def _crowd(workload: Workload, runs: int) -> None:
    cpu = max(os.sched_getaffinity(0))
    some = [ours.drive(workload, cpu=cpu, memory_bytes=CROWD_BYTES) for _ in range(runs)]
    wanted = [CROWD_RATE_BPS * (workload.seconds - flow.start_ns / 1e9) / 8 for flow in workload.flows]
    shares = sorted(got / want for got, want in zip(some[0].received_bytes, wanted, strict=True))
    report(
        benchmark=f"virtual clock: {len(workload.flows)} flows over {len(workload.network.nodes)} namespaces",
        unit="wall s per network s",
        values=[one.taken.wall_s / workload.seconds for one in some],
        network_s=workload.seconds,
        wall_s=round(_median(some, "wall_s"), 2),
        cpu_s=round(_median(some, "cpu_s"), 2),
        memory_mb=round(_median(some, "most_bytes") / 1e6),
        packet_hops=some[0].packet_hops,
        packet_hops_per_cpu_s=round(some[0].packet_hops / _median(some, "cpu_s")),
        failures=some[0].failures,
        got_of_wanted={"least": round(shares[0], 3), "median": round(statistics.median(shares), 3),
                       "most": round(shares[-1], 3)},
        repeats=all(one.received_bytes == some[0].received_bytes for one in some),
        load_average=round(os.getloadavg()[0], 1),
    )  # fmt: skip


def _apart(some: Sequence[int], others: Sequence[int]) -> dict[str, float]:
    """Flow by flow.  Flows that share a queue are chaotic: one packet lost by another, and all goes another way."""
    ratios = sorted(one / other for one, other in zip(some, others, strict=True))
    return {"least": round(ratios[0], 3), "median": round(statistics.median(ratios), 3), "most": round(ratios[-1], 3)}


def _median(some: Sequence[Outcome], what: str) -> float:
    return statistics.median(getattr(one.taken, what) for one in some)


def _jain(shares: Sequence[int]) -> float:
    """Jain's index: 1 when all flows got the same (Jain, Chiu, Hawe 1984)."""
    return sum(shares) ** 2 / (len(shares) * sum(one * one for one in shares) or 1)


if __name__ == "__main__":
    main()
