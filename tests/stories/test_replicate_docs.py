"""The how-to page of replication: what it shows for one machine works as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from replication import free_port

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "replicate.md"


@pytest.mark.story
def test_the_commands_for_one_machine_work(tmp_path: Path) -> None:
    found = re.search(r"^## Try it on one machine\n+```sh\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    script = found[1].replace("127.0.0.1:8443", f"127.0.0.1:{free_port()}").replace("--every 1 ", "--every 0.1 ")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    done = subprocess.run(
        ["sh", "-c", f"set -ex\n{script}wait $server\n"],
        cwd=tmp_path,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "our own JSON lines" in done.stdout
    assert (tmp_path / "replica" / "web" / "000001.jsonl").exists()
