"""The notebook's page in full: its blocks run one after the other, as they stand there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "notebook.md"
FLOWS = """{"network": {"nodes": ["a", "r", "c"], "links": [{"from": "a", "to": "r"}, {"from": "r", "to": "c"}]}}
{"src": "a", "dst": "c", "sent": 20000, "bad": 600}
{"src": "a", "dst": "r", "sent": 20000, "bad": 1}
"""


@pytest.mark.slow
def test_the_page_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "topologies").symlink_to(ROOT / "topologies")
    (tmp_path / "flows.jsonl").write_text(FLOWS)
    monkeypatch.chdir(tmp_path)

    known: dict[str, Any] = {}
    for language, block in re.findall(r"^```(python|sh)\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL):
        if language == "python":
            exec(compile(block, PAGE.name, "exec"), known)
        else:
            subprocess.run([sys.executable, "-m", *block.split()], check=True)

    assert known["run"].suspects["suspect"].tolist() and known["run"].cures["cure"].tolist()
    assert known["grid"].variants["variant"].tolist()[0] == "baseline" and len(known["grid"].variants) > 2
    for name in ("net", "run", "answer", "grid", "known", "found"):
        assert len(known[name]._repr_html_()) > 100, name
