"""Progress of many runs as one: how many of them are done.

In: a face's progress, how many runs there are.  Out: a :class:`~shadowlab.lab.progress.Progress` for the runs.
"""

from __future__ import annotations

import threading

from shadowlab.lab.progress import Progress


class Overall:
    """One bar for a round of runs; each run under way counts with its own fraction."""

    def __init__(self, face: Progress) -> None:
        self._face = face
        self._lock = threading.Lock()
        self._total = 1
        self._under_way: dict[str, float] = {}
        self._known = 0

    def round(self, name: str, total: int) -> None:
        """A new round of so many runs begins."""
        with self._lock:
            self._total, self._under_way, self._known = max(1, total), {}, 0
        self._face.stage(name)

    def known(self) -> None:
        """One of them was run before."""
        with self._lock:
            self._known += 1
        self._show()

    def stage(self, name: str) -> None:
        self._face.stage(name)

    def work(self, name: str, fraction: float) -> None:
        with self._lock:
            self._under_way[name] = fraction
        self._show()

    def _show(self) -> None:
        with self._lock:
            done = self._known + sum(self._under_way.values())
            name, share = f"{self._total} runs", min(1.0, done / self._total)
        self._face.work(name, share)
