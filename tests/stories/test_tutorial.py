"""The tutorial: every file is saved under the name it is given, every command works, in the order shown."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text()
FILES = re.findall(r"Save this as `([a-z_.]+)`.*?^```(?:yaml|python)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = "".join(re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))


@pytest.mark.slow
@pytest.mark.guest
def test_the_tutorial_works_as_it_is_written(tmp_path: Path) -> None:
    assert [name for name, _ in FILES] == ["shop.yaml", "incident.yaml", "test_shop.py"]
    for name, text in FILES:
        (tmp_path / name).write_text(text)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    done = subprocess.run(
        ["sh", "-c", f"set -ex\n{COMMANDS}"],
        cwd=tmp_path,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "ams-ber: loss since" in done.stdout
    assert "1 passed" in done.stdout
