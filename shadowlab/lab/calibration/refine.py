"""Refinement in the loop: what is asked for.

In: a place to run shadows on.  Out: plain values.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shadowlab.lab.execute import Place


@dataclass(frozen=True, kw_only=True)
class Refine:
    """Runs of the shadow on the suspected bottlenecks: where, into which folder, at most how many, how long each."""

    place: Place
    folder: Path
    most_runs: int = 8
    duration_ns: int = 8_000_000_000
    seed: int = 1
