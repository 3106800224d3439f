"""What is normal: centre and spread of each indicator of each subject.

In: a table of indicators, a window of time.  Out: a frozen :class:`Baseline`.  Never: a verdict.

The spread has a floor, in the indicator's unit: on the virtual clock an idle path repeats itself to the nanosecond, and
a deviation of zero would make any change infinite.  A floor is what an operator would not call a change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from shadowlab.model.kpi import KPIS, SeriesTable

Array = NDArray[np.float64]

MAD_TO_STD = 1.4826
"""The standard deviation of a normal distribution over its median absolute deviation, 1 / Phi^-1(3/4)."""


@dataclass(frozen=True, kw_only=True)
class Floor:
    """The least spread: ``absolute`` in the indicator's unit, or ``relative`` to the centre, whichever is more."""

    absolute: float
    relative: float = 0.0


FLOORS: Mapping[str, Floor] = {
    "latency_ms": Floor(absolute=0.1, relative=0.01),
    "latency_p95_ms": Floor(absolute=0.2, relative=0.02),
    "jitter_ms": Floor(absolute=0.1, relative=0.1),
    "loss": Floor(absolute=0.005),
    "throughput_mbps": Floor(absolute=0.02, relative=0.05),
    "retransmission_share": Floor(absolute=0.004),
    "srtt_ms": Floor(absolute=0.2, relative=0.02),
    "cwnd_segments": Floor(absolute=1.0, relative=0.1),
    "link_loss": Floor(absolute=0.001),
    "link_utilisation": Floor(absolute=0.02),
    "link_queue_packets": Floor(absolute=2.0, relative=0.1),
}
"""With the threshold of 4: latency must rise by 0.4 ms and 4 %, throughput fall by a fifth, retransmissions rise by
1.6 % of the segments."""

REACH = 4.0
"""So many spreads from the baseline the reference detector calls an anomaly."""

_IN_A_ROW = 3

NO_FLOOR = Floor(absolute=1e-9)


@dataclass(frozen=True, kw_only=True, eq=False)
class Baseline:
    """``centre``, ``spread`` and ``samples`` hold, per indicator, one number per subject of ``subjects``.

    Where fewer than the least samples were seen, centre and spread are NaN: such a series is not judged.
    """

    from_ns: int
    to_ns: int
    subjects: tuple[str, ...]
    centre: Mapping[str, Array]
    spread: Mapping[str, Array]
    samples: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)


def learn(
    table: SeriesTable,
    *,
    from_ns: int,
    to_ns: int,
    robust: bool = False,
    least_samples: int = 10,
    floors: Mapping[str, Floor] = FLOORS,
) -> Baseline:
    """Centre and spread of every indicator with a bad direction, over ``from_ns < time <= to_ns``.

    A sample stands at the end of the window it sums up, so the one at ``to_ns`` still belongs to the baseline.

    ``robust`` takes median and scaled MAD instead of mean and standard deviation: for a window that may hold trouble
    already.  Raises ValueError for an empty window.
    """
    if to_ns <= from_ns:
        raise ValueError(f"the baseline window is empty: from {from_ns} ns to {to_ns} ns")
    rows = (table.times_ns > from_ns) & (table.times_ns <= to_ns)
    centre: dict[str, Array] = {}
    spread: dict[str, Array] = {}
    samples: dict[str, NDArray[np.int64]] = {}
    for kpi in judged(table):
        values = table.values[kpi][rows]
        middle, deviation = (median_mad if robust else _mean_std)(values)
        count = np.count_nonzero(np.isfinite(values), axis=0)
        floor = floors.get(kpi, NO_FLOOR)
        deviation = np.maximum(deviation, np.maximum(floor.absolute, floor.relative * np.abs(middle)))
        enough = count >= least_samples
        centre[kpi] = np.where(enough, middle, np.nan)
        spread[kpi] = np.where(enough, deviation, np.nan)
        samples[kpi] = count.astype(np.int64)
    return Baseline(
        from_ns=from_ns, to_ns=to_ns, subjects=table.subjects, centre=centre, spread=spread, samples=samples
    )


def widened(baseline: Baseline, sound: Mapping[tuple[str, str], Array], *, reach: float = REACH) -> Baseline:
    """A baseline of such a spread that hardly a window of a sound network lies ``reach`` spreads out on its bad side.

    ``sound``: by subject and indicator the ascending deviations of windows without a fault, in the indicator's unit, of
    which the largest but two is the split-conformal bound: a further window of a sound network passes it with a chance
    of three in their number plus one (Vovk, Gammerman and Shafer 2005), and detectors want three in a row.  The largest
    alone would let one odd window hide a fault of its size.  Nothing is narrowed; losses are counts, which have their
    own threshold.
    """
    spread = {kpi: values.copy() for kpi, values in baseline.spread.items()}
    for column, subject in enumerate(baseline.subjects):
        for kpi, values in spread.items():
            deviations = sound.get((subject, kpi))
            if kpi != "loss" and deviations is not None and len(deviations):
                place = min(_IN_A_ROW, len(deviations))
                worst = deviations[-place] if badness(kpi) > 0 else -deviations[place - 1]
                values[column] = np.fmax(values[column], worst / reach) if np.isfinite(values[column]) else np.nan
    return replace(baseline, spread=spread)


def judged(table: SeriesTable) -> tuple[str, ...]:
    """The table's indicators that have a bad direction, in the registry's order."""
    return tuple(name for name, kpi in KPIS.items() if kpi.bad is not None and kpi.judged and name in table.values)


def badness(kpi: str) -> float:
    """+1 where more is bad, -1 where less is bad."""
    return -1.0 if KPIS[kpi].bad == "down" else 1.0


def median_mad(values: Array) -> tuple[Array, Array]:
    """Median and scaled median absolute deviation of each column, shape (T, S) to (S,); NaN is left out."""
    middle = _column_median(values)
    return middle, MAD_TO_STD * _column_median(np.abs(values - middle))


def _column_median(values: Array) -> Array:
    """``nanmedian`` of each column without its warnings; NaN for a column without values."""
    ordered = np.sort(values, axis=0)  # NaN sorts last
    count = np.count_nonzero(np.isfinite(values), axis=0)
    if not len(ordered):
        return np.full(values.shape[1], np.nan)
    columns = np.arange(values.shape[1])
    low = ordered[np.maximum(count - 1, 0) // 2, columns]
    high = ordered[np.minimum(count // 2, len(ordered) - 1), columns]
    return np.where(count > 0, (low + high) / 2, np.nan)


def _mean_std(values: Array) -> tuple[Array, Array]:
    """Mean and sample standard deviation of each column; NaN is left out."""
    seen = np.isfinite(values)
    count = np.count_nonzero(seen, axis=0)
    mean = np.where(seen, values, 0.0).sum(axis=0) / np.maximum(count, 1)
    squares = (np.where(seen, values - mean, 0.0) ** 2).sum(axis=0)
    return np.where(count > 0, mean, np.nan), np.sqrt(squares / np.maximum(count - 1, 1))
