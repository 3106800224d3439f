"""``shadowlab mitigate`` on the folder of a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from shadowlab.cli.commands import shadowlab
from shadowlab.cli.interrupt import Interrupt
from shadowlab.errors import InputError
from shadowlab.model.cure.action import SetMetric
from shadowlab.model.plain import to_plain
from shadowlab.model.verdict import CureOutcome


def outcome(cure: str, kind: str, recovered: float, **more: object) -> CureOutcome:
    return CureOutcome(
        cure=cure,
        kind=kind,
        summary=f"{cure} it",
        rank=1,
        broken_share=1 - recovered,
        transient_share=0.5,
        severity=0.1,
        recovered=recovered,
        harm=0,
        **more,  # type: ignore[arg-type]
    )


@pytest.fixture
def run(tmp_path: Path) -> Path:
    action = SetMetric(link="a-b", a="a", b="b", before=1, after=9)
    cures = (outcome("metric x9", "metric", 0.9, actions=(action,)), outcome("do nothing", "nothing", 0.0))
    (tmp_path / "result.json").write_text(
        json.dumps({"format": "result/1", "scenario": "incident", "headline": "a-b: loss", "cures": to_plain(cures)})
    )
    return tmp_path


def call(*words: object) -> Result:
    return CliRunner().invoke(shadowlab, ["mitigate", *map(str, words)], obj=Interrupt())


def test_the_table_the_document_and_the_export_say_the_same(run: Path) -> None:
    table, document, exported = call(run), call(run, "--json"), call(run, "--export", "frr")

    assert "metric x9" in table.stdout
    assert [one["cure"] for one in json.loads(document.stdout)["cures"]] == ["metric x9", "do nothing"]
    assert "ip ospf cost 9" in exported.stdout
    assert [one.exit_code for one in (table, document, exported)] == [0, 0, 0]


def test_an_export_goes_into_a_file_and_says_so(run: Path, tmp_path: Path) -> None:
    found = call(run, "--export", "webhook", "-o", tmp_path / "cure.json")

    assert json.loads((tmp_path / "cure.json").read_text())["cure"] == "metric x9"
    assert (found.stdout, found.exit_code) == ("", 0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--export", "frr", "--cure", "metric x8"], "no cure is called 'metric x8': did you mean `metric x9`?"),
        (["--export", "frr", "--cure", "do nothing"], "do nothing asks nothing of production"),
    ],
)
def test_what_cannot_be_exported_is_told(run: Path, words: list[str], said: str) -> None:
    found = call(run, *words)

    assert isinstance(found.exception, InputError)
    assert said in str(found.exception)


def test_a_folder_without_rehearsed_cures_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "result.json").write_text(
        '{"format": "result/1", "scenario": "x", "headline": "", "cures": []}'
    )

    nothing, no_run = call(tmp_path / "empty"), call(tmp_path / "nowhere")

    assert "no cure was rehearsed" in str(nothing.exception)
    assert "is no folder of a finished run" in str(no_run.exception)
