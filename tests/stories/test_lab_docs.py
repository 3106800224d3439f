"""The how-to pages of labs: every command shown works, in the order in which it is shown."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[2] / "docs" / "how-to"
MAP = re.search(r"^```yaml\n(.*?)^```", (PAGES / "lab-mode.md").read_text(), re.MULTILINE | re.DOTALL)
PYTHON = re.search(r"^```python\n(.*?)^```", (PAGES / "lab-mode.md").read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    assert MAP is not None
    (tmp_path / "office.yaml").write_text(MAP[1])
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    found = os.environ | {"SHADOWLAB_STATE": str(tmp_path / "state"), "PATH": path}
    yield found
    for lab in (tmp_path / "state" / "labs").glob("[!.]*"):  # a command that failed left it up
        subprocess.run(["shadowlab", "down", lab.name], env=found, capture_output=True, timeout=60, check=False)


@pytest.mark.guest
@pytest.mark.parametrize("page", ["lab-mode", "hot-change", "clean-up", "isolation", "verify"])
def test_the_commands_shown_work(page: str, tmp_path: Path, environment: dict[str, str]) -> None:
    text = (PAGES / f"{page}.md").read_text()
    script = "set -ex\n" + "".join(re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL))

    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert [file.name for file in (tmp_path / "state" / "labs").iterdir()] == [".lock"]


@pytest.mark.guest
def test_the_python_shown_works(tmp_path: Path, environment: dict[str, str]) -> None:
    assert PYTHON is not None

    done = subprocess.run(
        [sys.executable, "-c", PYTHON[1]],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert " web-1\n" in done.stdout
