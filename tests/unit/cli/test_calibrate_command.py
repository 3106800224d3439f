"""``shadowlab calibrate``: a report, a map, a state, one JSON document; one line for what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NoReturn

import click
import pytest
from click.testing import CliRunner, Result

from shadowlab.cli.commands import shadowlab
from shadowlab.cli.interrupt import Interrupt
from shadowlab.errors import InputError
from shadowlab.topology.formats import load_map

TOPOLOGIES = Path(__file__).parents[3] / "topologies"
MAP, TELEMETRY = TOPOLOGIES / "abilene.yaml", TOPOLOGIES / "abilene" / "before.ss"


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(
        shadowlab, ["calibrate", *map(str, words), "--no-refine"], obj=Interrupt(), catch_exceptions=False
    )


class InterruptedAt(Interrupt):
    """A signal comes in the given stretch in which signals are only noted; the process that ends is this test's."""

    def __init__(self, stretch: int) -> None:
        super().__init__()
        self.left = stretch

    def something_to_lose(self) -> None:
        super().something_to_lose()
        self.left -= 1
        if not self.left:
            self(2, None)

    def _leave(self) -> NoReturn:
        click.echo(self._state, err=True)
        raise SystemExit(130)


@pytest.mark.parametrize(
    ("stretch", "whole", "told"), [(1, False, "nothing was left behind"), (2, True, "written: ")], ids=["find", "write"]
)
def test_interrupted_it_leaves_all_files_or_none(tmp_path: Path, stretch: int, whole: bool, told: str) -> None:
    out, state = tmp_path / "true.yaml", tmp_path / "state.json"
    words = ["calibrate", str(MAP), str(TELEMETRY), "--out", str(out), "--state", str(state), "--no-refine", "-q"]

    done = CliRunner().invoke(shadowlab, words, obj=InterruptedAt(stretch))

    assert done.exit_code == 130
    assert told in done.stderr
    assert sorted(tmp_path.iterdir()) == ([state, out] if whole else [])
    if whole:
        assert load_map(out).links
        assert json.loads(state.read_text())["shadowlab"] == "calibration/1"


def test_the_report_has_a_line_for_every_direction_and_says_what_is_known(tmp_path: Path) -> None:
    done = run(MAP, TELEMETRY, "--report", "--out", tmp_path / "true.yaml")

    assert done.exit_code == 0
    assert "176 of 176 records attached: 44 connections" in done.stdout
    (line,) = [one for one in done.stdout.splitlines() if one.startswith("sun>den ")]
    assert "8.1" in line and "≥" in line and "~" not in line
    assert load_map(tmp_path / "true.yaml").links_by_id["sun-den"].forward.delay_ns == pytest.approx(
        8.37e6, abs=0.367e6
    )
    assert "segment " in done.stdout and "would split it" in done.stdout


def test_json_is_one_document_and_the_state_is_taken_up_again(tmp_path: Path) -> None:
    state = tmp_path / "state.json"

    first, second = (run(MAP, TELEMETRY, "--state", state, "--json") for _ in range(2))

    assert json.loads(first.stdout)["shadowlab"] == "calibration/1"
    assert json.loads(second.stdout) == json.loads(state.read_text())
    assert json.loads(first.stdout)["links"] == json.loads(second.stdout)["links"], "nothing new in the same records"


@pytest.mark.parametrize("text", ["{", "[]", '{"shadowlab": "calibration/1", "map": "elsewhere"}', "\x00"])
def test_a_state_that_is_none_is_named_with_its_cure(tmp_path: Path, text: str) -> None:
    state = tmp_path / "state.json"
    state.write_text(text)

    with pytest.raises(InputError, match=r"state\.json.*(name another file|NUL|text)"):
        run(MAP, TELEMETRY, "--state", state)

    assert state.read_text() == text, "it was left alone"


def test_records_of_another_network_are_refused_with_a_cure(tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(
        "shadowlab: map/1\nname: other\nnodes: {a: {kind: host}, b: {kind: host}}\n"
        "links: {a-b: {ends: [a, b], delay: 1ms}}\n"
    )

    with pytest.raises(InputError, match=r"none of its [0-9]+ records belongs to .*telemetry attach"):
        run(other, TELEMETRY)
