"""What the agent costs the instance it runs on: share of one core, and memory, by sockets, interval and activity.

In a network namespace of its own: so many sockets (both ends of connections over its loopback), some of which move one
byte between any two readings; the agent as its command runs it, and a receiver that takes what it sends.  Processor
time is the kernel's count for the agent's process, its dumps included, from after its start to the end of the window.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks import report
from shadowlab.kernel.netns import enter_private_segment

SOCKETS = (1000, 10_000, 50_000)
ACTIVE = (0.1, 1.0)
WINDOWS = {1.0: 15.0, 10.0: 40.0}
"""Interval to how long is measured, both in seconds."""
TARGETS = {(10_000, 10.0): (2.0, 60.0)}
_MOST_OF_A_HOLDER = 16_000
_PORT = 8443


def holder(sockets: int) -> None:
    """Opens the sockets, says so, then moves one byte on a share of them once per interval, as its input says."""
    import select
    import socket

    pairs = []
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as listener:
        for _ in range(sockets // 2):
            here = socket.create_connection(listener.getsockname())
            pairs.append((here, listener.accept()[0]))
    print("open", flush=True)
    active, every_s, place = 0.0, 1.0, 0
    step_s = 0.1
    while True:
        ready, _, _ = select.select([sys.stdin], [], [], step_s)
        if ready:
            line = sys.stdin.readline()
            if not line:
                return
            active, every_s = map(float, line.split())
        count = len(pairs) * active
        for _ in range(round(count * step_s / every_s)):
            here, there = pairs[place % max(1, round(count))]
            here.send(b"x")
            there.recv(10)
            place += 1


def scene(sockets: int) -> None:
    """In a namespace of its own: every combination for this many sockets, one JSON line each."""
    enter_private_segment()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        holders = [stack.enter_context(_process("holder", str(share))) for share in _shares(sockets)]
        for one in holders:
            assert one.stdout is not None
            one.stdout.readline()
        lab = folder / "ca"
        for words in (("init",), ("issue", "--server", "127.0.0.1"), ("issue", "web")):
            subprocess.run([*_SHADOWLAB, "ca", *words, "--folder", str(lab)], check=True, stdout=subprocess.DEVNULL)
        receiver = stack.enter_context(
            _started(
                *("replicate-server", "--folder", str(folder / "replica"), "--listen", f"127.0.0.1:{_PORT}"),
                *("--identity", str(lab / "127.0.0.1"), "--tokens", str(lab / "tokens")),
            )
        )
        assert receiver.stderr is not None
        receiver.stderr.readline()
        for active in ACTIVE:
            for every_s, window_s in WINDOWS.items():
                for one in holders:
                    assert one.stdin is not None
                    one.stdin.write(f"{active} {every_s}\n")
                    one.stdin.flush()
                print(json.dumps(_measure(folder, lab, sockets, active, every_s, window_s)), flush=True)


def _measure(folder: Path, lab: Path, sockets: int, active: float, every_s: float, window_s: float) -> dict[str, float]:
    spool = folder / f"spool-{active}-{every_s}"
    words = ("agent", "--to", f"https://127.0.0.1:{_PORT}", "--identity", str(lab / "web"), "--instance", "web")
    more = ("--spool", str(spool), "--every", str(every_s), "--loopback", "--json")
    with _started(*words, *more, stdout=subprocess.PIPE) as agent:
        time.sleep(1.5 * every_s + 2)  # started, and the first reading, which tells everything, sent
        before_s, began = _processor_s(agent.pid), time.monotonic()
        time.sleep(window_s)
        share = (_processor_s(agent.pid) - before_s) / (time.monotonic() - began)
        memory = _peak_mb(agent.pid)
        agent.terminate()
        done = json.loads(agent.communicate(timeout=60)[0])
    return {
        "sockets": sockets,
        "active": active,
        "every_s": every_s,
        "share": share,
        "memory_mb": memory,
        **{name: done[name] for name in ("readings", "records", "stored", "late_readings", "waiting", "failures")},
    }


def _processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_mb(pid: int) -> float:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmHWM:")[2].split()[0]) / 1000


def _shares(sockets: int) -> Iterator[int]:
    while sockets > 0:
        yield min(sockets, _MOST_OF_A_HOLDER)
        sockets -= _MOST_OF_A_HOLDER


_SHADOWLAB = (sys.executable, "-m", "shadowlab")


@contextmanager
def _process(*words: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.agent", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def _started(*words: str, stdout: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([*_SHADOWLAB, *words], stdout=stdout, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def main() -> None:
    """Print the figures."""
    for sockets in SOCKETS:
        with _process("scene", str(sockets)) as running:
            assert running.stdout is not None
            for line in running.stdout:
                one = json.loads(line)
                share_target, memory_target = TARGETS.get((sockets, one["every_s"]), (None, None))
                what = f"agent: {sockets} sockets every {one['every_s']:g} s, {one['active']:.0%} active"
                more = {name: one[name] for name in ("readings", "records", "late_readings", "waiting", "failures")}
                share = round(100 * one["share"], 2)
                report(benchmark=what, unit="% of one core", values=[share], target=share_target, **more)
                report(benchmark=what, unit="MB at its peak", values=[one["memory_mb"]], target=memory_target)


if __name__ == "__main__":
    if sys.argv[1:2] == ["scene"]:
        scene(int(sys.argv[2]))
    elif sys.argv[1:2] == ["holder"]:
        holder(int(sys.argv[2]))
    else:
        main()
