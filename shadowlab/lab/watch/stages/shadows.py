"""Shadows of a cycle: built, driven and measured side by side.

In: what was prepared, a place.  Out: the indicators of each.  Never: a raw record left behind.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shadowlab.errors import ShadowFailedError
from shadowlab.kernel.examine.memory import free_bytes
from shadowlab.lab.analyse import Measured, measure
from shadowlab.lab.execute import LEAST_GUEST_BYTES, Place, Work, execute
from shadowlab.lab.interrupt import Interrupt
from shadowlab.lab.prepare import Prepared
from shadowlab.lab.progress import Progress
from shadowlab.lab.summaries import validity
from shadowlab.predict.cost import count_parts, map_cost, need_memory


@dataclass(frozen=True, kw_only=True)
class Shadows:
    """``scratch`` is the watch's own."""

    place: Place
    scratch: Path
    progress: Progress
    interrupt: Interrupt

    def memory_bytes(self, prepared: Prepared) -> int:
        """What a guest for it is given.  Raises CannotRunError where the machine has not as much."""
        cost = map_cost(count_parts(prepared.plan), self.place.kind)
        need_memory(cost, free_bytes(), "the shadow")
        return max(LEAST_GUEST_BYTES, cost.guest_bytes)

    def run(self, wanted: Mapping[str, Prepared]) -> dict[str, Measured]:
        """By name.  Raises ShadowFailedError for one that failed, or was measured late."""
        works = [
            Work(
                name=name,
                job=one.job(),
                folder=self.scratch / name,
                expected_wall_s=one.cost.wall_s,
                memory_bytes=self.memory_bytes(one),
                files=one.files,
            )
            for name, one in wanted.items()
        ]
        try:
            done = execute(self.place, works, self.progress.work, self.interrupt.asked)
            found = {}
            for work, ended in zip(works, done, strict=True):
                prepared = wanted[work.name]
                found[work.name] = measure(work.folder, prepared, prepared.scenario.duration_ns)
                valid, why = validity(self.place, found[work.name].punctual, ended.report)
                if not valid:
                    raise ShadowFailedError(f"{work.name}: {why}")
            return found
        finally:
            for work in works:
                shutil.rmtree(work.folder, ignore_errors=True)
