"""Links that fill up, whether or not a path has noticed.

In: the indicators of links, the baseline's window.  Out: an episode for each direction that is full and was not before.
Never: a suspect: a full link is asked for too much, which is no fault of it.
"""

from __future__ import annotations

import numpy as np

from shadowlab.detect.episodes import runs
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.verdict import Anomaly

FULL = 0.95
"""Of the rate, as the mean of a second: what is left is gaps between bursts."""
NOT_FULL_BEFORE = 0.8
"""On average in the baseline; one that was fuller is full as ever."""
HOLD = 3
"""Seconds in a row."""


def filling_links(links: SeriesTable, baseline_ns: tuple[int, int]) -> tuple[Anomaly, ...]:
    """The first episode of every direction, in the order of time; its score is the utilisation at its highest."""
    utilisation = links.values.get("link_utilisation")
    if utilisation is None:
        return ()
    normal = (links.times_ns > baseline_ns[0]) & (links.times_ns <= baseline_ns[1])
    later = links.times_ns > baseline_ns[1]
    found = []
    for index, name in enumerate(links.subjects):
        carried = np.nan_to_num(utilisation[:, index])
        if not normal.any() or carried[normal].mean() >= NOT_FULL_BEFORE:
            continue
        for first, after in runs((carried >= FULL) & later, HOLD)[:1]:
            found.append(
                Anomaly(
                    path=name,
                    onset_ns=int(links.times_ns[max(first - 1, 0)]),
                    detected_ns=int(links.times_ns[first + HOLD - 1]),
                    score=round(float(carried[first:after].max()), 3),
                    leading_kpi="link_utilisation",
                    zscores={},
                    detector="full links",
                )
            )
    return tuple(sorted(found, key=lambda one: (one.onset_ns, one.path)))
