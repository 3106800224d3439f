"""What an indicator told by itself, and whether that may be said: who else saw it, and whether load explains it.

In: a table of indicators, what each told.  Out: what remains, in order of time.  Never: a word because of what
came later: what waits for a witness is said when the witness speaks.

Three things look like faults to one indicator alone.  Who asks for less carries less.  A connection's own bursts wait
for each other, and receivers delay their acknowledgements, so that a smoothed round-trip time steps with the
connection's rate and with the moment it writes, on a network in which nothing changed.  And queues grow a little with
the load, long before a link is full.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shadowlab.model.kpi import KPIS, SeriesTable

DEMANDED = "throughput_mbps"
"""What falls with the demand as well as by a fault."""
PROBED = "latency_ms"
QUEUEING = frozenset({"latency_ms", "latency_p95_ms", "jitter_ms", "srtt_ms"})
"""What grows with the load."""
WITNESS_NS = 10 * 10**9
"""Between the beginnings of what two indicators saw of one thing."""
STEPPED_NS = 2 * 10**9
"""The same of two paths whose delays step at one moment."""
CLEAR = 10.0
"""Standard deviations from which on a delay of one path alone is told."""
SEVERAL = 3
"""So many paths must see delays that are too small to be seen at once: two connections that write in turn make each
other's probes wait for half a minute at a time."""
MOVED = 0.08
"""Load has moved by such a share of what it was."""
BEFORE_ROWS = 20
_LEAST_ROWS = 3
_LEAST_MBPS = 0.01


@dataclass(frozen=True, kw_only=True)
class Told:
    """``size`` in standard deviations; ``slow`` if it is too small to be seen but in a sum of many samples."""

    kpi: str
    column: int
    row: int
    onset_ns: int
    score: float
    size: float
    slow: bool = False


def said(told: Iterable[Told], table: SeriesTable, together_ns: int) -> tuple[Told, ...]:
    """What may be said of ``told``, ordered by column, row and indicator.

    - What grows with the load, since the demand of the path rose or that of most paths moved, is load; but for a median
      that stepped, which a link that is not full does not do.
    - Of medians that stepped on paths whose own demand rose at that moment, and that lose nothing, the first is told.
    - Other delays that grew by little are told where several paths tell them.
    - Where probes go, a smoothed round-trip time needs a witness: any on its own path, or on another one, for flows may
      take other ways than probes do, a delay that stepped at the same moment.
    - Throughput that fell needs one on its own path.
    """
    kept = _one_of_load([one for one in told if not (_grows_with_load(one) and load_moved(table, one))], table)
    free = [one for one in kept if one.kpi != DEMANDED and not KPIS[one.kpi].smoothed]
    little = [one for one in free if one.kpi in QUEUEING and (one.slow or one.size < CLEAR)]
    clear = [one for one in free if one not in little]
    free = [*clear, *_seen_by_several(little, table)]
    probed = PROBED in table.values and bool(np.isfinite(table.values[PROBED]).any())
    smooth = [one for one in kept if KPIS[one.kpi].smoothed]
    heard = [*free, *(_witnessed(smooth, free) if probed else smooth)]
    own = [
        one
        for one in kept
        if one.kpi == DEMANDED
        and any(
            other.column == one.column and other.row <= one.row and abs(other.onset_ns - one.onset_ns) <= together_ns
            for other in heard
        )
    ]
    return tuple(sorted([*heard, *own], key=lambda one: (one.column, one.row, one.kpi)))


def _one_of_load(told: Sequence[Told], table: SeriesTable) -> list[Told]:
    """A load that fills a link is one thing, on however many paths."""
    losing = [one for one in told if one.kpi not in QUEUEING and one.kpi != DEMANDED]
    found, last_ns = [], -(2**62)
    for one in sorted(told, key=lambda one: (one.row, one.column, one.kpi)):
        if (
            one.kpi == PROBED
            and not any(
                other.column == one.column and abs(other.onset_ns - one.onset_ns) <= WITNESS_NS for other in losing
            )
            and load_moved(table, one, own=True)
        ):
            if one.onset_ns <= last_ns + WITNESS_NS:
                continue
            last_ns = one.onset_ns
        found.append(one)
    return found


def _grows_with_load(one: Told) -> bool:
    return one.kpi in QUEUEING and (one.slow or one.kpi != PROBED)


def _witnessed(told: Sequence[Told], witnesses: Sequence[Told]) -> list[Told]:
    found = []
    for one in told:
        rows = [
            other.row
            for other in witnesses
            if abs(other.onset_ns - one.onset_ns) <= (WITNESS_NS if other.column == one.column else STEPPED_NS)
            and (other.column == one.column or (other.kpi in QUEUEING and not other.slow))
        ]
        if rows:
            found.append(replace(one, row=max(one.row, min(rows))))
    return found


def _seen_by_several(told: Sequence[Told], table: SeriesTable) -> list[Told]:
    """Those that so many paths tell of one thing, from the moment on when the last of these did."""
    most = sum(bool(np.isfinite(column).any()) for column in table.values.get(PROBED, np.empty((0, 0))).T)
    found = []
    for one in told:
        rows: dict[int, int] = {}
        for other in told:
            if abs(other.onset_ns - one.onset_ns) <= WITNESS_NS:
                rows[other.column] = min(other.row, rows.get(other.column, other.row))
        if len(rows) >= min(SEVERAL, max(most, 1)):
            found.append(replace(one, row=max(one.row, sorted(rows.values())[:SEVERAL][-1])))
    return found


def load_moved(table: SeriesTable, one: Told, *, own: bool = False) -> bool:
    """Whether between the beginning of a change and before it the path's throughput rose, or most paths' moved; with
    ``own`` the former."""
    values = table.values.get(DEMANDED)
    if values is None:
        return False
    began = int(np.searchsorted(table.times_ns, one.onset_ns, side="right"))
    before = _middle(values[max(0, began - BEFORE_ROWS) : max(0, began - 1)])
    now = _middle(values[max(began, one.row - BEFORE_ROWS) : one.row + 1])
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(before > _LEAST_MBPS, now / before - 1, np.nan)
    if share[one.column] > MOVED:
        return True
    if own:
        return False
    known = share[np.isfinite(share)]
    return len(known) > 1 and bool(np.median(np.abs(known)) > MOVED)


def _middle(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The median of each column, NaN where fewer than three values are known."""
    enough = np.count_nonzero(np.isfinite(values), axis=0) >= _LEAST_ROWS
    middle = np.full(values.shape[1], np.nan)
    if enough.any():
        middle[enough] = np.nanmedian(values[:, enough], axis=0)
    return middle
