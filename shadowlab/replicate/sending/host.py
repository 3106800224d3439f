"""The host's own figures, by psutil.

In: nothing.  Out: the fields of a host's record that this machine tells.  Never: a figure that could not be read.
"""

from __future__ import annotations

import os
from typing import Any


class HostFigures:
    """CPU share since the reading before (the first has none), run queue, memory."""

    def __init__(self) -> None:
        import psutil

        self._psutil = psutil
        self._first = True

    def read(self) -> dict[str, Any]:
        """The figures now."""
        share = self._psutil.cpu_percent(interval=None) / 100
        memory = self._psutil.virtual_memory()
        figures: dict[str, Any] = {
            "host_memory_used_bytes": int(memory.total - memory.available),
            "host_memory_total_bytes": int(memory.total),
        }
        if not self._first:
            figures["host_cpu_share"] = min(1.0, max(0.0, share))
        self._first = False
        try:
            with open("/proc/loadavg", encoding="ascii") as file:
                # "0.20 0.18 0.12 1/80 11206": the fourth is runnable/existing, and we ourselves are among the runnable.
                runnable = int(file.read().split()[3].partition("/")[0])
            figures["host_run_queue"] = float(max(0, runnable - 1))
        except (OSError, ValueError, IndexError):
            pass
        return figures


def processor_time_ns() -> int:
    """What this process used of processors so far."""
    times = os.times()
    return round((times.user + times.system) * 1e9)
