"""The truth tests use the benchmark's own code: what is held here is what the page shows."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.truth.drive import Run
from shadowlab.lab.execute import choose_place


@pytest.fixture(scope="session")
def run() -> Run:
    """The embedded kernel on the virtual clock; without a kernel the tests fail, they are never skipped."""
    return Run(place=choose_place("embedded", "virtual"), jobs=1)
