"""The how-to page of networks in tests: the test file shown passes, as it is shown."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[2] / "docs" / "how-to"


def _shown(page: str, language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", (PAGES / page).read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.guest
def test_the_tests_shown_pass(tmp_path: Path) -> None:
    (tmp_path / "office.yaml").write_text(_shown("lab-mode.md", "yaml"))
    (tmp_path / "test_office.py").write_text(_shown("ci.md", "python"))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    done = subprocess.run(
        ["sh", "-c", _shown("ci.md", "sh")],
        cwd=tmp_path,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
