"""Completion times of the services: over time, and how they are distributed before and after the event.

In: a result.  Out: one plot each, or none where no exchange was driven.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shadowlab.model.units import NS_PER_S
from shadowlab.report.figure import Plot, drawing, finish, new_figure
from shadowlab.report.palette import INK, MUTED, SURFACE, UTILISATION
from shadowlab.report.words import NOTHING, number, plural, short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shadowlab.model.result import RunResult
    from shadowlab.model.traffic.summary import WorkloadSummary

MOST_SERVICES = 12
_EACH_INCHES = 0.95
_WIDTH = 7.2


def draw_services(result: RunResult) -> Plot | None:
    """When exchanges ended and how long they took, a row of cells per service; None without exchanges."""
    seen = [one for one in result.workloads if sum(map(sum, one.heat_map.counts))]
    shown = seen[:MOST_SERVICES]
    if not shown:
        return None
    with drawing():
        high = 0.55 + _EACH_INCHES * len(shown)
        figure = new_figure(_WIDTH, high)
        for index, one in enumerate(shown):
            bottom = (0.5 + _EACH_INCHES * (len(shown) - 1 - index)) / high
            axes = figure.add_axes((0.26, bottom, 0.72, (_EACH_INCHES - 0.14) / high))
            _one(axes, one, result, last=index == len(shown) - 1)
        more = len(seen) - len(shown)
        return finish(
            figure,
            name="completion-times",
            title="Completion times of the services",
            caption="Each cell counts the exchanges that ended then and took so long; the line is their median. "
            "The dashed line is the event."
            + (f" {plural(more, 'more service')} are in result.json." if more > 0 else ""),
            alt="Completion times over time: " + "; ".join(f"{one.workload} {_words(one)}" for one in shown),
            wide=True,
        )


def _one(axes: object, one: WorkloadSummary, result: RunResult, *, last: bool) -> None:
    import matplotlib
    import numpy as np
    from matplotlib.axes import Axes

    assert isinstance(axes, Axes)
    counts = np.array(one.heat_map.counts, float)
    edges = np.array(one.heat_map.edges)
    window_s = one.heat_map.window_ns / NS_PER_S
    moments = np.arange(len(counts) + 1) * window_s
    axes.grid(visible=False)
    axes.set_facecolor(UTILISATION[0])
    colours = matplotlib.colormaps["cividis"].with_extremes(bad=(0, 0, 0, 0))
    axes.pcolormesh(moments, edges, np.ma.masked_equal(counts, 0).T, cmap=colours, shading="flat", rasterized=True)
    middles = [_median(row, one.heat_map.edges) for row in one.heat_map.counts]
    axes.plot(moments[:-1] + window_s / 2, middles, color=SURFACE, linewidth=2.2)
    axes.plot(moments[:-1] + window_s / 2, middles, color=INK, linewidth=1.0)
    if result.event_ns < result.duration_ns:
        axes.axvline(result.event_ns / NS_PER_S, color=MUTED, linewidth=1.0, linestyle=(0, (4, 2)))
    axes.set_yscale("log")
    axes.set_ylim(edges[0], edges[-1])
    axes.set_xlim(0, result.duration_ns / NS_PER_S)
    axes.yaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:g} ms"))
    axes.yaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
    axes.annotate(
        short(one.workload, 16), (0, 0.5), (-132, -3), xycoords="axes fraction", textcoords="offset points", color=INK
    )
    if last:
        axes.set_xlabel("seconds since the start of the run")
    else:
        axes.tick_params(axis="x", labelbottom=False)


def _median(counts: Sequence[float], edges: Sequence[float]) -> float:
    """The middle of the counted values, evenly spread within a cell on the logarithmic scale; NaN of none."""
    half, before = sum(counts) / 2, 0.0
    for index, count in enumerate(counts):
        if count and before + count >= half:
            share = (half - before) / count
            return float(edges[index] * (edges[index + 1] / edges[index]) ** share)
        before += count
    return float("nan")


def _words(one: WorkloadSummary) -> str:
    before, after = (times.get("completion_p50_ms", float("nan")) for times in (one.before, one.after))
    return f"median {number(before)} ms before, {number(after)} ms after" if before == before else NOTHING
