"""What a network costs a kernel: memory for each node, link, queue and route, build and tear-down, up to 1000 nodes.

In: ``--only embedded`` or ``host``; ``--nodes`` and ``--runs`` for less of it; ``--alone``: this machine is ours alone,
so all its memory counts on the host too.
Out: one JSON line per kernel and size, with the figures of each kind of part.  Memory hardly varies from run to run;
seconds do, on a shared machine: their median is given, and ``load_average`` says how busy it was.

``embedded``: a guest of 2 GiB on the real clock; all its memory counts, the program inside too.  ``host``: a private
segment of this machine's kernel, as root; what the kernel says it took (slab, per-CPU, vmalloc, stacks, page tables),
other people's included: with somebody else at work these figures are noise, which ``min`` and ``max`` show.  A stock
kernel with netem, for itself alone (its seconds mean nothing):

    scripts/vm --timeout 1800 .venv/bin/python -m benchmarks.scale --only host --alone --nodes 300

Where the host's kernel has no netem, a token bucket stands in its place (``queue``); where it cannot redirect what
arrives, the IFB is made and nothing led to it (``redirect``).
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from benchmarks import report
from benchmarks.fabric.stages import RESULT_FILE, STAGES, measure
from benchmarks.networks import ring
from shadowlab.guest.boot import run_in_guest
from shadowlab.guest.cache import need_kernel
from shadowlab.kernel.linux import LinuxSegment
from shadowlab.kernel.netns import enter_private_segment
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Network
from shadowlab.model.plain import to_plain
from shadowlab.shadow.ops import Op
from shadowlab.shadow.plan import build_plan
from shadowlab.topology.addressing import address
from shadowlab.topology.routing import shortest_routes

SIZES = ((90, 10), (270, 30), (900, 100))
"""Routers in a ring, and hosts at some of them."""
REPEATS = 3
GUEST_BYTES = 2 << 30
TARGET_BYTES = 2 << 30
"""For 1000 nodes, on either kernel."""

Stages = list[dict[str, Any]]


def network(routers: int, hosts: int) -> Network:
    """A ring with hosts; every direction impaired, so what leaves a host has an IFB."""
    wish = Impairment(delay_ns=1_000_000, rate_bps=100_000_000)
    plain = ring(routers, hosts)
    return plain.with_links(
        *(type(link)(id=link.id, a=link.a, b=link.b, forward=wish, backward=wish) for link in plain.links)
    )


def plan(routers: int, hosts: int) -> tuple[Op, ...]:
    """Everything from nothing."""
    made = network(routers, hosts)
    fabric = address(made)
    return build_plan(made, fabric, shortest_routes(made, fabric))


def in_guest(job: bytes) -> tuple[Stages, int]:
    """The stages, and the most memory that the guest's processes took of the machine."""
    most = 0

    def look(_line: str) -> None:
        nonlocal most
        inside = psutil.Process().children(recursive=True)
        most = max(most, sum(_own_bytes(one) for one in inside))

    with tempfile.TemporaryDirectory() as name:
        run_in_guest(
            kernel=need_kernel("real"),
            entry="benchmarks.fabric.stages:run",
            job=job,
            folder=Path(name),
            clock="real",
            seed=1,
            virtual_deadline_ns=600 * 10**9,
            wall_deadline_s=600,
            memory_bytes=GUEST_BYTES,
            on_line=look,
        )
        return json.loads((Path(name) / RESULT_FILE).read_text()), most


def _own_bytes(process: psutil.Process) -> int:
    """A process's proportional share of memory: the guest's processes map the same file."""
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0


def on_host(job: bytes, *, alone: bool) -> tuple[Stages, int]:
    """The same in a process and a private segment of its own."""
    words = ["--here", *(["--alone"] if alone else [])]
    done = subprocess.run([sys.executable, "-m", __spec__.name, *words], input=job, check=True, capture_output=True,
                          cwd=Path(__file__).parents[1])  # fmt: skip
    told = json.loads(done.stdout.splitlines()[-1])
    return told["stages"], told["own_bytes"]


