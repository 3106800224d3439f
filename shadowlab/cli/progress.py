"""The live display of a run on a terminal: one line per stage done, one bar per piece of work under way.

On stderr, so that stdout carries results only; nothing at all when stderr is not a terminal.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from shadowlab.lab.progress import Progress, Silent


class _Terminal:
    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self._stage = ""
        self._since = time.monotonic()

    def stage(self, name: str) -> None:
        self.close()
        self._stage, self._since = name, time.monotonic()
        self._tasks["stage"] = self._bars.add_task(name, total=None)

    def work(self, name: str, fraction: float) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(f"  {name}", total=1.0)
        self._bars.update(self._tasks[name], completed=fraction)

    def close(self) -> None:
        for task in self._tasks.values():
            self._bars.remove_task(task)
        self._tasks.clear()
        if self._stage:
            self._bars.console.print(f"[green]✓[/] {self._stage} [dim]{time.monotonic() - self._since:.1f} s[/]")
            self._stage = ""


@contextmanager
def shown_progress(*, quiet: bool = False) -> Iterator[Progress]:
    """A display on a terminal, silence in a pipe."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield Silent()
        return
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=30), TimeElapsedColumn())
    with Bars(*columns, console=console, transient=True) as bars:
        terminal = _Terminal(bars)
        yield terminal
        terminal.close()
