"""The floor: the kernel's own time for what we ask of it, the very same messages sent again from C.

In: a recording.  Out: seconds.  Nothing is read back, and nothing waits for carriers: that is ours to pay for.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from benchmarks.fabric.gone import Witness

_SOURCE = Path(__file__).with_name("floor.c")


def compile_floor(folder: Path) -> Path:
    """The program.  Raises CalledProcessError, FileNotFoundError (no compiler)."""
    program = folder / "floor"
    subprocess.run(["gcc", "-O2", "-Wall", "-o", str(program), str(_SOURCE)], check=True)
    return program


def time_floor(program: Path, recording: Path) -> dict[str, float]:
    """Seconds of each step."""
    with Witness() as witness:
        done = subprocess.run([str(program), str(recording)], text=True, check=True, stdout=subprocess.PIPE)
        seconds = {step: float(value) for step, value in map(str.split, done.stdout.splitlines())}
        return seconds | witness.ends(seconds["down"])
