"""A run on the real clock that is late says so, second by second, and refuses its verdict."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from user_command import run

pytestmark = [pytest.mark.story, pytest.mark.guest, pytest.mark.slow]

SMOKE = Path(__file__).parents[1] / "vm" / "smoke.yaml"


def test_a_run_measured_late_has_no_verdict_and_shows_nothing_of_the_void(tmp_path: Path) -> None:
    # Timers in the embedded kernel on the real clock come in steps of milliseconds: 10 µs is a promise nobody keeps.
    ended = run("run", str(SMOKE), "--clock", "real", "--late", "10 us", "--out", "out", "--quiet", folder=tmp_path)
    result = json.loads((tmp_path / "out/result.json").read_text())
    with (tmp_path / "out/paths.csv").open() as file:
        rows = list(csv.DictReader(file))

    assert ended.code == 1, ended.stderr
    assert "No verdict: 20 of 20 seconds were measured late." in ended.stdout
    assert "--clock virtual" in ended.stdout
    assert result["provenance"]["void_windows_ns"] == [[0, 20 * 10**9]]
    assert (result["holds"], result["fault_domain"], result["anomalies"]) == (False, None, [])
    assert {(one["latency_ms"], one["void"]) for one in rows} == {("", "1")}
    assert "void" in (tmp_path / "out/report/report.html").read_text()
    asked = json.loads(run("query", "out", "latency_ms", "--json", folder=tmp_path).stdout)
    assert "void" in json.dumps(asked)
