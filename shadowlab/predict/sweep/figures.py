"""What one run of one variant showed, as data that can be kept and read back.

In: indicator tables, service levels, the judged window.  Out: :class:`RunFigures`.  Never: a series: a sweep of
thousands of runs holds only this of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shadowlab.detect.levels import window_means
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.level import ServiceLevel

FORMAT = "figures/1"
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class LevelFigure:
    """One service level on one path, or of one service.

    ``value`` is the one that decides: with a tolerated share of windows, the worst after so many of the worst were
    forgiven, so that the level holds exactly if ``value`` keeps the limit.  None: nothing gets through at all.
    """

    level: str
    subject: str
    kpi: str
    limit: float
    less_is_bad: bool
    value: float | None
    windows: int

    @property
    def key(self) -> tuple[str, str]:
        """What it is compared by."""
        return self.level, self.subject

    @property
    def holds(self) -> bool:
        """Whether the level holds."""
        return self.value is not None and (self.value >= self.limit if self.less_is_bad else self.value <= self.limit)


@dataclass(frozen=True, kw_only=True)
class LinkFigure:
    """One direction: mean and highest utilisation of its seconds, share of packets dropped; NaN without a rate."""

    direction: str
    utilisation: float
    peak: float
    loss: float


@dataclass(frozen=True, kw_only=True)
class RunFigures:
    """Of one run.  ``cut`` are paths that no route leads along.  ``fault`` says why the run showed nothing."""

    variant: str
    seed: int
    levels: tuple[LevelFigure, ...] = ()
    links: tuple[LinkFigure, ...] = ()
    cut: tuple[str, ...] = ()
    fault: str = ""


def level_figures(
    table: SeriesTable,
    services: SeriesTable,
    levels: Sequence[ServiceLevel],
    *,
    from_ns: int,
    to_ns: int,
    cut: Sequence[str] = (),
) -> tuple[LevelFigure, ...]:
    """Every level on every path (or of every service) that was observed in (from_ns, to_ns], and on those that are
    ``cut`` off."""
    return tuple(
        one for level in levels for one in _of_level(level, table, services, from_ns=from_ns, to_ns=to_ns, cut=cut)
    )


def _of_level(
    level: ServiceLevel, table: SeriesTable, services: SeriesTable, *, from_ns: int, to_ns: int, cut: Sequence[str]
) -> Iterator[LevelFigure]:
    of, named = (services, level.services) if level.of_service else (table, level.paths)
    rows = (of.times_ns > from_ns) & (of.times_ns <= to_ns)
    windows = (of.times_ns[rows] - from_ns - 1) // level.window_ns
    gone = () if level.of_service else tuple(cut)
    for subject in dict.fromkeys((*of.subjects, *gone)):
        if named and subject not in named:
            continue
        value: float | None = None
        count = 0
        if subject not in gone:
            means = window_means(of.column(level.kpi, subject)[rows], windows)
            count = int(means.size)
            if not count:
                continue
            value = deciding(means, level.tolerated, less_is_bad=level.less_is_bad)
        yield LevelFigure(
            level=level.name,
            subject=subject,
            kpi=level.kpi,
            limit=level.limit,
            less_is_bad=level.less_is_bad,
            value=value,
            windows=count,
        )


def deciding(values: Floats, tolerated: float, *, less_is_bad: bool = False) -> float:
    """Of the values of all windows, shape (N,), N ≥ 1, the one that decides: a share of at most ``tolerated`` is worse,
    so that a limit is broken too often exactly if this value breaks it."""
    ordered = np.sort(values) if less_is_bad else np.sort(values)[::-1]
    forgiven = int(np.floor(tolerated * len(ordered) + 1e-9))
    return float(ordered[min(forgiven, len(ordered) - 1)])


def link_figures(table: SeriesTable, *, from_ns: int, to_ns: int) -> tuple[LinkFigure, ...]:
    """Every watched direction in (from_ns, to_ns]."""
    rows = (table.times_ns > from_ns) & (table.times_ns <= to_ns)
    used, lost = table.values["link_utilisation"][rows], table.values["link_loss"][rows]
    return tuple(
        LinkFigure(
            direction=name,
            utilisation=_seen(used[:, index], np.mean),
            peak=_seen(used[:, index], np.max),
            loss=_seen(lost[:, index], np.mean),
        )
        for index, name in enumerate(table.subjects)
    )


def _seen(values: Floats, of: object) -> float:
    seen = values[~np.isnan(values)]
    if not seen.size:
        return 0.0
    return float(seen.max() if of is np.max else seen.mean())
