"""The demo with a production of its own: a second segment, agents in its nodes, and the shadow of what they told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from user_command import PATIENCE_S, assert_nothing_left, shared_memory

from shadowlab.telemetry.reading import open_telemetry

pytestmark = [pytest.mark.story, pytest.mark.guest, pytest.mark.slow]

SCRIPT = Path(__file__).parents[2] / "scripts" / "demo_production.py"


def start(folder: Path) -> subprocess.Popen[str]:
    scratch = folder / "tmp"
    scratch.mkdir()
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), "production", "out"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(scratch), "SHADOWLAB_STATE": str(folder / "state")},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def assert_clean(folder: Path, before: list[str]) -> None:
    assert_nothing_left(folder, before)
    assert [one.name for one in (folder / "state" / "labs").iterdir() if one.is_dir()] == []
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


@pytest.mark.parametrize("moment", ["production is lab", "connections run between"])
def test_interrupted_it_takes_production_down(moment: str, tmp_path: Path) -> None:
    before = shared_memory()

    process = start(tmp_path)
    assert process.stderr is not None
    while moment not in (line := process.stderr.readline()):
        assert line, process.communicate()
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 130, rest
    assert "demo: interrupted; production is taken down" in rest
    assert_clean(tmp_path, before)