def _here(*, alone: bool) -> None:
    from benchmarks.fabric.gone import Witness
    from benchmarks.fabric.ours import TbfSegment
    from benchmarks.fabric.workload import discipline

    enter_private_segment()
    job = sys.stdin.buffer.read()
    segment = TbfSegment() if discipline() == "tbf" else LinuxSegment()
    with Witness() as witness:
        stages = measure(segment, job, whole_machine=alone, redirect=_host_has("matchall and mirred"))
        witness.ends(time.monotonic())  # the next run begins with nothing of this one
    print(json.dumps({"stages": stages, "own_bytes": psutil.Process().memory_info().rss}))


def _line(where: str, routers: int, hosts: int, runs: list[tuple[Stages, int]], queue: str) -> None:
    key = "taken_bytes" if "taken_bytes" in runs[0][0][0] else "kernel_bytes"
    parts: dict[str, dict[str, object]] = {}
    for place, (name, _) in enumerate(STAGES, start=1):
        stages = [stages[place] for stages, _ in runs]
        count = stages[0]["count"]
        parts[name] = {
            "count": count,
            "bytes_each": round(statistics.median(one[key] for one in stages) / max(1, count)),
            "kernel_bytes_each": round(statistics.median(one["kernel_bytes"] for one in stages) / max(1, count)),
            "us_each": round(1e6 * statistics.median(one["seconds"] for one in stages) / max(1, count), 1),
        }
    whole = [sum(stage.get(key, 0) for stage in stages) for stages, _ in runs]
    report(
        benchmark=f"scale {routers + hosts} nodes, {where}",
        unit="bytes",
        values=whole,
        target=TARGET_BYTES if routers + hosts == 1000 else None,
        nodes=routers + hosts,
        links=routers + hosts,
        queue=queue,
        redirect=where == "embedded" or _host_has("matchall and mirred"),
        job_bytes_per_operation=round(
            statistics.median(stages[0]["own_bytes"] / stages[0]["count"] for stages, _ in runs)
        ),
        parts=parts,
        whole_machine=key == "taken_bytes",
        process_bytes=round(statistics.median(most for _, most in runs)),
        build_s=round(statistics.median(sum(one["seconds"] for one in stages[1:-1]) for stages, _ in runs), 3),
        down_s=round(statistics.median(stages[-1]["seconds"] for stages, _ in runs), 3),
        load_average=round(os.getloadavg()[0], 1),
    )


def main() -> None:
    """A line for each kernel and size."""
    parser = ArgumentParser(prog="scripts/bench scale")
    parser.add_argument("--only", choices=("embedded", "host"))
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--nodes", type=int, choices=[sum(one) for one in SIZES], help="only this size")
    parser.add_argument("--runs", type=int, default=REPEATS)
    parser.add_argument("--here", action="store_true", help="one measurement, in its own process")
    words = parser.parse_args()
    if words.here:
        _here(alone=words.alone)
        return
    kinds: dict[str, Callable[[bytes], tuple[Stages, int]]] = {
        "embedded": in_guest,
        "host": partial(on_host, alone=words.alone),
    }
    for where, run in kinds.items():
        if words.only not in (None, where):
            continue
        if where == "host" and os.geteuid() != 0:
            print("scale: the host's kernel needs root: left out", file=sys.stderr)
            continue
        queue = "netem" if where == "embedded" or _host_has("netem") else "tbf"
        for routers, hosts in SIZES:
            if words.nodes not in (None, routers + hosts):
                continue
            job = json.dumps(to_plain(plan(routers, hosts))).encode()
            _line(where, routers, hosts, [run(job) for _ in range(words.runs)], queue)


def _host_has(piece: str) -> bool:
    from shadowlab.kernel.capability import probe_host

    return all(one.name != piece for one in probe_host().missing)


if __name__ == "__main__":
    main()
