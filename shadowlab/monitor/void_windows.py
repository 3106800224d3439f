"""Which windows of a run are void: measured while the run itself was late.

In: the records of the type ``lateness``.  Out: one flag per window.  Never: a void run (the lab decides how many void
windows are too many).  Runs outside the segment.

A record is late if not 99 % of the timers in its time were called within ``late_ns``, or if the process used more
than :data:`CPU_LIMIT` of a processor: then none was left to be punctual with.  A late record voids every window that it
shares more than ``late_ns`` with: where a second ended late, the next one began so.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath

import numpy as np
from numpy.typing import NDArray

from shadowlab.model.kpi import SeriesTable
from shadowlab.store.reader import read_records
from shadowlab.store.recorder import ENDING

LATE_NS = 1 << 20
"""About a millisecond; a power of two, as the bounds in the records are."""
CPU_LIMIT = 0.9
MOST_VOID = 0.1
"""A run with a larger share of void windows has no verdict."""
VOID = "void"
"""The column beside the indicators that says so: 1 in a void window."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Punctual:
    """How punctual a run was: of each of its windows whether it is void, shape (T,), and of the whole run the worst.

    ``late_ns``: in each second, 99 % of the timers were less late.  ``cpu_share``: of a processor, at most, in any."""

    void: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))
    late_ns: int = 0
    cpu_share: float = 0.0

    @property
    def too_void(self) -> bool:
        """Whether so much of the run is void that the rest proves nothing."""
        return bool(self.void.size) and float(self.void.mean()) > MOST_VOID


def read_punctual(folder: FilePath, windows: int, window_ns: int, late_ns: int = LATE_NS) -> Punctual:
    """Of the first ``windows`` windows of a run.  One without such records, of an earlier version, has no void ones."""
    path = folder / f"lateness{ENDING}"
    if not path.exists():
        return Punctual(void=np.zeros(windows, dtype=np.bool_))
    records = read_records(path)
    ends, starts = records["at_ns"], records["since_ns"]
    late = records["late_p99_ns"].astype(np.int64)
    lasted = ends - starts
    cpu = np.where(lasted > LATE_NS, records["cpu_ns"] / np.maximum(lasted, 1), 0.0)  # one made up for lasted nothing
    void = np.zeros(windows, dtype=np.bool_)
    for row in np.flatnonzero((late > late_ns) | (cpu > CPU_LIMIT)):
        first, last = (starts[row] + late_ns) // window_ns, (ends[row] - late_ns) // window_ns
        void[max(0, int(first)) : max(0, int(last)) + 1] = True
    return Punctual(void=void, late_ns=int(late.max(initial=0)), cpu_share=float(cpu.max(initial=0.0)))


def without_void(table: SeriesTable, void: NDArray[np.bool_]) -> SeriesTable:
    """The table with nothing observed in void windows, and the column :data:`VOID` beside the indicators."""
    kept = {name: np.where(void[:, None], np.nan, values) for name, values in table.values.items()}
    flags = np.repeat(void.astype(np.float64)[:, None], len(table.subjects), axis=1)
    return replace(table, values={**kept, VOID: flags})


def spans(void: NDArray[np.bool_], window_ns: int) -> tuple[tuple[int, int], ...]:
    """The void windows as times from, to; neighbours in one."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], void, [False]]).astype(np.int8)))
    return tuple((int(a) * window_ns, int(b) * window_ns) for a, b in edges.reshape(-1, 2))
