"""The gallery: each scenario that comes with ShadowLab ends as its page says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "gallery.md").read_text()
SCENARIOS = sorted(
    path.stem for path in (ROOT / "topologies").glob("*.yaml") if "shadowlab: scenario/" in path.read_text()
)


def _shadowlab(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "shadowlab", *words],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_the_page_tells_of_every_scenario_and_shows_it() -> None:
    assert sorted(re.findall(r"^## .*: `([a-z-]+)`$", PAGE, re.MULTILINE)) == SCENARIOS
    for name in SCENARIOS:
        assert (ROOT / "docs" / "images" / "gallery" / f"{name}.png").is_file(), name


@pytest.mark.slow
@pytest.mark.guest
@pytest.mark.parametrize("name", [one for one in SCENARIOS if one != "abilene-incident"])
def test_it_ends_as_expected(name: str, tmp_path: Path) -> None:
    done = _shadowlab("demo", name, "--json", "--quiet", cwd=tmp_path)

    assert done.returncode == 0, done.stderr + done.stdout[:2000]
    told = json.loads(done.stdout)["expectations"]
    assert told, "a scenario of the gallery expects something"
    assert set(told.values()) == {True}


@pytest.mark.slow
@pytest.mark.guest
def test_the_move_to_the_other_coast_breaks_the_levels_of_the_east(tmp_path: Path) -> None:
    (asked,) = re.findall(r"^shadowlab (whatif .*)$", PAGE, re.MULTILINE)
    words = [word.replace("topologies/", f"{ROOT}/topologies/") for word in asked.split()]

    done = _shadowlab(*words, "--json", cwd=tmp_path)

    assert done.returncode == 1, done.stderr
    assert '"sign-in east"' in done.stdout
