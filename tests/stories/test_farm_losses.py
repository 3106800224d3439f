"""A farm of four hosts, each a network namespace: one worker is killed, one is cut off, one is stopped."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from farm import certificates, line_with, results, serving
from user_command import PATIENCE_S, assert_nothing_left, run, shared_memory, small_scenario, start, until

GRID = ("sweep", "incident.yaml", "-s", "growth=1..2/0.1", "--duration", "10s", "--most-runs", "1")
HOSTS = ("killed", "cut", "slow")


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@pytest.fixture
def hub() -> Iterator[str]:
    """The name of a namespace with a bridge; for each of the hosts one on a cable, named ``HUB-HOST``."""
    if os.geteuid() != 0:
        pytest.skip("makes named network namespaces, which only root may")
    name = f"farm{os.getpid()}"
    made = [name, *(f"{name}-{host}" for host in HOSTS)]
    try:
        for one in made:
            ip("netns", "add", one)
            ip("-n", one, "link", "set", "lo", "up")
        ip("-n", name, "link", "add", "bridge", "up", "type", "bridge")
        ip("-n", name, "address", "add", "10.77.0.1/24", "dev", "bridge")
        for number, host in enumerate(HOSTS, start=2):
            ip("link", "add", host, "netns", name, "type", "veth", "peer", "name", "eth0", "netns", f"{name}-{host}")
            ip("-n", name, "link", "set", host, "up", "master", "bridge")
            ip("-n", f"{name}-{host}", "address", "add", f"10.77.0.{number}/24", "dev", "eth0")
            ip("-n", f"{name}-{host}", "link", "set", "eth0", "up")
        yield name
    finally:
        for one in made:
            subprocess.run(["ip", "netns", "del", one], check=False)


def child_of(process: subprocess.Popen[str]) -> int:
    """The one worker process of a supervisor."""
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(child)


@pytest.mark.slow
@pytest.mark.story
@pytest.mark.guest
def test_what_is_lost_is_run_elsewhere_and_the_answer_is_that_of_one_machine(tmp_path: Path, hub: str) -> None:
    small_scenario(tmp_path)
    memory = shared_memory()
    certificates(tmp_path, "boss", *HOSTS, "me")
    near = run(*GRID, "--out", "near", "--json", folder=tmp_path)
    address = "tls://10.77.0.1:8786"
    scheduler = ("scheduler", "--tls", "farm-ca/boss", "--host", "10.77.0.1")
    inside = ("ip", "netns", "exec")

    with ExitStack() as stack:
        boss, _ = stack.enter_context(serving(*scheduler, folder=tmp_path, until="scheduler at", under=(*inside, hub)))
        workers = {}
        for host in HOSTS:
            words = ("worker", "--scheduler", address, "--tls", f"farm-ca/{host}", "--cores", "1", "--name", host)
            under = (*inside, f"{hub}-{host}")
            workers[host], _ = stack.enter_context(serving(*words, folder=tmp_path, until="process", under=under))
            line_with(boss, f"worker {host}-0 came")
        asked = ("--scheduler", address, "--tls", "farm-ca/me", "--out", "far", "--json")
        sweep = start(*GRID, *asked, folder=tmp_path, under=(*inside, hub))
        until(lambda: len(list((tmp_path / "far" / "results").glob("*.json"))) >= 3, sweep)

        os.kill(child_of(workers["slow"]), signal.SIGSTOP)
        ip("-n", hub, "link", "set", "cut", "down")
        os.kill(child_of(workers["killed"]), signal.SIGKILL)
        stdout, stderr = sweep.communicate(timeout=PATIENCE_S)

        line_with(workers["killed"], "exit code 137): again in 1 s")
        line_with(boss, "worker killed-0 came")

    assert (sweep.returncode, stdout) == (near.code, near.stdout), stderr
    assert results(tmp_path / "far") == results(tmp_path / "near")
    assert_nothing_left(tmp_path, memory)
