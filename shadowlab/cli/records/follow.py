"""A run's indicators as it goes on.

In: the run's folder, what is wanted of it.  Out: rows on stdout, each once, as soon as nothing can change it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from shadowlab.cli.records.shown import print_table
from shadowlab.lab.recorded.folder import Recorded
from shadowlab.monitor.void_windows import VOID
from shadowlab.store.sheet import sheet_of_tables, write_csv
from shadowlab.store.window import Window

_LOOK_EVERY_S = 0.5
_LEISURE = 4
"""Between two looks at a long run, so many times what a look takes."""


def follow_run(folder: Path, names: Sequence[str], patterns: Sequence[str], window: Window, *, as_csv: bool) -> None:
    """Until the window ends or nobody writes to the run any more."""
    printed_ns = window.from_ns or 0
    widths: list[int] | None = None
    head = True
    while True:
        began = time.monotonic()
        recorded = Recorded(folder)
        over = not recorded.goes_on  # asked first: what is written before the end is then read below
        known_ns = recorded.known_until_ns()
        until_ns = known_ns if window.to_ns is None else min(known_ns, window.to_ns)
        if window.every_ns is not None and not (over or until_ns == window.to_ns):
            until_ns -= (until_ns - (window.from_ns or 0)) % window.every_ns
        if until_ns > printed_ns:
            asked = [*names, VOID] if names else []  # the same columns in every piece
            tables = recorded.ask(asked, patterns, replace(window, from_ns=printed_ns, to_ns=until_ns))
            sheet = sheet_of_tables(list(tables.values()))
            if as_csv:
                write_csv(sheet, sys.stdout, head=head)
            else:
                widths = print_table(sheet, widths)
            sys.stdout.flush()
            head, printed_ns = False, until_ns
        if over or printed_ns == window.to_ns:
            return
        time.sleep(max(_LOOK_EVERY_S, _LEISURE * (time.monotonic() - began)))
