"""One clock for production and shadow.

In: connections with the records of both ends; series of both sides.  Out: how far each instance's clock is off, and by
how much the shadow's run is to be shifted.  Never: a shift that the data does not ask for.

Flows of a shadow begin when they did in the recording, so the run's zero is the recording's first moment
(:func:`shadowlab.calibrate.lifetimes.recording_of`), and records need only be counted from there.  Two things can spoil
that.  *Instances' clocks disagree*: of a connection recorded at both ends the receiver's count of bytes reaches a value
half a round trip before the sender hears so; what is left of the difference in time is that of the clocks.  Offsets of
all instances follow by least squares, against the median clock.  *The run does not begin where the recording does*: the
shift with the highest correlation of the two sides' throughput is taken, if it is much better than none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shadowlab.model.kpi import SeriesTable
from shadowlab.model.telemetry import TcpRecord
from shadowlab.model.units import NS_PER_MS
from shadowlab.model.verdict import ClockOffset
from shadowlab.telemetry.attach import Connection

LEAST_MOMENTS = 3
"""Of a connection, at which both counters are known; fewer say little of clocks."""
MOST_SPREAD_NS = 500 * NS_PER_MS
"""A connection whose moments disagree by more says nothing of clocks: it was idle, or sent in bursts."""
LEAST_OFFSET_NS = 20 * NS_PER_MS
"""Nothing here is told in less; smaller offsets are not corrected."""
_CERTAIN = 3.0
"""Times its own error that an offset must be."""

LEAST_GAIN = 0.1
"""By how much a shift must raise the correlation to be believed."""
LEAST_CORRELATION = 0.6


@dataclass(frozen=True, kw_only=True)
class Lag:
    """By how much the shadow's series is late (below zero: early), and how alike the two are then."""

    lag_ns: int
    correlation: float


def clock_offsets(connections: Iterable[Connection]) -> tuple[ClockOffset, ...]:
    """Of every instance that says anything of its clock, by name."""
    rows: list[tuple[str, str, float, float]] = []
    for one in connections:
        found = _between_ends(one)
        if found is not None and one.source != one.target:
            rows.append((one.source, one.target, *found))
    names = sorted({name for row in rows for name in row[:2]})
    if not names:
        return ()
    index = {name: place for place, name in enumerate(names)}
    matrix = np.zeros((len(rows) + len(names), len(names)))
    wanted = np.zeros(len(rows) + len(names))
    for place, (source, target, shift, spread) in enumerate(rows):
        weight = 1.0 / max(spread, NS_PER_MS)
        matrix[place, index[target]], matrix[place, index[source]] = weight, -weight
        wanted[place] = weight * shift
    # A gauge: differences alone leave the sum open, and parts that never meet leave one each.
    matrix[len(rows) :] = np.eye(len(names)) * 1e-3 / MOST_SPREAD_NS
    offsets = np.linalg.lstsq(matrix, wanted, rcond=None)[0]
    offsets = offsets - np.median(offsets)
    found_offsets = []
    for name, place in index.items():
        own = [row for row in rows if name in row[:2]]
        spread = float(np.median([row[3] for row in own])) / np.sqrt(len(own))
        found_offsets.append(
            ClockOffset(
                instance=name,
                offset_ns=round(float(offsets[place])),
                spread_ns=round(spread),
                connections=len(own),
            )
        )
    return tuple(found_offsets)


def certain(offsets: Sequence[ClockOffset]) -> Mapping[str, int]:
    """The offsets worth correcting, in nanoseconds by instance."""
    return {
        one.instance: one.offset_ns
        for one in offsets
        if abs(one.offset_ns) >= max(LEAST_OFFSET_NS, _CERTAIN * one.spread_ns)
    }


def _between_ends(one: Connection) -> tuple[float, float] | None:
    """How far the target's clock is ahead of the source's, and how much its moments scatter; None if they say too
    little."""
    sent = _counter(one.sender_records, "bytes_acked")
    received = _counter(one.receiver_records, "bytes_received")
    if sent is None or received is None:
        return None
    times, values = received
    rising = np.concatenate(([True], np.diff(values) > 0))
    times, values = times[rising], values[rising]
    inside = (sent[1] > values[0]) & (sent[1] < values[-1]) & np.concatenate(([True], np.diff(sent[1]) > 0))
    if inside.sum() < LEAST_MOMENTS or len(values) < LEAST_MOMENTS:
        return None
    shifts = np.interp(sent[1][inside], values, times) - sent[0][inside]
    middle = float(np.median(shifts))
    spread = 1.4826 * float(np.median(np.abs(shifts - middle)))
    rtts = [record.srtt_ns for record in one.sender_records if record.srtt_ns]
    if spread > MOST_SPREAD_NS or not rtts:
        return None
    return middle + float(np.median(rtts)) / 2, spread


def _counter(records: Sequence[TcpRecord], name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    known = [(record.at_ns, getattr(record, name)) for record in records if getattr(record, name) is not None]
    if len(known) < LEAST_MOMENTS:
        return None
    first = known[0][0]
    # Counted from the first moment, for the sake of precision, and put back as a float that still tells milliseconds.
    times = np.array([at_ns - first for at_ns, _ in known], dtype=np.float64) + float(first)
    return times, np.array([value for _, value in known], dtype=np.float64)


def find_lag(production: SeriesTable, shadow: SeriesTable, *, kpi: str = "throughput_mbps", most: int = 30) -> Lag:
    """Over the sum of all paths that both have, up to ``most`` windows either way; none where it would not help."""
    shared = [one for one in production.subjects if one in shadow.subjects]
    none = Lag(lag_ns=0, correlation=float("nan"))
    if kpi not in production.values or kpi not in shadow.values or not shared or len(production.times_ns) < 2:
        return none
    step_ns = int(np.median(np.diff(production.times_ns)))
    ours = _total(production, kpi, shared, production.times_ns)
    found = {
        shift: _alike(ours, _total(shadow, kpi, shared, production.times_ns + shift * step_ns))
        for shift in range(-most, most + 1)
    }
    known = {shift: value for shift, value in found.items() if np.isfinite(value)}
    if not known:
        return none
    best = max(known, key=lambda shift: (known[shift], -abs(shift)))
    at_zero = known.get(0, -1.0)
    if known[best] < LEAST_CORRELATION or known[best] - at_zero < LEAST_GAIN:
        return Lag(lag_ns=0, correlation=at_zero if 0 in known else float("nan"))
    return Lag(lag_ns=best * step_ns, correlation=known[best])


def _total(table: SeriesTable, kpi: str, subjects: Sequence[str], times_ns: NDArray[np.int64]) -> NDArray[np.float64]:
    """The sum over the subjects at these moments, NaN outside the series."""
    columns = [table.subjects.index(one) for one in subjects]
    total = np.nansum(table.values[kpi][:, columns], axis=1)
    found: NDArray[np.float64] = np.interp(times_ns, table.times_ns, total, left=np.nan, right=np.nan)
    return found


def _alike(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> float:
    both = np.isfinite(ours) & np.isfinite(theirs)
    if both.sum() < max(5, len(ours) // 2) or ours[both].std() == 0 or theirs[both].std() == 0:
        return float("nan")
    return float(np.corrcoef(ours[both], theirs[both])[0, 1])
