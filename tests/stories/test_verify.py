"""``shadowlab verify`` as people use it: a lab is proved to be its map, and what somebody changed behind its back is
named."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SHADOWLAB = str(Path(sys.executable).parent / "shadowlab")
MAP = """
shadowlab: map/1
name: office
nodes:
  web-1: {kind: host}
  r1: {kind: router}
links:
  web: {ends: [web-1, r1], delay: 5 ms, rate: 20 Mbit, queue: 20}
"""
SPOIL = "tc qdisc change dev to-web-1 root netem delay 60ms rate 2mbit limit 7 loss 40%"


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SHADOWLAB_STATE", str(tmp_path / "state"))
    (tmp_path / "office.yaml").write_text(MAP)
    shadowlab("up", str(tmp_path / "office.yaml"), "--kernel", "embedded")
    yield
    shadowlab("down", "office")


def shadowlab(*words: str, code: int = 0) -> str:
    done = subprocess.run([SHADOWLAB, *words], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, f"{words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


@pytest.mark.guest
@pytest.mark.story
def test_a_lab_is_its_map_until_somebody_changes_it(lab: None) -> None:
    assert "the kernel holds what was asked" in shadowlab("verify", "--quick")
    assert '"holds": true' in shadowlab("verify", "office", "web", "--time", "3", "--json")
    assert "did you mean `web`?" in shadowlab("verify", "office", "webb", code=2)
    assert "leave out links" in shadowlab("verify", "office", "web", "--isolation", code=2)

    shadowlab("exec", "r1", "--", *SPOIL.split())

    told = json.loads(shadowlab("verify", "--time", "3", "--json", code=1))
    off = {(one["direction"], one["quantity"]) for one in told["findings"] if one["grade"] == "off"}
    assert {direction for direction, _ in off} == {"web:r1>web-1"}
    assert {("web:r1>web-1", "delay"), ("web:r1>web-1", "loss")} <= off

    shadowlab("exec", "web-1", "--", "ip", "link", "set", "dev", "to-r1", "mtu", "1400")

    told = json.loads(shadowlab("verify", "--quick", "--json", code=1))
    differ = {(one["place"], one["attribute"]) for one in told["differences"]}
    assert {("r1/to-web-1", "latency_ns"), ("r1/to-web-1", "loss"), ("web-1/to-r1", "MTU")} <= differ
