"""The demo scenario on the virtual clock: wall time of the whole run, rehearsals and report included, set-up apart."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import report

SCENARIO = Path(__file__).parents[1] / "topologies" / "abilene-incident.yaml"
RUNS = 3


def main() -> None:
    """Print wall seconds of the whole command, and network seconds per wall second of the main run."""
    walls, speeds, seconds = [], [], 0.0
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "run"
            before = time.monotonic()
            subprocess.run(
                [sys.executable, "-m", "shadowlab", "run", str(SCENARIO), "--out", str(out), "--json"],
                check=True,
                stdout=subprocess.DEVNULL,
            )
            walls.append(time.monotonic() - before)
            manifest = json.loads((out / "manifest.json").read_text())
            seconds = manifest["network_seconds"]
            speeds.append(seconds / manifest["wall_seconds"]["main run"])
    report(benchmark="demo scenario, whole command", unit="s", values=walls, target=60, network_seconds=seconds)
    report(benchmark="demo scenario, main run", unit="network s per wall s", values=speeds)


if __name__ == "__main__":
    main()
