"""What sound networks look like today: calibration data for whoever sets a detector's threshold.

In: the indicators of a shadow without a fault, under today's demand.  Out: per path and indicator how far its windows
lie from their median, in the unit of the indicator.  Never: a sample of a window in which the shadow was not settled.

A threshold learned from last week's production knows last week's load.  A shadow has no fault, and any load that is
asked for: its deviations are exchangeable with those of a sound production under the same demand as far as the shadow
is true, which the fidelity says.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from shadowlab.model.kpi import KPIS, SeriesTable

LEAST_SAMPLES = 10


def fault_free(
    table: SeriesTable, *, from_ns: int, to_ns: int, judged_only: bool = True
) -> Mapping[tuple[str, str], NDArray[np.float64]]:
    """(path, indicator) to the ascending deviations from the median of its windows in (``from_ns``, ``to_ns``].

    ``judged_only`` leaves out what detectors do not look at.  What has fewer than :data:`LEAST_SAMPLES` windows is
    absent.
    """
    rows = (table.times_ns > from_ns) & (table.times_ns <= to_ns)
    found = {}
    for kpi in sorted(table.values):
        if judged_only and not (kpi in KPIS and KPIS[kpi].judged):
            continue
        for column, path in enumerate(table.subjects):
            values = table.values[kpi][rows, column]
            values = values[np.isfinite(values)]
            if len(values) >= LEAST_SAMPLES:
                found[(path, kpi)] = np.sort(values - np.median(values))
    return found


def fault_free_table(table: SeriesTable, *, from_ns: int, to_ns: int) -> SeriesTable:
    """The settled windows of a fault-free run, for a file: the form that detectors read any series in."""
    rows = (table.times_ns > from_ns) & (table.times_ns <= to_ns)
    return SeriesTable(
        times_ns=table.times_ns[rows],
        subjects=table.subjects,
        values={name: values[rows] for name, values in table.values.items()},
    )
