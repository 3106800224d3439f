"""``--json`` over the command tree: one document on stdout and nothing else.  Here those that need neither a guest nor
a run; the others are held by the tests of their rooms and by tests/stories."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from shadowlab.cli.commands import shadowlab
from shadowlab.cli.interrupt import Interrupt

ROOT = Path(__file__).parents[3]
MAP, DUMP = "topologies/abilene.yaml", "topologies/abilene/before.ss"
SCENARIO = "topologies/abilene-incident.yaml"
LINES = (
    f"plan {SCENARIO} --json",
    f"calibrate {MAP} {DUMP} --json",
    f"topology check {MAP} --json",
    f"topology show {MAP} --json",
    f"topology diff {MAP} {MAP} --json",
    f"telemetry validate {DUMP} --json",
    f"telemetry summary {DUMP} --json",
    f"telemetry attach {DUMP} {MAP} --json",
    "demo --list --json",
    "kernel list --json",
    "list --json",
)


@pytest.mark.parametrize("line", LINES)
def test_json_is_one_document_and_all_that_is_said(line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("FORCE_COLOR", "1")  # as in a terminal: a document has no colours there either

    done: Any = CliRunner().invoke(shadowlab, line.split(), obj=Interrupt())

    assert done.exit_code == 0, done.exception or done.stderr
    assert json.loads(done.stdout) is not None
    assert "\x1b" not in done.stdout
