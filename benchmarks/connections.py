"""Connections (connect, 10 kB, close) per second, by the product's driver of short transfers, one process.

In: ``--runs``, ``--only guest|host``, ``--rate``.  Out: one JSON line each.  ``guest``: transfers at that rate on the
virtual clock, completed per second of wall time and of processor time of the whole guest, boot included.  ``host``:
requests answered on this machine's kernel as fast as it goes, as root, in namespaces of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from pathlib import Path

from benchmarks import report
from benchmarks.short.inside import PAIRS, RESULT_FILE, drive
from benchmarks.simulated.ours import compile_modules
from benchmarks.simulated.taken import take
from shadowlab.kernel.linux import LinuxSegment
from shadowlab.kernel.netns import enter_private_segment
from shadowlab.model.plain import to_plain
from shadowlab.shadow.apply import apply
from shadowlab.shadow.ops import Op
from shadowlab.shadow.plan import build_plan
from shadowlab.topology.addressing import address
from shadowlab.topology.routing import shortest_routes

RUNS = 3
SECONDS = 5
RATE_PER_S = 2000
"""On the virtual clock, where nothing is ever late."""
TARGETS = {"guest": 1000, "host": 15_000}


def main() -> None:
    """One line for each kernel."""
    parser = ArgumentParser(prog="scripts/bench connections")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--only", choices=sorted(TARGETS))
    parser.add_argument("--rate", type=float)
    parser.add_argument("--here", action="store_true", help="one measurement, in its own process")
    words, _ = parser.parse_known_args()
    if words.here:
        print(json.dumps(_on_host()))
        return
    compile_modules()
    for where in TARGETS:
        if words.only in (None, where):
            _line(where, words.rate or RATE_PER_S, words.runs)


def _line(where: str, rate_per_s: float, runs: int) -> None:
    if where == "host" and os.geteuid() != 0:
        print("connections: the host's kernel needs root: left out", file=sys.stderr)
        return
    found = [_in_guest(rate_per_s) if where == "guest" else _measure_host() for _ in range(runs)]
    report(
        benchmark=f"connections of 10 kB, {where}",
        unit="connections/s",
        values=[one["completed"] / one["wall_s"] for one in found],
        target=TARGETS[where],
        per_cpu_s=[round(one["completed"] / one["cpu_s"]) for one in found],
        offered_per_s=rate_per_s if where == "guest" else None,
        not_completed=[one["others"] for one in found],
        load_average=round(os.getloadavg()[0], 1),
    )


def _plan() -> tuple[tuple[Op, ...], dict[str, str]]:
    fabric = address(PAIRS)
    plan = build_plan(PAIRS, fabric, shortest_routes(PAIRS, fabric, partial=True))
    return plan, dict(fabric.node_address)


def _in_guest(rate_per_s: float) -> dict[str, float]:
    plan, addresses = _plan()
    job = {"build": to_plain(plan), "addresses": addresses, "rate_per_s": rate_per_s, "seconds": SECONDS}
    with tempfile.TemporaryDirectory(prefix="shadowlab-bench-") as name:
        run = Path(name) / "run"
        run.mkdir()
        (Path(name) / "job").write_text(json.dumps(job))
        cpu = max(os.sched_getaffinity(0))
        words = [sys.executable, "-m", "benchmarks.simulated.boot", f"{name}/job", str(run), str(SECONDS), str(cpu)]
        _, taken = take([*words, str(1 << 30), "benchmarks.short.inside:run"], cpu=cpu)
        found: dict[str, float] = json.loads((run / RESULT_FILE).read_text())
    return found | {"wall_s": taken.wall_s, "cpu_s": taken.cpu_s}


def _measure_host() -> dict[str, float]:
    done = subprocess.run([sys.executable, "-m", __spec__.name, "--here"], check=True, text=True,
                          stdout=subprocess.PIPE, cwd=Path(__file__).parents[1])  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found | {"wall_s": float(SECONDS)}


def _on_host() -> dict[str, float]:
    enter_private_segment()
    plan, addresses = _plan()
    with LinuxSegment() as segment:
        apply(plan, segment)
        return drive(segment, addresses, None, SECONDS)


if __name__ == "__main__":
    main()
