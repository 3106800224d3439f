"""Odd files of observations, as a user meets them at the command: refused with one line, or answered soundly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from wires import network, write

from shadowlab.cli.main import main

SMALL = {"network": {"nodes": ["a", "b", "c"], "links": [{"from": "a", "to": "b"}, {"from": "b", "to": "c"}]}}
FLOW: dict[str, Any] = {"src": "a", "dst": "c", "sent": 10, "bad": 1, "paths": [["a", "b", "c"]]}


def said(capsys: pytest.CaptureFixture[str], path: Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["localize", str(path), "--json"])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        pytest.param([SMALL, FLOW | {"bad": 11}], "line 2: 11 packets bad of 10 sent", id="more bad than sent"),
        pytest.param([SMALL, FLOW | {"paths": [["a", "x", "c"]]}], "the node 'x', which is not", id="unknown node"),
        pytest.param([{"network": {"nodes": [], "links": []}}, FLOW], "line 1: the network has no nodes", id="empty"),
        pytest.param([SMALL, FLOW | {"sent": 1e308}], "line 2: sent is 1e+308", id="1e308 packets"),
        pytest.param([SMALL, json.dumps(FLOW).replace("10", "NaN")], "line 2: sent is nan", id="NaN"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: list[Any], words: str
) -> None:
    code, out, err = said(capsys, write(tmp_path, lines))

    assert (code, out, err.count("\n")) == (2, "", 1)
    assert words in err


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([SMALL], id="no flow"),
        pytest.param([SMALL, *[FLOW | {"sent": 0, "bad": 0}] * 3], id="zero packets"),
        pytest.param([SMALL, FLOW | {"bad": 0}], id="one flow"),
        pytest.param([SMALL, FLOW | {"sent": 1e15, "bad": 0.5}], id="as many packets as may be"),
    ],
)
def test_what_says_little_names_no_link(tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: list[Any]) -> None:
    code, out, err = said(capsys, write(tmp_path, lines))

    assert (code, err) == (0, "")
    assert json.loads(out)["flows"] == len(lines) - 1
    assert json.loads(out)["suspects"] == []


def test_a_loop_is_named_and_counts_for_no_link(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    turning = {"src": "h00", "dst": "h20", "sent": 5, "bad": 5, "paths": [["h00", "l0", "s1", "l0"]]}

    code, out, _ = said(capsys, write(tmp_path, [network(), turning]))

    document = json.loads(out)
    assert (code, document["suspects"], document["flows"]) == (0, [], 0)
    assert [(one["fault"], one["components"][0]["name"]) for one in document["routing"]] == [("loop", "l0")]
