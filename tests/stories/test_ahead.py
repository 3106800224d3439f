"""Questions about the network as it would be, as a user types them."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from user_command import PATIENCE_S, assert_nothing_left, run, shared_memory, small_scenario, start, until

BAD = {
    "fail=north-sout": "did you mean `north-south`?",
    "fail=north-south,at=30s": "ask with a longer --duration",
    "growth=1e9": "must lie between 0.01 and 1000",
    "reroute=north-south,weight=300": "less than or equal to 256",
}


@pytest.mark.story
@pytest.mark.guest
def test_a_sweep_that_is_killed_goes_on_where_it_was_and_answers_the_same(tmp_path: Path) -> None:
    small_scenario(tmp_path)
    memory = shared_memory()
    words = ["sweep", "incident.yaml", "-s", "fail=north-south|web-north", "--duration", "10s", "--most-runs", "1"]
    process = start(*words, "--out", "killed", folder=tmp_path)
    until(lambda: any((tmp_path / "killed" / "results").glob("*.json")), process)

    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=PATIENCE_S)
    before = {one.name: one.stat().st_mtime_ns for one in (tmp_path / "killed" / "results").iterdir()}
    again = run(*words, "--out", "killed", "--json", folder=tmp_path)

    after = {one.name: one.stat().st_mtime_ns for one in (tmp_path / "killed" / "results").iterdir()}
    assert before.items() <= after.items()
    answer = json.loads(again.stdout)
    assert again.code == 1, again.stderr
    assert [(one["name"], one["verdict"]) for one in answer["variants"]] == [
        ("fail=north-south", "holds"),
        ("fail=web-north", "breaks"),
    ]
    assert answer["variants"][1]["cut"] == ["web→api", "web→db"]
    assert (tmp_path / "killed" / "answer.json").read_text() == again.stdout
    assert_nothing_left(tmp_path, memory)


@pytest.mark.story
def test_bad_questions_are_one_clear_line(tmp_path: Path) -> None:
    small_scenario(tmp_path)

    for text, words in BAD.items():
        done = run("whatif", "incident.yaml", "--scenario", text, folder=tmp_path)

        assert (done.code, done.stdout) == (2, "")
        assert words in done.stderr
        assert len(done.stderr.splitlines()) == 1
