"""A lab over two hosts that are namespaces, on this machine's kernel, and so without delays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("over_hosts.py")


def check(told: dict[str, Any], *, underlay_rtt_ms: float, slack_ms: float) -> None:
    """``slack_ms``: what the machine itself takes for a round trip more or less."""
    assert told["status"] == told["rebuilt_status"] == "up"
    assert "needs 1550 there" in told["short"]
    assert abs(told["spread_ms"] - told["alone_ms"] - underlay_rtt_ms) < slack_ms
    assert abs(told["rebuilt_ms"] - told["alone_ms"]) < slack_ms
    assert (told["large"], told["exit_code"]) == (0, 7)
    assert (told["lost"], told["damaged"]) == (True, "damaged")
    assert "built anew on host one: b, right" in told["rebuilt"]
    assert told["left"] == []


@pytest.mark.slow
@pytest.mark.story
def test_two_hosts_carry_what_one_does_and_what_a_host_takes_with_it_is_built_on_the_other(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("makes named network namespaces, which only root may")
    words = [sys.executable, str(SCRIPT), str(tmp_path), "0", "0"]

    done = subprocess.run(words, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    check(json.loads(done.stdout), underlay_rtt_ms=0.0, slack_ms=5.0)
