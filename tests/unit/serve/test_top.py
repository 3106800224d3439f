"""``shadowlab top``: what is worst stands first, also where nobody sees a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from shadowlab.cli.commands import shadowlab
from shadowlab.cli.interrupt import Interrupt

from .folders import a_run, a_watch


@pytest.mark.parametrize(("make", "guilty"), [(a_run, "chicago>indianapolis"), (a_watch, "denver>kansascity")])
def test_the_guilty_direction_and_the_incident_come_first(make: object, guilty: str, tmp_path: Path) -> None:
    folder = make(tmp_path / "one")  # type: ignore[operator]

    plain = CliRunner().invoke(shadowlab, ["top", str(folder), "--json", "--rows", "3"], obj=Interrupt())
    shown = CliRunner().invoke(shadowlab, ["top", str(folder), "--once"], obj=Interrupt(), env={"COLUMNS": "160"})

    document = json.loads(plain.stdout)
    assert document["directions"][0]["id"] == guilty and len(document["directions"]) == 3
    assert document["paths"][0]["affected"] and document["incidents"][0]["open"]
    assert shown.exit_code == 0 and guilty in shown.stdout and document["overview"]["headline"] in shown.stdout
    assert "\x1b" not in shown.stdout


def test_what_is_no_run_is_told(tmp_path: Path) -> None:
    (tmp_path / "other").touch()

    found = CliRunner().invoke(shadowlab, ["top", str(tmp_path)], obj=Interrupt())

    assert found.exit_code != 0 and "neither the folder of a run" in str(found.exception)
