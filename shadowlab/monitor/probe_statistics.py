"""What the probes of one window and one path say together.

In: probe records.  Out: tables of shape (T, P): counts, median, 95th percentile, jitter.
A probe belongs to the window it was *sent* in.  Runs outside the segment.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def count_probes(probes: NDArray[Any], shape: tuple[int, int], window_ns: int) -> tuple[Ints, Ints]:
    """Sent and lost per window and path."""
    cell, inside = _cell(probes, shape, window_ns)
    lost = inside & (probes["round_trip_ns"] < 0)
    size = shape[0] * shape[1]
    return (
        np.bincount(cell[inside], minlength=size).astype(np.int64).reshape(shape),
        np.bincount(cell[lost], minlength=size).astype(np.int64).reshape(shape),
    )


def answered_statistics(probes: NDArray[Any], shape: tuple[int, int], window_ns: int) -> dict[str, Floats]:
    """``latency_ms``, ``latency_p95_ms``, ``jitter_ms`` of the answered probes; NaN where none was.

    Jitter is the mean absolute difference between the round trips of probes with successive sequence numbers (RFC 3393:
    undefined where one of the two was lost), in the window of the later one.
    """
    cell, inside = _cell(probes, shape, window_ns)
    answered = inside & (probes["round_trip_ns"] >= 0)
    median, high = _quantiles(cell[answered], probes["round_trip_ns"][answered] * 1e-6, shape, (0.5, 0.95))
    return {"latency_ms": median, "latency_p95_ms": high, "jitter_ms": _jitter(probes, cell, answered, shape)}


def _cell(probes: NDArray[Any], shape: tuple[int, int], window_ns: int) -> tuple[Ints, NDArray[np.bool_]]:
    """The flat table cell of each probe, and whether it lies inside the table."""
    window = probes["sent_ns"] // window_ns
    path = probes["path"].astype(np.int64)
    inside: NDArray[np.bool_] = (window >= 0) & (window < shape[0]) & (path < shape[1])
    return window * shape[1] + path, inside


def _quantiles(cell: Ints, values: Floats, shape: tuple[int, int], wanted: tuple[float, ...]) -> list[Floats]:
    """Quantiles per cell, interpolated between order statistics (NumPy's default, ``linear``), without a loop."""
    order = np.lexsort((values, cell))
    values = values[order]
    counts = np.bincount(cell, minlength=shape[0] * shape[1])
    starts = np.cumsum(counts) - counts
    some = counts > 0
    tables = []
    for share in wanted:
        place = (counts[some] - 1) * share
        low = np.floor(place).astype(np.int64)
        high = np.minimum(low + 1, counts[some] - 1)
        at = starts[some]
        table = np.full(shape[0] * shape[1], np.nan)
        table[some] = values[at + low] + (values[at + high] - values[at + low]) * (place - low)
        tables.append(table.reshape(shape))
    return tables


def _jitter(probes: NDArray[Any], cell: Ints, answered: NDArray[np.bool_], shape: tuple[int, int]) -> Floats:
    chosen, where = probes[answered], cell[answered]
    order = np.lexsort((chosen["sequence"], chosen["path"]))
    chosen, where = chosen[order], where[order]
    sequence = chosen["sequence"].astype(np.int64)
    next_one = (chosen["path"][1:] == chosen["path"][:-1]) & (np.diff(sequence) == 1)
    change = np.abs(np.diff(chosen["round_trip_ns"]))[next_one] * 1e-6
    size = shape[0] * shape[1]
    count = np.bincount(where[1:][next_one], minlength=size)
    total = np.bincount(where[1:][next_one], weights=change, minlength=size)
    mean: Floats = (total / np.where(count > 0, count, np.nan)).reshape(shape)
    return mean
