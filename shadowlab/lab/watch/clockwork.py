"""The stages of a cycle, timed; and the clock of a watch.

In: the clock.  Out: the wall time of each stage, in their order.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from shadowlab.kernel.clock import KernelClock
from shadowlab.lab.interrupt import Interrupt, check
from shadowlab.lab.progress import Progress
from shadowlab.model.watch.cycle import StageTime


@dataclass(kw_only=True)
class Stages:
    """``now_ns`` is a monotonic clock; ``tell`` hears each stage as it begins."""

    now_ns: Callable[[], int]
    progress: Progress
    interrupt: Interrupt
    tell: Callable[[str], None] = lambda _: None
    done: list[StageTime] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[list[str]]:
        """The list takes notes.  A stage that raises is noted with its time all the same."""
        check(self.interrupt)
        self.progress.stage(name)
        self.tell(name)
        began, notes = self.now_ns(), list[str]()
        try:
            yield notes
        finally:
            seconds = round((self.now_ns() - began) / 1e9, 3)
            self.done.append(StageTime(name=name, wall_s=seconds, note="; ".join(notes)))

    def left_out(self, name: str, why: str) -> None:
        """A stage that had nothing to do."""
        self.done.append(StageTime(name=name, wall_s=0.0, note=f"left out: {why}"))


class RealClock(KernelClock):
    """The machine's, with a wait that :meth:`wake` ends, also from a signal handler."""

    def __init__(self) -> None:
        self._awake = threading.Event()

    def wait(self, until_ns: int) -> None:
        """Until then on the monotonic clock, or until somebody wakes us."""
        seconds = (until_ns - self.now_ns()) / 1e9
        if seconds > 0:
            self._awake.wait(seconds)
        self._awake.clear()

    def wake(self) -> None:
        """Somebody wants something."""
        self._awake.set()
