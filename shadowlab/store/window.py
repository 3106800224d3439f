"""Windows of series, and what the samples of each step of a window amount to.

In: samples with moment and subject, a window, a step, an aggregate.  Out: a series table.
Never: a figure for a step in which nothing was observed (that is NaN; only ``count`` says 0).
Runs outside the segment.

A sample of an indicator is labelled with the *end* of the time it sums up, so a window holds ``from < moment <= to``, a
step holds ``end - every < moment <= end``, and is labelled with its end as well.  Steps count from the window's start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from shadowlab.model.kpi import SeriesTable

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_ARROW = "→"


@dataclass(frozen=True, kw_only=True)
class Window:
    """Which part of a series, and how finely.  None: from the first, to the last, every sample as it is."""

    from_ns: int | None = None
    to_ns: int | None = None
    every_ns: int | None = None
    aggregate: str = "mean"


@dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """N rows: moments and subject numbers of shape (N,), and for each name values of shape (N,), NaN for unknown."""

    times_ns: Ints
    subject: Ints
    values: Mapping[str, Floats]
    subjects: tuple[str, ...]


def matching(subjects: Sequence[str], patterns: Sequence[str]) -> list[int]:
    """The numbers of the subjects that one of the patterns fits, all without a pattern.

    A pattern is a name, or has the wildcards of the shell; ``->`` may stand for the arrow of a path.
    """
    wanted = [one.replace("->", _ARROW) for one in patterns]
    return [
        number
        for number, name in enumerate(subjects)
        if not wanted or any(name == one or fnmatchcase(name, one) for one in wanted)
    ]


def samples_of(table: SeriesTable, names: Sequence[str]) -> Samples:
    """A table's cells, moment by moment."""
    width = len(table.subjects)
    return Samples(
        times_ns=np.repeat(table.times_ns, width),
        subject=np.tile(np.arange(width), len(table.times_ns)),
        values={name: table.values[name].reshape(-1) for name in names},
        subjects=table.subjects,
    )


def tabled(samples: Samples, chosen: Sequence[int], window: Window) -> SeriesTable:
    """The chosen subjects of a window, resampled if it has a step.

    Raises ValueError for an aggregate that is not in :data:`AGGREGATES`, or a step of no length.
    """
    times, column, values = samples.times_ns, samples.subject, dict(samples.values)
    inside = np.ones(len(times), dtype=np.bool_)
    if list(chosen) != list(range(len(samples.subjects))):
        place = np.full(len(samples.subjects), -1, dtype=np.int64)
        place[list(chosen)] = np.arange(len(chosen))
        column = place[column]
        inside &= column >= 0
    if window.from_ns is not None:
        inside &= times > window.from_ns
    if window.to_ns is not None:
        inside &= times <= window.to_ns
    if not inside.all():
        times, column = times[inside], column[inside]
        values = {name: one[inside] for name, one in values.items()}
    ends, row = _rows(times, window)
    shape = (len(ends), len(chosen))
    if window.every_ns is None:
        tables = {name: _placed(row, column, one, shape) for name, one in values.items()}
    else:
        if window.aggregate not in AGGREGATES:
            raise ValueError(f"there is no aggregate {window.aggregate!r}; there are {', '.join(AGGREGATES)}")
        cell = row * len(chosen) + column
        tables = {name: aggregated(cell, one, window.aggregate, shape) for name, one in values.items()}
    return SeriesTable(times_ns=ends, subjects=tuple(samples.subjects[one] for one in chosen), values=tables)


def _rows(times: Ints, window: Window) -> tuple[Ints, Ints]:
    """The labels of the rows, and the row of each sample."""
    if window.every_ns is None:
        ends, row = np.unique(times, return_inverse=True)
        return ends, row.astype(np.int64)
    if window.every_ns <= 0:
        raise ValueError("a step must be longer than nothing")
    start = 0 if window.from_ns is None else window.from_ns
    last = window.to_ns if window.to_ns is not None else int(times.max(initial=start))
    row = times - (start + 1)
    row //= window.every_ns
    first = 0
    if window.from_ns is None and row.min(initial=0) < 0:
        row[times == start] = 0  # the very first moment has no step that ends there
        # Samples before the start, as those of an unsynchronised clock, have steps of their own.
        first = min(0, int(row.min()))
    count = max(0, -((start - last) // window.every_ns) - first)
    ends = start + (np.arange(count, dtype=np.int64) + first + 1) * window.every_ns
    row -= first
    return np.minimum(ends, last), row  # a last step that is not whole ends where the window does


def _placed(row: Ints, column: Ints, values: Floats, shape: tuple[int, int]) -> Floats:
    table = np.full(shape, np.nan)
    table[row, column] = values
    return table


def aggregated(cell: Ints, values: Floats, aggregate: str, shape: tuple[int, int]) -> Floats:
    """One figure per cell of a table of ``shape``, of the known values in it."""
    known = ~np.isnan(values)
    if not known.all():
        cell, values = cell[known], values[known]
    size = shape[0] * shape[1]
    count = np.bincount(cell, minlength=size)
    if aggregate == "count":
        return count.astype(np.float64).reshape(shape)
    table: Floats = np.where(count > 0, AGGREGATES[aggregate](cell, values, count), np.nan)
    return table.reshape(shape)


def _sum(cell: Ints, values: Floats, count: Ints) -> Floats:
    return np.bincount(cell, weights=values, minlength=len(count)).astype(np.float64, copy=False)


def _mean(cell: Ints, values: Floats, count: Ints) -> Floats:
    mean: Floats = _sum(cell, values, count) / np.maximum(count, 1)
    return mean


def _extreme(of: np.ufunc, start: float) -> Callable[[Ints, Floats, Ints], Floats]:
    def extreme(cell: Ints, values: Floats, count: Ints) -> Floats:
        table = np.full(len(count), start)
        of.at(table, cell, values)
        return table

    return extreme


def _last(cell: Ints, values: Floats, count: Ints) -> Floats:
    table = np.full(len(count), np.nan)
    table[cell] = values  # of several, the last one stays
    return table


def _quantile(share: float) -> Callable[[Ints, Floats, Ints], Floats]:
    """Interpolated between order statistics, as NumPy's ``linear``."""

    def quantile(cell: Ints, values: Floats, count: Ints) -> Floats:
        ordered = values[np.lexsort((values, cell))]
        starts = np.cumsum(count) - count
        place = np.maximum(count - 1, 0) * share
        low = np.floor(place).astype(np.int64)
        high = np.minimum(low + 1, np.maximum(count - 1, 0))
        if not len(ordered):
            return np.full(len(count), np.nan)
        end = len(ordered) - 1
        at_low, at_high = ordered[np.minimum(starts + low, end)], ordered[np.minimum(starts + high, end)]
        found: Floats = at_low + (at_high - at_low) * (place - low)
        return found

    return quantile


AGGREGATES: Mapping[str, Callable[[Ints, Floats, Ints], Floats]] = {
    "mean": _mean,
    "min": _extreme(np.minimum, np.inf),
    "max": _extreme(np.maximum, -np.inf),
    "sum": _sum,
    "last": _last,
    "count": lambda cell, values, count: count.astype(np.float64),
    "p50": _quantile(0.5),
    "p90": _quantile(0.9),
    "p95": _quantile(0.95),
    "p99": _quantile(0.99),
}
"""Each: the cell of every known value, these values in order of time, their number per cell; one figure per cell."""
