"""What the probes of one window and one path say together.

In: probe records.  Out: tables of shape (T, P): counts, quantiles of the round trip and of each way, jitter, loss.
A probe belongs to the window it was *sent* in.  Runs outside the segment.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_QUANTILES = {"": 0.5, "_p95": 0.95, "_p99": 0.99, "_max": 1.0}


def count_probes(probes: NDArray[Any], shape: tuple[int, int], window_ns: int) -> tuple[Ints, Ints]:
    """Sent and lost per window and path."""
    cell, inside = _cell(probes, shape, window_ns)
    return _count(cell[inside], shape), _count(cell[inside & (probes["round_trip_ns"] < 0)], shape)


def probe_values(probes: NDArray[Any], shape: tuple[int, int], window_ns: int) -> dict[str, Floats]:
    """Every indicator of :data:`~shadowlab.model.kpi.KPIS` that stands on probes; NaN where no probe tells it.

    Times are of the probes that made the way in question: there, also of those whose answer was lost.  ``loss_back`` is
    a share of the probes that arrived, so that (1 - there) (1 - back) = 1 - loss.  Jitter is the mean absolute
    difference between the times of probes with successive sequence numbers (RFC 3393: undefined where one of the two
    was lost), in the window of the later one.
    """
    cell, inside = _cell(probes, shape, window_ns)
    there_ns, round_trip_ns = probes["one_way_ns"], probes["round_trip_ns"]
    arrived, answered = inside & (there_ns >= 0), inside & (round_trip_ns >= 0)
    values: dict[str, Floats] = {}
    for name, jitter, times_ns, chosen in (
        ("latency", "jitter", round_trip_ns, answered),
        ("delay_there", "jitter_there", there_ns, arrived),
        ("delay_back", "jitter_back", round_trip_ns - there_ns, answered & (there_ns >= 0)),
    ):
        found = _quantiles(cell[chosen], times_ns[chosen] * 1e-6, shape, tuple(_QUANTILES.values()))
        values |= {f"{name}{suffix}_ms": table for suffix, table in zip(_QUANTILES, found, strict=True)}
        values[f"{jitter}_ms"] = _jitter(probes[chosen], times_ns[chosen], cell[chosen], shape)
    sent, there, back = (_count(cell[chosen], shape).astype(float) for chosen in (inside, arrived, answered))
    with np.errstate(invalid="ignore", divide="ignore"):
        values["loss"] = np.where(sent > 0, (sent - back) / sent, np.nan)
        values["loss_there"] = np.where(sent > 0, (sent - there) / sent, np.nan)
        values["loss_back"] = np.where(there > 0, (there - back) / there, np.nan)
    return values


def _count(cell: Ints, shape: tuple[int, int]) -> Ints:
    return np.bincount(cell, minlength=shape[0] * shape[1]).astype(np.int64).reshape(shape)


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


def _jitter(probes: NDArray[Any], times_ns: Ints, cell: Ints, shape: tuple[int, int]) -> Floats:
    order = np.lexsort((probes["sequence"], probes["path"]))
    chosen, times_ns, cell = probes[order], times_ns[order], cell[order]
    sequence = chosen["sequence"].astype(np.int64)
    next_one = (chosen["path"][1:] == chosen["path"][:-1]) & (np.diff(sequence) == 1)
    change = np.abs(np.diff(times_ns))[next_one] * 1e-6
    size = shape[0] * shape[1]
    count = np.bincount(cell[1:][next_one], minlength=size)
    total = np.bincount(cell[1:][next_one], weights=change, minlength=size)
    mean: Floats = (total / np.where(count > 0, count, np.nan)).reshape(shape)
    return mean
