"""Completion times of the services: over time, and how they are distributed before and after the event.

In: a result.  Out: one plot each, or none where no exchange was driven.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from shadowlab.model.units import NS_PER_S
from shadowlab.report.figure import Plot, drawing, finish, new_figure
from shadowlab.report.palette import INK, MUTED, SURFACE, UTILISATION
from shadowlab.report.words import NOTHING, number, plural, short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shadowlab.model.result import RunResult
    from shadowlab.model.traffic.summary import Histogram, WorkloadSummary

MOST_SERVICES = 12
MOST_LINES = 8
"""That eyes tell apart in one picture."""
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


def draw_distributions(result: RunResult) -> Plot | None:
    """The share of exchanges that took no longer, and that were slowed down no more, a line per service; None without
    exchanges."""
    shown = [one for one in result.workloads if sum(one.completion_ms.counts)][:MOST_LINES]
    if not shown:
        return None
    with drawing():
        import matplotlib

        figure = new_figure(_WIDTH, 2.6)
        left, right = figure.subplots(1, 2, sharey=True)
        figure.subplots_adjust(left=0.085, right=0.98, top=0.83, bottom=0.19, wspace=0.08)
        colours = matplotlib.colormaps["cividis"]
        styles = ("-", (0, (4, 1.5)), (0, (1, 1)))
        for place, one in enumerate(shown):
            drawn = {
                "color": colours(0.05 + 0.8 * place / max(len(shown) - 1, 1)),
                "linestyle": styles[place % len(styles)],
                "linewidth": 1.4,
            }
            left.plot(*_shares(one.completion_ms), label=short(one.workload, 24), **drawn)
            if sum(one.slowdown.counts):
                right.plot(*_shares(one.slowdown), **drawn)
        for axes, label in ((left, "completion time, ms"), (right, "slowdown: over the time on the idle path")):
            axes.set_xscale("log")
            axes.set_ylim(0, 1)
            axes.set_xlabel(label)
            axes.xaxis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1.0, 2.0, 5.0), numticks=20))
            axes.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
            axes.xaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
            axes.yaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1.0, symbol=" %"))
        figure.legend(loc="upper left", ncols=4, labelcolor=MUTED, handlelength=2.2, borderpad=0.2)
        more = sum(bool(sum(one.completion_ms.counts)) for one in result.workloads) - len(shown)
        return finish(
            figure,
            name="completion-shares",
            title="How completion times and slowdowns are distributed",
            caption="The share of a service's exchanges, over the whole run, that took no longer, and that were slowed "
            "down no more than that." + (f" {plural(more, 'more service')} are in result.json." if more > 0 else ""),
            alt="Distributions over the whole run: " + "; ".join(f"{one.workload} {_spread(one)}" for one in shown),
            wide=True,
        )


def _shares(one: Histogram) -> tuple[list[float], list[float]]:
    """The edges of a histogram, and the share of its values below each."""
    whole = sum(one.counts)
    return list(one.edges), [0.0, *(count / whole for count in accumulate(one.counts))]


def _spread(one: WorkloadSummary) -> str:
    median, tail = (one.whole.get(f"slowdown_{name}", float("nan")) for name in ("p50", "p99"))
    return f"slowdown median {number(median)}, p99 {number(tail)}"


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
