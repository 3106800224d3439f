"""The whole grid of ``benchmarks/fidelity.py``, virtual clock: every target met, or missed for a stated reason."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.guest, pytest.mark.slow]

ROOT = Path(__file__).parents[2]


def test_every_target_is_met_or_its_miss_is_explained() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.fidelity"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.stdout, done.stderr
    end = json.loads(done.stdout.splitlines()[-1])
    assert end["missed"] == []
    assert end["cells_with_a_target"] > 150
    assert done.returncode == 0, done.stderr
