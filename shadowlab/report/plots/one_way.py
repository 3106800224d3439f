"""One-way delays over time: there and back, in one picture per path.

In: a result and its series.  Out: a plot, or none where no probe told one.  Never: half a round trip.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shadowlab.model.units import NS_PER_S
from shadowlab.report.choice import thinned, worst_and_healthy
from shadowlab.report.figure import Plot, drawing, finish, new_figure
from shadowlab.report.palette import BEST, FAULT, INK, MUTED
from shadowlab.report.words import measured, plural, short

if TYPE_CHECKING:
    from shadowlab.model.kpi import SeriesTable
    from shadowlab.model.result import RunResult

WAYS = (("there", "delay_there_ms", FAULT), ("back", "delay_back_ms", BEST))
_WIDTH, _ROW, _HEAD, _FOOT = 4.7, 0.84, 0.24, 0.38


def draw_one_way(result: RunResult, paths: SeriesTable) -> Plot | None:
    """Median one-way times of the worst affected paths and of some healthy ones."""
    import numpy as np

    worst, healthy = worst_and_healthy(result, paths)
    rows = [
        path
        for path in (*worst, *healthy)
        if all(kpi in paths.values and not np.isnan(paths.column(kpi, path)).all() for _, kpi, _ in WAYS)
    ]
    if not rows:
        return None
    each = 1
    with drawing():
        from matplotlib.lines import Line2D
        from matplotlib.ticker import MaxNLocator

        high = _HEAD + _ROW * len(rows) + _FOOT
        figure = new_figure(_WIDTH, high)
        grid = figure.subplots(len(rows), 1, sharex=True, squeeze=False)[:, 0]
        figure.subplots_adjust(
            left=0.105, right=0.975, top=1 - (_HEAD + 0.3) / high, bottom=(_FOOT + 0.08) / high, hspace=0.75
        )
        for axes, path in zip(grid, rows, strict=True):
            for _, kpi, colour in WAYS:
                seconds, values, each = thinned(paths.times_ns, paths.column(kpi, path))
                axes.plot(seconds, values, color=colour, linewidth=1.1, zorder=4)
            if result.event_ns < result.duration_ns:
                axes.axvline(result.event_ns / NS_PER_S, color=INK, linewidth=0.9, linestyle=(0, (4, 2)), zorder=3)
            axes.set_title(short(path, 34), loc="left", color=INK, pad=3)
            axes.set_xlim(0, result.duration_ns / NS_PER_S)
            axes.yaxis.set_major_locator(MaxNLocator(nbins=3, min_n_ticks=2))
        grid[-1].set_xlabel("seconds since the start of the run")
        entries = [Line2D([], [], color=colour, linewidth=1.4, label=way) for way, _, colour in WAYS]
        figure.legend(handles=entries, loc="upper left", ncols=2, labelcolor=MUTED, handlelength=1.5, borderpad=0.2)
        thin = f" A point is the mean of {plural(each, 'sample')}." if each > 1 else ""
        return finish(
            figure,
            name="one-way-delay",
            title="One-way delay, ms",
            caption=f"Median one-way time of the probes, there and back. Each row has its own scale.{thin}",
            alt="One-way delays over time; " + "; ".join(_words(result, paths, path) for path in rows) + ".",
        )


def _words(result: RunResult, paths: SeriesTable, path: str) -> str:
    import numpy as np

    after = paths.times_ns >= result.event_ns
    found = []
    for way, kpi, _ in WAYS:
        column = paths.column(kpi, path)
        medians = (
            float(np.median(seen)) if (seen := part[~np.isnan(part)]).size else float("nan")
            for part in (column[~after], column[after])
        )
        before, then = (measured(kpi, one) for one in medians)
        found.append(f"{way} {before} before the event, {then} after")
    return f"{short(path, 40)}: {', '.join(found)}"
