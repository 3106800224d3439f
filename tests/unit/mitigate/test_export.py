"""A chosen cure as text: right for its program, and no name becomes code."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from shadowlab.mitigate.export import FORMS
from shadowlab.mitigate.export.subject import Subject
from shadowlab.model.cure.action import (
    AddInstance,
    HoldRate,
    MoveRoute,
    RunRemediation,
    SetCapacity,
    SetControl,
    SetInstance,
    SetMetric,
    SetQueue,
    SetWeights,
    undone,
)

EVIL = "a'; touch PWNED #\n$(touch PWNED) {{ lookup('pipe','touch PWNED') }}"
ACTIONS = (
    SetMetric(link="kan-ind", a="kan", b="ind", before=10, after=500),
    MoveRoute(node="kan", target="web", before=("ind",), after=("den", "hou")),
    SetWeights(node="den", target="db", by=("kan", "kan"), links=("den-kan", "dk2"), before=(1, 1), after=(1, 8)),
    SetCapacity(link="kan-ind", source="kan", target="ind", before_bps=10, after_bps=20),
    SetQueue(link="kan-ind", source="kan", target="ind", before=("pfifo", "limit", "50"), after=("fq_codel",)),
    SetControl(nodes=("web", "db"), before="cubic", after="bbr"),
    HoldRate(source="db", target="backup", before_bps=8_000_000, after_bps=4_000_000),
    SetInstance(node="web", before=2, after=4),
    AddInstance(workload="pages", node="web2", like="web"),
    RunRemediation(node="kan", link="kan-ind", name="fec", text="true\n", timeout_s=10),
)


def subject(*actions: object, name: str = "a cure") -> Subject:
    return Subject(run="incident", cure=name, summary=name, gain="less", actions=actions)  # type: ignore[arg-type]


def evil() -> Subject:
    return subject(
        SetMetric(link=EVIL, a=EVIL, b="b", before=1, after=2),
        MoveRoute(node=EVIL, target=EVIL, before=(EVIL,), after=(EVIL,)),
        SetWeights(node=EVIL, target=EVIL, by=(EVIL, "b"), links=(EVIL, "c"), before=(1, 1), after=(1, 8)),
        SetQueue(link=EVIL, source=EVIL, target=EVIL, before=(EVIL,), after=(EVIL,)),
        SetControl(nodes=(EVIL,), before=EVIL, after=EVIL),
        HoldRate(source=EVIL, target=EVIL, before_bps=2, after_bps=8000),
        AddInstance(workload=EVIL, node=EVIL, like=EVIL),
        RunRemediation(node=EVIL, link=EVIL, name=EVIL, text=EVIL, timeout_s=1),
        name=EVIL,
    )


@pytest.mark.parametrize("form", FORMS)
def test_every_form_writes_every_action_or_says_it_is_for_people(form: str) -> None:
    text = FORMS[form](subject(*ACTIONS))

    assert text.endswith("\n")
    assert "AddInstance" in text or "another server of pages at web2" in text


def test_the_shell_script_does_on_each_node_what_is_due_there_and_takes_it_back(tmp_path: Path) -> None:
    script = tmp_path / "cure.sh"
    script.write_text(FORMS["iproute2"](subject(*ACTIONS)))
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("ip", "tc", "sysctl"):
        (tools / name).write_text(f'#!/bin/sh\necho "{name} $*"\n')
        (tools / name).chmod(0o755)
    blanks = {line.split(":?")[0][5:]: "X" for line in script.read_text().splitlines() if line.startswith(': "${')}

    def run(*words: str, given: bool = True) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": f"{tools}:/usr/bin:/bin"} | (blanks if given else {})
        return subprocess.run(["sh", str(script), *words], capture_output=True, text=True, env=environment, check=False)

    applied, back, missing = run("apply", "kan"), run("roll_back", "kan"), run("apply", "kan", given=False)

    assert applied.stdout.splitlines() == [
        "ip route replace X nexthop via X dev X nexthop via X dev X",
        "tc qdisc replace dev X root fq_codel",
    ]
    assert back.stdout.splitlines() == ["tc qdisc replace dev X root pfifo limit 50", "ip route replace X via X dev X"]
    assert run("apply", "db").stdout.splitlines() == [
        "sysctl -w net.ipv4.tcp_congestion_control=bbr",
        "tc qdisc replace dev X root fq maxrate 500000bps",
    ]
    assert (missing.returncode, missing.stdout) == (2, "")
    assert "fill in" in missing.stderr


def test_no_name_of_a_map_becomes_code_in_a_shell(tmp_path: Path) -> None:
    script = tmp_path / "cure.sh"
    script.write_text(FORMS["iproute2"](evil()))
    blanks = {line.split(":?")[0][5:]: "X" for line in script.read_text().splitlines() if line.startswith(': "${')}

    for words in (["apply", EVIL], ["roll_back", EVIL], ["apply", "other"]):
        subprocess.run(
            ["sh", str(script), *words],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin"} | blanks,
            capture_output=True,
            check=False,
        )

    assert not (tmp_path / "PWNED").exists()
    assert shutil.which("sh")  # or nothing was tried


def test_no_name_of_a_map_ends_a_comment_or_a_line_of_configuration() -> None:
    for form in ("frr", "nft"):
        code = [line.partition("#")[0].partition("!")[0] for line in FORMS[form](evil()).splitlines()]
        assert not [line for line in code if "touch PWNED" in line]


def test_ansible_gets_lists_of_words_and_no_template_but_its_own() -> None:
    plays = yaml.safe_load(FORMS["ansible"](evil()))

    tasks = [task for play in plays for task in play["tasks"]]
    commands = [task["ansible.builtin.command"]["argv"] for task in tasks if "ansible.builtin.command" in task]
    assert commands
    assert all(isinstance(word, str) for argv in commands for word in argv)
    templates = re.findall(r"\{\{(.*?)\}\}", " ".join(word for argv in commands for word in argv))
    assert templates
    assert all(re.fullmatch(r" [a-z0-9_]+ ", one) for one in templates)
    assert all("never" in task["tags"] for task in tasks)


def test_the_webhooks_body_is_json_with_the_way_back_in_the_opposite_order() -> None:
    body = json.loads(FORMS["webhook"](subject(*ACTIONS)))

    assert [one["is"] for one in body["actions"]] == [type(one).__name__ for one in ACTIONS]
    assert [one["is"] for one in body["roll_back"]][-1] == "SetMetric"
    assert body["format"] == "shadowlab/cure/1"


def test_what_is_undone_twice_is_what_it_was() -> None:
    for one in ACTIONS:
        back = undone(one)
        if back is not None and not isinstance(one, HoldRate):
            assert undone(back) == one
