"""``shadowlab mitigate --execute`` against a production of scripts that write into a folder."""

from __future__ import annotations

import json
import os
import pwd
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shadowlab.model.cure.action import SetMetric
from shadowlab.model.plain import to_plain
from shadowlab.model.verdict import CureOutcome

CURE = CureOutcome(
    cure="metric x9",
    kind="metric",
    summary="raise it",
    rank=1,
    broken_share=0.1,
    transient_share=0.5,
    severity=0.1,
    recovered=0.9,
    harm=0,
    actions=(SetMetric(link="a-b", a="a", b="b", before=1, after=9),),
)
SET = """\
#!/bin/sh
echo "$1" > {folder}/metric
cat >> {folder}/input
{more}
"""
FORM = """\
shadowlab: executor/1
enabled: true
audit: audit.jsonl
approvers: [{user}]
time_limit: 300 ms
level: {{command: [{folder}/holds], every: 10 ms, within: 100 ms, in_a_row: 1}}
actions:
  metric: {{do: [{folder}/set, "{{after}}"]}}
"""


class Production:
    """A metric that is a file, a service level that is a script."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        result = {"format": "result/1", "scenario": "incident", "headline": "", "cures": to_plain((CURE,))}
        (folder / "result.json").write_text(json.dumps(result))
        user = pwd.getpwuid(os.getuid()).pw_name
        (folder / "executor.yaml").write_text(FORM.format(user=user, folder=folder))
        (folder / "executor.yaml").chmod(0o644)
        self.script("holds", "#!/bin/sh\nexit 0\n")
        self.script("set", SET.format(folder=folder, more=""))

    def script(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)
        (self.folder / name).chmod(0o755)

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable,
            "-m",
            "shadowlab",
            "mitigate",
            *words,
            "--execute",
            str(self.folder / "executor.yaml"),
        ]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def approved(self) -> subprocess.CompletedProcess[str]:
        shown = self.call(str(self.folder), "--json")
        assert shown.returncode == 0, shown.stderr
        return self.call(str(self.folder), "--approve", json.loads(shown.stdout)["digest"])

    @property
    def metric(self) -> str:
        file = self.folder / "metric"
        return file.read_text().strip() if file.exists() else ""


@pytest.fixture
def production(tmp_path: Path) -> Production:
    return Production(tmp_path)


def test_a_dry_run_executes_nothing_and_its_digest_executes(production: Production) -> None:
    shown = production.call(str(production.folder))
    assert production.metric == ""
    assert f"do    {production.folder}/set 9" in shown.stdout
    assert f"back  {production.folder}/set 1" in shown.stdout

    done = production.approved()

    assert (done.returncode, production.metric) == (0, "9")
    assert json.loads((production.folder / "input").read_text())["is"] == "SetMetric"


def test_a_program_that_hangs_is_stopped_and_the_cure_taken_back(production: Production) -> None:
    hang = '[ "$1" = 9 ] && sleep 77777 & [ "$1" = 9 ] && sleep 77777; true'
    production.script("set", SET.format(folder=production.folder, more=hang))

    done = production.approved()

    assert (done.returncode, production.metric) == (1, "1"), done.stderr
    assert "taken back: metric of a-b (a, b): 1 to 9: stopped after 300 ms" in done.stdout


def test_an_executor_that_is_killed_between_action_and_way_back_is_resumed_from_its_log(production: Production) -> None:
    kill = '[ "$1" = 9 ] && kill -9 $PPID; true'
    production.script("set", SET.format(folder=production.folder, more=kill))
    killed = production.approved()
    assert (killed.returncode, production.metric) == (-signal.SIGKILL, "9")
    again = production.approved()
    assert again.returncode == 2
    assert "is still to be taken back: --recover does that" in again.stderr

    done = production.call("--recover")

    assert (done.returncode, production.metric) == (0, "1"), done.stderr
    assert "nothing is left to be taken back" in production.call("--recover").stdout


def test_who_is_no_approver_executes_nothing(production: Production) -> None:
    file = production.folder / "executor.yaml"
    file.write_text(file.read_text().replace(f"[{pwd.getpwuid(os.getuid()).pw_name}]", "[nobody-else]"))

    done = production.approved()

    assert (done.returncode, production.metric) == (2, "")
    assert "is none of the approvers: nobody-else" in done.stderr
