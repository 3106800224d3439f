"""Indicators over time: paths in small multiples, links of the suspect and around it.

In: a result and its series.  Out: one plot per indicator, a row per path or direction.  Never: a line without its
baseline where there is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shadowlab.model.kpi import KPIS
from shadowlab.model.units import NS_PER_S
from shadowlab.report.choice import baseline_band, suspect_and_neighbours, thinned, worst_and_healthy
from shadowlab.report.figure import Plot, drawing, finish, new_figure
from shadowlab.report.palette import AFFECTED, BEST, FAINT, FAULT, HEALTHY, INK, LIMIT, MUTED
from shadowlab.report.words import indicator, measured, plural, short

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from shadowlab.model.kpi import SeriesTable
    from shadowlab.model.level import ServiceLevel
    from shadowlab.model.result import RunResult

PATH_KPIS = ("latency_p95_ms", "loss", "throughput_mbps", "retransmission_share", "queueing_ms")
LINK_KPIS = ("link_utilisation", "link_queue_packets", "link_marks")
_WHERE_SEEN = frozenset({"link_marks"})
"""Drawn only where there is any: most links mark nothing."""
SIGMAS = 3.0
_WIDTH, _ROW, _HEAD, _FOOT = 4.7, 0.84, 0.24, 0.38
_OWN_SCALE = frozenset({"throughput_mbps"})


def draw_paths(result: RunResult, paths: SeriesTable, levels: Sequence[ServiceLevel]) -> list[Plot]:
    """A plot for each indicator that was measured: the worst affected paths and some healthy ones."""
    worst, healthy = worst_and_healthy(result, paths)
    return [
        _draw(result, paths, kpi, worst, healthy, levels, ("affected", "healthy"))
        for kpi in PATH_KPIS
        if kpi in paths.values and (worst or healthy)
        # A path of workloads alone has probes, but no flow to be heard.
        if any((paths.column(kpi, one) == paths.column(kpi, one)).any() for one in (*worst, *healthy))
    ]


def draw_links(result: RunResult, links: SeriesTable) -> list[Plot]:
    """Utilisation and queue of the suspect directions and of the busiest ones beside them."""
    suspects, others = suspect_and_neighbours(result, links)
    return [
        _draw(result, links, kpi, suspects, others, (), ("suspect", "neighbour"))
        for kpi in LINK_KPIS
        if kpi in links.values and (suspects or others)
        if kpi not in _WHERE_SEEN or any((links.column(kpi, one) > 0).any() for one in (*suspects, *others))
    ]


def _draw(
    result: RunResult,
    table: SeriesTable,
    kpi: str,
    bad: tuple[str, ...],
    good: tuple[str, ...],
    levels: Sequence[ServiceLevel],
    tags: tuple[str, str],
) -> Plot:
    rows = [*bad, *good]
    each = 1
    with drawing():
        high = _HEAD + _ROW * len(rows) + _FOOT
        figure = new_figure(_WIDTH, high)
        grid = figure.subplots(len(rows), 1, sharex=True, sharey=kpi not in _OWN_SCALE, squeeze=False)[:, 0]
        gap = 0.36 / (_ROW - 0.36)
        figure.subplots_adjust(
            left=0.105, right=0.975, top=1 - (_HEAD + 0.3) / high, bottom=(_FOOT + 0.08) / high, hspace=gap
        )
        for axes, subject in zip(grid, rows, strict=True):
            affected = subject in bad
            seconds, values, each = thinned(table.times_ns, table.column(kpi, subject))
            _band(axes, baseline_band(result, table, kpi, subject))
            _markers(axes, result, subject)
            _void(axes, result)
            _limits(axes, kpi, subject, levels)
            axes.plot(seconds, values, color=FAULT if affected else HEALTHY, linewidth=1.1, zorder=4)
            axes.set_title(short(subject, 34), loc="left", color=INK, pad=3)
            axes.set_title(tags[0] if affected else tags[1], loc="right", pad=3, color=FAULT if affected else HEALTHY)
            axes.set_xlim(0, result.duration_ns / NS_PER_S)
            _scale(axes, kpi)
        for axes in grid:
            axes.set_ylim(bottom=0)
        grid[-1].set_xlabel("seconds since the start of the run")
        _legend(figure, result, kpi, rows, levels)
        unit = KPIS[kpi].unit
        own = " Each row has its own scale." if kpi in _OWN_SCALE else ""
        thin = f" A point is the mean of {plural(each, 'sample')}." if each > 1 else ""
        title = indicator(kpi)
        return finish(
            figure,
            name=kpi.replace("_", "-"),
            title=title[0].upper() + title[1:] + (f", {unit}" if unit not in ("fraction",) else ", %"),
            caption=f"{KPIS[kpi].meaning[0].upper()}{KPIS[kpi].meaning[1:]}.{own}{thin}",
            alt=_alt(result, table, kpi, bad, good),
        )


def _scale(axes: Axes, kpi: str) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(nbins=3, min_n_ticks=2))
    if KPIS[kpi].unit == "fraction":
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value * 100:.3g} %"))
    else:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))


def _band(axes: Axes, baseline: tuple[float, float] | None) -> None:
    if baseline is None:
        return
    mean, sigma = baseline
    axes.axhspan(mean - SIGMAS * sigma, mean + SIGMAS * sigma, color=FAINT, alpha=0.28, linewidth=0, zorder=1)


def _markers(axes: Axes, result: RunResult, subject: str) -> None:
    if result.event_ns < result.duration_ns:
        axes.axvline(result.event_ns / NS_PER_S, color=INK, linewidth=0.9, linestyle=(0, (4, 2)), zorder=3)
    for anomaly in result.anomalies:
        if anomaly.path == subject:
            axes.axvline(anomaly.onset_ns / NS_PER_S, color=AFFECTED, linewidth=1.2, linestyle=(0, (1, 1)), zorder=3)
            axes.axvline(anomaly.detected_ns / NS_PER_S, color=BEST, linewidth=1.2, zorder=3)


def _void(axes: Axes, result: RunResult) -> None:
    """Hatched: nothing was observed there, for the run was late."""
    for from_ns, to_ns in result.provenance.void_windows_ns:
        axes.axvspan(
            from_ns / NS_PER_S, to_ns / NS_PER_S, facecolor="none", edgecolor=FAINT, hatch="////", linewidth=0, zorder=2
        )


def _limits(axes: Axes, kpi: str, subject: str, levels: Sequence[ServiceLevel]) -> None:
    for level in levels:
        if level.kpi == kpi and (not level.paths or subject in level.paths):
            axes.axhline(level.limit, color=LIMIT, linewidth=1.0, linestyle=(0, (5, 1.5)), zorder=3)


def _legend(
    figure: Figure,
    result: RunResult,
    kpi: str,
    rows: list[str],
    levels: Sequence[ServiceLevel],
) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    entries: list[Line2D | Patch] = [Patch(color=FAINT, alpha=0.35, linewidth=0, label="baseline ± 3σ")]
    if result.event_ns < result.duration_ns:
        entries.append(Line2D([], [], color=INK, linewidth=0.9, linestyle=(0, (4, 2)), label="event"))
    if any(one.path in rows for one in result.anomalies):
        entries.append(Line2D([], [], color=AFFECTED, linewidth=1.4, linestyle=(0, (1, 1)), label="onset"))
        entries.append(Line2D([], [], color=BEST, linewidth=1.2, label="detected"))
    if any(level.kpi == kpi and (not level.paths or set(level.paths) & set(rows)) for level in levels):
        entries.append(Line2D([], [], color=LIMIT, linewidth=1.0, linestyle=(0, (5, 1.5)), label="limit"))
    if result.provenance.void_windows_ns:
        entries.append(Patch(facecolor="none", edgecolor=FAINT, hatch="////", linewidth=0, label="void: measured late"))
    figure.legend(
        handles=entries,
        loc="upper left",
        ncols=5,
        labelcolor=MUTED,
        handlelength=1.5,
        columnspacing=1.1,
        handletextpad=0.5,
        borderaxespad=0.5,
        borderpad=0.2,
    )


def _median(values: NDArray[np.float64]) -> float:
    import numpy as np

    seen = values[~np.isnan(values)]
    return float(np.median(seen)) if seen.size else float("nan")


def _alt(result: RunResult, table: SeriesTable, kpi: str, bad: tuple[str, ...], good: tuple[str, ...]) -> str:
    after = table.times_ns >= result.event_ns
    words = [f"{indicator(kpi)} over time"]
    for subject in (bad + good)[:6]:
        column = table.column(kpi, subject)
        before, then = measured(kpi, _median(column[~after])), measured(kpi, _median(column[after]))
        words.append(f"{short(subject, 40)}: median {before} before the event, {then} after")
    return "; ".join(words) + "."
