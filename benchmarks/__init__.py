"""Speed and accuracy, measured: one topic per file, one JSON line per result; ``scripts/bench`` runs them.

Machines are noisy and shared: every line carries the median, how many runs it stands on, and the target.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence


def report(*, benchmark: str, unit: str, values: Sequence[float], target: float | None = None, **more: object) -> None:
    """Print one JSON line."""
    line = {
        "benchmark": benchmark,
        "unit": unit,
        "median": round(statistics.median(values), 6),
        "min": round(min(values), 6),
        "max": round(max(values), 6),
        "runs": len(values),
        "target": target,
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)),
    }
    print(json.dumps(line | more, ensure_ascii=False), flush=True)
