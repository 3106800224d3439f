"""The demo with a production of its own: a second segment, agents in its nodes, and the shadow of what they told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from user_command import PATIENCE_S, assert_nothing_left, run, shared_memory, until

from shadowlab.telemetry.reading import open_telemetry

pytestmark = [pytest.mark.story, pytest.mark.guest, pytest.mark.slow]

SCRIPT = Path(__file__).parents[2] / "scripts" / "demo_production.py"


def state_of(folder: Path) -> dict[str, str]:
    return {"SHADOWLAB_STATE": str(folder / "state")}


def start(folder: Path) -> subprocess.Popen[str]:
    (folder / "tmp").mkdir()
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), "production", "out"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(folder / "tmp")} | state_of(folder),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def assert_clean(folder: Path, before: list[str]) -> None:
    assert_nothing_left(folder, before)
    assert list((folder / "state" / "labs").glob("[!.]*")) == []
    assert [one for one in folder.rglob("*") if one.suffix in (".pem", ".key") or one.name.startswith("token")] == []


def test_what_agents_told_of_production_drives_the_shadow_to_the_same_fault(tmp_path: Path) -> None:
    before = shared_memory()

    process = start(tmp_path)
    stdout, stderr = process.communicate(timeout=2 * PATIENCE_S)

    assert process.returncode == 0, stdout + stderr
    assert "of production's 44 connections the telemetry tells the demand of" in stderr
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["fault_domain"]["links"] == ["kan-ind"]
    assert result["correlation"]["verdict"] == "confirmed"
    assert len(result["flows"]) >= 40
    with open_telemetry(tmp_path / "production" / "before") as reading:
        told = list(reading.records)
    assert len({one.instance for one in told}) == 14
    assert all(one.instance and one.min_rtt_ns for one in told if one.scope == "connection" and one.data_segments_out)
    assert_clean(tmp_path, before)


def test_interrupted_while_it_is_built_production_is_taken_down(tmp_path: Path) -> None:
    before = shared_memory()

    process = start(tmp_path)
    until(lambda: any((tmp_path / "state" / "labs").glob("*/ledger")), process)

    assert_interrupted(process)
    assert_clean(tmp_path, before)


def test_interrupted_under_traffic_production_is_taken_down(tmp_path: Path) -> None:
    before = shared_memory()

    process = start(tmp_path)
    read_to("connections run between", process)

    assert_interrupted(process)
    assert_clean(tmp_path, before)


def test_without_its_receiver_it_says_so_and_takes_production_down(tmp_path: Path) -> None:
    before = shared_memory()

    process = start(tmp_path)
    read_to("connections run between", process)
    (lab,) = (one.name for one in (tmp_path / "state" / "labs").glob("production-*"))
    end = f"pkill -f {'replicate-[s]erver'}"  # inside the guest there are the lab's programs only
    run("exec", "--lab", lab, "collector", "--", "sh", "-c", end, folder=tmp_path, environment=state_of(tmp_path))
    _, rest = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 3, rest
    assert "demo: the program in collector ended early" in rest
    assert_clean(tmp_path, before)


def read_to(words: str, process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    while words not in (line := process.stderr.readline()):
        assert line, process.communicate()


def assert_interrupted(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, rest
    assert "demo: interrupted; production is taken down" in rest
