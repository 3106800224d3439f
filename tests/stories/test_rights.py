"""What root's commands, segments on the host's kernel, and programs in nodes may do, and what they gave up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from shadowlab.guest.resident.start import Line
from shadowlab.kernel.private import run_private
from shadowlab.kernel.rights.privileges import (
    COMMAND,
    KEEPER,
    NODE,
    SEGMENT,
    SYS_ADMIN,
    SYS_PTRACE,
    user_namespaces_work,
)

IS_ROOT = os.geteuid() == 0
SHADOWLAB = str(Path(sys.executable).parent / "shadowlab")
KERNELS = [pytest.param("embedded", marks=pytest.mark.guest), *(["host"] if IS_ROOT else [])]
MAP = """
shadowlab: map/1
name: pair
nodes:
  a: {kind: host}
  b: {kind: host}
links:
  ab: {ends: [a, b]}
defaults:
  access_link: {delay: 0 ms}
"""
LEAVES = """
import ctypes, os
try:
    fd = os.open("/proc/1/ns/net", 0)
except PermissionError:
    raise SystemExit(0)
raise SystemExit(ctypes.CDLL(None).setns(fd, 0) == 0)
"""

Run = Callable[..., str]


def held_by_keeper(tmp_path: Path) -> list[int]:
    """The effective capabilities of each thread of the keeper of the lab ``pair``."""
    with Line(tmp_path / "state" / "labs" / "pair") as line:
        threads = Path(f"/proc/{line.keeper}/task").iterdir()
        return [held((thread / "status").read_text())["CapEff"] for thread in threads]


def mask(numbers: Iterable[int]) -> int:
    return sum(1 << number for number in numbers)


def held(status: str) -> dict[str, int]:
    lines = (line.split() for line in status.splitlines() if line.startswith("Cap"))
    return {name.rstrip(":"): int(value, 16) for name, value in lines}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.setenv("SHADOWLAB_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pair.yaml").write_text(MAP)

    def run(*words: str) -> str:
        done = subprocess.run([SHADOWLAB, *words], capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"{words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    yield run
    subprocess.run([SHADOWLAB, "down", "pair"], check=False, capture_output=True)


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_program_in_a_node_is_root_over_its_network_and_cannot_leave_it(kernel: str, run: Run) -> None:
    run("up", "pair.yaml", "--kernel", kernel)

    sets = held(run("exec", "a", "--", "cat", "/proc/self/status"))
    run("exec", "a", "--", "ip", "link", "set", "lo", "mtu", "9000")

    assert sets["CapEff"] == sets["CapPrm"] == sets["CapBnd"] == mask(NODE)
    assert sets["CapInh"] == sets["CapAmb"] == 0
    run("exec", "a", "--", sys.executable, "-I", "-S", "-c", LEAVES)
    assert not NODE & {SYS_ADMIN, SYS_PTRACE}


@pytest.mark.skipif(not IS_ROOT, reason="what root gives up; needs root")
def test_a_command_that_root_types_holds_only_what_labs_need() -> None:
    code = (
        "from shadowlab.cli.main import main\n"
        "try: main(['list', '--json'])\n"
        "except SystemExit: print(open('/proc/self/status').read())\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    sets = held(told)

    assert sets["CapEff"] == sets["CapPrm"] == sets["CapBnd"] == mask(COMMAND)


@pytest.mark.guest
def test_the_keeper_of_a_guest_holds_what_ends_it(run: Run, tmp_path: Path) -> None:
    run("up", "pair.yaml", "--kernel", "embedded")

    assert set(held_by_keeper(tmp_path)) == {mask(KEEPER) if IS_ROOT else 0}


@pytest.mark.skipif(not IS_ROOT, reason="as a user the segment is in a user namespace anyway")
@pytest.mark.parametrize("own_users", [False, True])
def test_a_segment_of_roots_holds_only_what_builds_it_and_its_scripts_less(
    own_users: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))

    run_private(
        entry="rights_inside:tell",
        job=b"",
        folder=tmp_path,
        wall_deadline_s=30,
        on_line=print,
        stopped=lambda: False,
        own_users=own_users,
    )

    told = json.loads((tmp_path / "told").read_text())
    assert {int(told["status"][name], 16) for name in ("CapEff", "CapPrm", "CapBnd")} == {mask(SEGMENT)}
    assert told["status"]["NoNewPrivs"] == "1"
    assert told["interfaces"] == ["lo"]
    assert (told["users"] != os.readlink("/proc/self/ns/user")) == (own_users and user_namespaces_work())
    of_script = held(told["script"])
    assert of_script["CapEff"] == of_script["CapBnd"] == mask(NODE)
    assert "lo is up" in told["script"]
    assert told["script_code"] != 0, "nsenter cannot lead a script out of its node"
