"""Service levels against the indicators of a window.

In: indicator series of paths, service levels, a window of the run.  Out: one outcome per level and path.
Never: a cause, a cure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shadowlab.model.kpi import SeriesTable
from shadowlab.model.level import LevelOutcome, ServiceLevel


def judge_levels(
    table: SeriesTable,
    levels: Sequence[ServiceLevel],
    *,
    from_ns: int,
    to_ns: int,
    services: SeriesTable | None = None,
) -> tuple[LevelOutcome, ...]:
    """Judge every level on every path it holds for, or every one of ``services``, in [from_ns, to_ns).

    A sample stands at the end of its second, so a sample at ``t`` belongs to the window if ``from_ns < t <= to_ns``.
    A path without one observed value in the window is left out: nothing is known of it.
    """
    outcomes = []
    for level in levels:
        of = services if level.of_service else table
        if of is None:
            continue
        inside = (of.times_ns > from_ns) & (of.times_ns <= to_ns)
        times, named = of.times_ns[inside], level.services if level.of_service else level.paths
        for index, subject in enumerate(of.subjects):
            if named and subject not in named:
                continue
            values = window_means(of.values[level.kpi][inside, index], (times - from_ns - 1) // level.window_ns)
            if values.size:
                outcomes.append(_judge(level, subject, values))
    return tuple(outcomes)


def window_means(values: NDArray[np.float64], window: NDArray[np.int64]) -> NDArray[np.float64]:
    """The mean of the observed values of each window, windows without any left out."""
    seen = ~np.isnan(values)
    if not seen.any():
        return np.empty(0)
    sums = np.bincount(window[seen], weights=values[seen])
    counts = np.bincount(window[seen])
    means: NDArray[np.float64] = sums[counts > 0] / counts[counts > 0]
    return means


def _judge(level: ServiceLevel, path: str, values: NDArray[np.float64]) -> LevelOutcome:
    over = (level.limit - values) if level.less_is_bad else (values - level.limit)
    broken = over > 0
    scale = abs(level.limit) or 1.0
    worst = values.min() if level.less_is_bad else values.max()
    share = float(broken.mean())
    return LevelOutcome(
        level=level.name,
        path=path,
        limit=level.limit,
        worst=float(worst),
        median=float(np.median(values)),
        broken_share=share,
        excess=float(np.maximum(over, 0).mean() / scale),
        holds=share <= level.tolerated,
        samples=int(values.size),
    )
