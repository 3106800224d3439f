"""A lab over two hosts with delays, in the map and in the underlay: on a stock kernel under qemu, which has netem."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNDERLAY_MS = 20
LINK_MS = 30
SLACK_MS = 20.0
"""An emulated processor takes milliseconds for what others do in microseconds."""


@pytest.mark.vm
@pytest.mark.slow
def test_a_cut_link_adds_the_underlays_delay_and_nothing_else() -> None:
    script = "mkdir /tmp/over && exec $0 tests/stories/over_hosts.py /tmp/over $1 $2"
    words = ["sh", "-c", script, sys.executable, str(LINK_MS), str(UNDERLAY_MS)]

    done = subprocess.run(
        [ROOT / "scripts" / "vm", "--timeout", "1200", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["alone_ms"] == pytest.approx(6 * LINK_MS, abs=SLACK_MS)
    assert told["spread_ms"] - told["alone_ms"] == pytest.approx(2 * UNDERLAY_MS, abs=SLACK_MS)
    assert told["rebuilt_ms"] == pytest.approx(told["alone_ms"], abs=SLACK_MS)
    assert (told["large"], told["exit_code"], told["lost"], told["left"]) == (0, 7, True, [])
