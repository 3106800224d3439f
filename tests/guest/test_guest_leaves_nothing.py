"""Whatever ends the process that booted a guest, nothing of the guest stays: no process, no file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection
from pathlib import Path

import pytest

from shadowlab.guest.cache import BuiltKernel
from shadowlab.guest.command_line import GUEST_NAME

pytestmark = pytest.mark.guest

PARENT = """
import sys
from pathlib import Path
from shadowlab.guest.boot import run_in_guest
from shadowlab.guest.cache import need_kernel

kernel = need_kernel("virtual")
print("booting", flush=True)
run_in_guest(
    kernel=kernel, entry="guest_entries:computes_for_ever", job=b"", folder=Path(sys.argv[1]), clock="virtual",
    seed=1, virtual_deadline_ns=10**12, wall_deadline_s=120, on_line=lambda line: print(line, flush=True),
)
"""

MOMENTS_MS = (0, 1, 2, 3, 4, 6, 8, 10, 13, 16, 20, 25, 30, 40, 55, 80, 120)


def start_parent(folder: Path) -> subprocess.Popen[str]:
    paths = os.pathsep.join([str(Path(__file__).parent), *(path for path in sys.path if path)])
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PYTHONPATH": paths},
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == "booting\n"
    return parent


def wait_for_work(parent: subprocess.Popen[str]) -> None:
    assert parent.stdout is not None
    assert parent.stdout.readline() == "computing\n"


def processes_of(parent: subprocess.Popen[str]) -> list[str]:
    """The guest's processes, known by the name that the parent gave it; a zombie has no environment and is gone."""
    name = f"{GUEST_NAME}={parent.pid}-".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            command = entry.read_bytes()
        except OSError:
            continue
        if name in command:
            found.append(f"{entry.parent.name}: {command[:60]!r}")
    return found


def assert_nothing_left(parent: subprocess.Popen[str], shared_before: Collection[str] | None = None) -> None:
    """No process, and nothing in shared memory that was not there; what other tests have there goes in a moment."""
    patience = time.monotonic() + 10
    while left := processes_of(parent) + new_in_shared_memory(shared_before):
        assert time.monotonic() < patience, left
        time.sleep(0.01)


def new_in_shared_memory(before: Collection[str] | None) -> list[str]:
    return [] if before is None else sorted(set(os.listdir("/dev/shm")).difference(before))


@pytest.mark.parametrize("moment_ms", MOMENTS_MS)
def test_a_killed_parent_takes_the_guest_along(built_kernel: BuiltKernel, tmp_path: Path, moment_ms: int) -> None:
    before = os.listdir("/dev/shm")
    parent = start_parent(tmp_path)
    time.sleep(moment_ms / 1000)

    parent.kill()
    parent.communicate()

    assert_nothing_left(parent, before)
    assert {file.name for file in tmp_path.iterdir()} <= {".guest"}


def test_a_parent_killed_while_the_guest_works_takes_it_along(built_kernel: BuiltKernel, tmp_path: Path) -> None:
    parent = start_parent(tmp_path)
    wait_for_work(parent)
    assert len(processes_of(parent)) >= 3  # the kernel, its first process, the one that works

    parent.kill()
    parent.communicate()

    assert_nothing_left(parent)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("moment_ms", [0, 5, 15, 30, None])
def test_a_parent_that_is_asked_to_end_cleans_up(
    built_kernel: BuiltKernel, tmp_path: Path, number: signal.Signals, moment_ms: int | None
) -> None:
    parent = start_parent(tmp_path)
    if moment_ms is None:
        wait_for_work(parent)
    else:
        time.sleep(moment_ms / 1000)

    parent.send_signal(number)
    parent.communicate(timeout=20)

    assert parent.returncode == -number
    assert_nothing_left(parent)
    assert list(tmp_path.iterdir()) == []


def test_a_killed_guest_kernel_leaves_none_of_its_processes(built_kernel: BuiltKernel, tmp_path: Path) -> None:
    parent = start_parent(tmp_path)
    wait_for_work(parent)
    kernel_pid = min(int(line.partition(":")[0]) for line in processes_of(parent))

    os.kill(kernel_pid, signal.SIGKILL)
    parent.communicate(timeout=20)

    assert parent.returncode == 1
    assert_nothing_left(parent)
    assert list(tmp_path.iterdir()) == []
