"""Build, change and tear down networks: ours beside a floor, ``ip -batch``, pyroute2 and Mininet, in the same run.

In: ``--peers`` also lets pyroute2 and Mininet make the large networks (some minutes); ``--alone`` only ours and the
floor; ``--only NAME`` one network whose name begins so.  Out: one JSON line per network.  Every measurement is a
process of its own in fresh namespaces of ours, on this machine's kernel, as root; all its descendants end with it.

``build``: everything up.  ``change``: the rate of one direction.  ``more``: one link more, up.  ``down``: until the
caller is done; ``gone``: until the kernel has removed the last interface.  ``floor``: our own messages, sent from C.
Ratios are of medians, and of the least of each: on a busy machine those are nearer to what the work itself takes; and
nearest is ``build_cpu``, the processor's time of ours and of the floor.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path

from benchmarks import report
from benchmarks.fabric.floor import compile_floor, time_floor
from benchmarks.fabric.ours import record, time_ours
from benchmarks.fabric.peers import MININET, time_ip_batch, time_mininet, time_pyroute2
from benchmarks.fabric.workload import Workload, discipline, networks, workload
from shadowlab.kernel.netns import enter_private_segment
from shadowlab.model.network import Network

REPEATS = 5
PEER_REPEATS = 3
LARGE_NODES = 500
STEPS = ("build", "change", "more", "gone")
CPU = "build_cpu"
PEERS: dict[str, Callable[[Workload], dict[str, float]]] = {
    "ours": time_ours, "ip -batch": time_ip_batch, "pyroute2": time_pyroute2, "mininet": time_mininet,
}  # fmt: skip
TARGETS = {"floor": 1.25, "ip -batch": 8, "mininet": 40}


def main() -> None:
    """One line per network."""
    parser = ArgumentParser(prog="scripts/bench build")
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--one", nargs=3, metavar=("WHO", "NUMBER", "FOLDER"), help="a measurement, in its own process")
    words = parser.parse_args()
    if words.one:
        _measure_here(words.one[0], int(words.one[1]), Path(words.one[2]))
        return
    if os.geteuid() != 0:
        sys.exit("build: needs root, for the floor's and the peers' sake")
    with tempfile.TemporaryDirectory(prefix="shadowlab-bench-") as folder:
        for number, network in enumerate(networks()):
            if network.name.startswith(words.only):
                _contest(number, network, words, Path(folder))


def _contest(number: int, network: Network, words: Namespace, folder: Path) -> None:
    large = len(network.nodes) > LARGE_NODES
    runs: dict[str, list[dict[str, float]]] = {"ours": [], "floor": []}
    facts = _measure("record", number, folder)
    for who in () if words.alone else ("ip -batch", "pyroute2", "mininet"):
        missing = who == "mininet" and not MININET.is_dir()
        if missing:
            print("build: no Mininet here: scripts/bench --peers installs it", file=sys.stderr)
        elif not large or who == "ip -batch" or words.peers:
            runs[who] = []
    for turn in range(REPEATS):  # turn by turn, so that a busy minute meets all alike
        for who, seconds in runs.items():
            if who in ("ours", "floor") or turn < (1 if large else PEER_REPEATS):
                seconds.append(_measure(who, number, folder))
    medians, least = (
        {
            who: {step: choose([run[step] for run in all_of]) for step in (*STEPS, CPU) if step in all_of[0]}
            for who, all_of in runs.items()
        }
        for choose in (statistics.median, min)
    )
    report(
        benchmark=f"build {network.name}",
        unit="s",
        values=[run["build"] for run in runs["ours"]],
        targets=TARGETS,
        nodes=len(network.nodes),
        links=len(network.links),
        **facts,
        plan_and_build_s=round(facts["plan_s"] + medians["ours"]["build"], 4),
        ratios=_ratios(medians),
        ratios_of_least=_ratios(least),
        medians_s={who: {step: round(value, 6) for step, value in one.items()} for who, one in medians.items()},
        peer_runs={who: len(one) for who, one in runs.items()},
        load_average=round(os.getloadavg()[0], 1),
    )


def _ratios(seconds: dict[str, dict[str, float]]) -> dict[str, float]:
    """Ours to the floor, every peer to ours, step by step."""
    mine = seconds["ours"]
    found = {f"{step} ours/floor": mine[step] / seconds["floor"][step] for step in (*STEPS, CPU)}
    for who, one in seconds.items():
        if who not in ("ours", "floor"):
            found |= {f"{step} {who}/ours": one[step] / mine[step] for step in STEPS}
    return {what: round(ratio, 2) for what, ratio in found.items()}


def _measure(who: str, number: int, folder: Path) -> dict[str, float]:
    """In a process of its own, and a process namespace: whatever it started ends with it."""
    words = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, "-m", __spec__.name]
    done = subprocess.run([*words, "--one", who, str(number), str(folder)], check=True, stdout=subprocess.PIPE,
                          text=True, cwd=Path(__file__).parents[1])  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _measure_here(who: str, number: int, folder: Path) -> None:
    enter_private_segment()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    work = workload(networks()[number])
    recording = folder / "recording"
    if who == "record":
        record(work, recording)
        if not (folder / "floor").exists():
            compile_floor(folder)
        facts = {"with": discipline(), "plan_s": round(work.plan_s, 4), "operations": work.counts}
        print(json.dumps(facts))
    elif who == "floor":
        print(json.dumps(time_floor(folder / "floor", recording)))
    else:
        if who == "mininet" and shutil.which("ethtool") is None:
            print("build: no ethtool here: Mininet leaves that work out", file=sys.stderr)
        print(json.dumps(PEERS[who](work)))


if __name__ == "__main__":
    main()
