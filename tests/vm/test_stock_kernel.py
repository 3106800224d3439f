"""A stock Debian kernel runs what the embedded one runs, under qemu: the contract suite, and a story (slow).

Without qemu or the kernel these tests fail; they are never skipped.  The full set: ``scripts/vm scripts/test-host``.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.vm

ROOT = Path(__file__).parents[2]
VM = str(ROOT / "scripts" / "vm")
BOOT_S = 30
PATIENCE_S = 240


def vm(*words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([VM, *words], cwd=cwd, capture_output=True, text=True, check=False)


def on_host(part: str) -> dict[str, str]:
    """What went wrong in that part, by the names of its checks."""
    ended = vm("--timeout", str(PATIENCE_S), sys.executable, "tests/vm/on_host.py", part)
    try:
        results: dict[str, str] = json.loads(ended.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        pytest.fail(f"the stock kernel gave no results (exit code {ended.returncode}):\n{ended.stderr}")
    return results


def test_the_contract_suite_holds_on_a_stock_kernel() -> None:
    checks = on_host("--contract")

    assert len([name for name in checks if name.startswith("contract: ")]) > 50
    assert {name: trouble.strip().splitlines()[-1] for name, trouble in checks.items() if fails(trouble)} == {}


@pytest.mark.slow
def test_a_story_ends_well_on_a_stock_kernel() -> None:
    checks = on_host("--smoke")

    assert {"story: the host kernel on the real clock", "story: the expectations are met"} <= set(checks)
    assert [f"{name}: {trouble}" for name, trouble in checks.items() if fails(trouble)] == []


def fails(trouble: str) -> bool:
    """Lateness under an emulated processor is the emulation's: reported, no failure."""
    return bool(trouble) and not trouble.startswith("LATE: ")


def test_output_exit_code_and_place_are_passed_on_and_nothing_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    folder.mkdir()

    began = time.monotonic()
    words = 'echo "$1" "$(pwd)"; echo no >&2; touch here; test -e here && ls /sys/class/net; exit 7'
    ended = vm("bash", "-c", words, "-", "it's", cwd=folder)

    assert ended.stdout == f"it's {folder}\nlo\n"
    assert ended.stderr == "no\n"
    assert ended.returncode == 7
    assert list(folder.iterdir()) == []
    assert time.monotonic() - began < BOOT_S


def test_a_deadline_ends_the_machine(tmp_path: Path) -> None:
    ended = vm("--timeout", "3", "sleep", "1000", cwd=tmp_path)

    assert ended.returncode == 124
    assert ended.stderr == "vm: stopped after its deadline of 3 s\n"
    assert machines(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("moment_s", [0.3, 2.0])
def test_whatever_ends_the_script_ends_the_machine(tmp_path: Path, number: signal.Signals, moment_s: float) -> None:
    script = subprocess.Popen([VM, "sleep", "1000"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(moment_s)

    script.send_signal(number)
    script.communicate(timeout=10)

    assert script.returncode != 0  # 1 where the interpreter itself was interrupted while it started
    patience = time.monotonic() + 5
    while left := machines(tmp_path):
        assert time.monotonic() < patience, left
        time.sleep(0.05)
    assert list(tmp_path.iterdir()) == []


def machines(folder: Path) -> list[str]:
    """The qemu processes that were started from a folder of this test's own."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(entry / "cwd") == str(folder) and "qemu" in (entry / "comm").read_text():
                found.append(entry.name)
        except OSError:
            continue
    return found


def test_without_a_command_the_usage_is_told() -> None:
    ended = vm()

    assert ended.returncode == 2
    assert ended.stderr == "vm: usage: scripts/vm [--timeout SECONDS] COMMAND...\n"
