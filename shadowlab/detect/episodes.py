"""Scores over time become anomalies: who left the baseline, since when, by which indicator.

In: z-scores (bad direction positive) per indicator, a threshold, a number of windows in a row.  Out: anomalies.
Never: an alarm for a single window.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from shadowlab.detect.counts import first_loss_row
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.verdict import Anomaly

Array = NDArray[np.float64]


def runs(over: NDArray[np.bool_], hold: int) -> list[tuple[int, int]]:
    """Episodes of one series, shape (T,), as (first row, row after the last).

    One begins with ``hold`` rows in a row over the threshold and ends with ``hold`` rows in a row below it.
    """
    found: list[tuple[int, int]] = []
    start: int | None = None
    streak = quiet = 0
    for row, is_over in enumerate(over.tolist()):
        streak = streak + 1 if is_over else 0
        quiet = 0 if is_over else quiet + 1
        if start is None and streak >= hold:
            start = row - hold + 1
        elif start is not None and quiet >= hold:
            found.append((start, row - quiet + 1))
            start = None
    if start is not None:
        found.append((start, len(over) - quiet))
    return found


def anomalies_from_scores(
    table: SeriesTable,
    zscores: Mapping[str, Array],
    *,
    since_ns: int,
    threshold: float,
    hold: int,
    detector: str,
    loss_lengths: Sequence[int],
) -> tuple[Anomaly, ...]:
    """The episodes of every subject after ``since_ns``, ordered by onset and subject.

    A sample stands at the end of the window it sums up: the onset is the beginning of the first bad window, the
    detection the end of the window that decided.

    Each z-score array has the table's shape (T, S); NaN is no evidence.  An episode that loss opened began with the
    first lost probe of the window that was counted.
    """
    if not zscores:
        return ()
    names = tuple(zscores)
    stack = np.stack([np.where(np.isfinite(zscores[name]), zscores[name], -np.inf) for name in names])
    score = stack.max(axis=0)
    over = (score >= threshold) & (table.times_ns > since_ns)[:, None]
    found: list[Anomaly] = []
    for column in np.flatnonzero(over.any(axis=0)).tolist():
        for first, after in runs(over[:, column], hold):
            decided = first + hold - 1
            leading = names[int(stack[:, decided, column].argmax())]
            onset = first
            others = [index for index, name in enumerate(names) if name != "loss"]
            by_loss = not (stack[others, first, column] >= threshold).any()
            if by_loss:
                earliest = int(np.searchsorted(table.times_ns, since_ns, side="right"))
                lossy = first_loss_row(table.values["loss"][:, column], first, lengths=loss_lengths)
                onset = max(lossy, earliest)
            found.append(
                Anomaly(
                    path=table.subjects[column],
                    onset_ns=int(table.times_ns[max(onset - 1, 0)]),
                    detected_ns=int(table.times_ns[decided]),
                    score=round(float(score[first:after, column].max()), 3),
                    leading_kpi=leading,
                    zscores={
                        name: round(float(zscores[name][decided, column]), 3)
                        for name in names
                        if np.isfinite(zscores[name][decided, column])
                    },
                    detector=detector,
                )
            )
    return tuple(sorted(found, key=lambda one: (one.onset_ns, one.path, one.detected_ns)))
