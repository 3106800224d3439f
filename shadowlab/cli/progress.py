"""The live display of a run on a terminal: one line per stage done, one bar per piece of work under way.

On stderr, so that stdout carries results only; nothing at all when stderr is not a terminal.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from shadowlab.lab.progress import Progress, Silent

_VARIABLE = "SHADOWLAB_PROGRESS"
LINES = {_VARIABLE: "lines"}
"""The environment of a command that is to tell its progress to a program."""


class _Terminal:
    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._shown: list[TaskID] = []
        self._works: dict[str, TaskID] = {}
        self._stage = ""
        self._since = time.monotonic()

    def stage(self, name: str) -> None:
        self.close()
        self._stage, self._since = name, time.monotonic()
        self._show(escape(name), total=None)

    def work(self, name: str, fraction: float) -> None:
        if name not in self._works:
            self._works[name] = self._show(f"  {escape(name)}", total=1.0)
        self._bars.update(self._works[name], completed=fraction)

    def close(self) -> None:
        for task in self._shown:
            self._bars.remove_task(task)
        self._shown.clear()
        self._works.clear()
        if self._stage:
            seconds = time.monotonic() - self._since
            self._bars.console.print(f"[green]✓[/] {escape(self._stage)} [dim]{seconds:.1f} s[/]")
            self._stage = ""

    def _show(self, words: str, *, total: float | None) -> TaskID:
        task = self._bars.add_task(words, total=total)
        self._shown.append(task)
        return task


class _Lines:
    """For another program: a JSON object per line on stderr, of a piece of work no more than one per percent."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told: dict[str, int] = {}

    def stage(self, name: str) -> None:
        with self._lock:
            self._told.clear()
            self._write({"stage": name})

    def work(self, name: str, fraction: float) -> None:
        with self._lock:
            percent = int(fraction * 100)
            if self._told.get(name) != percent:
                self._told[name] = percent
                self._write({"work": name, "fraction": round(fraction, 4)})

    def _write(self, line: dict[str, object]) -> None:
        print(json.dumps(line), file=sys.stderr, flush=True)


@contextmanager
def shown_progress(*, quiet: bool = False) -> Iterator[Progress]:
    """A display on a terminal, silence in a pipe; lines for a program that asked for them (:data:`LINES`)."""
    if os.environ.get(_VARIABLE) == "lines":
        yield _Lines()
        return
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield Silent()
        return
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=30), TimeElapsedColumn())
    with Bars(*columns, console=console, transient=True) as bars:
        terminal = _Terminal(bars)
        yield terminal
        terminal.close()
