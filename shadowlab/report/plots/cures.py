"""The cures side by side, and the heat map of all paths.

In: a result and its series.  Out: one plot each, or none when there is nothing to show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shadowlab.model.units import NS_PER_S
from shadowlab.report.choice import affected_paths, thinned
from shadowlab.report.figure import Plot, drawing, finish, new_figure
from shadowlab.report.palette import BEST, FAINT, INK, MUTED, SURFACE, UTILISATION
from shadowlab.report.words import percent, plural, short

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from shadowlab.model.kpi import SeriesTable
    from shadowlab.model.result import RunResult

MOST_CURES = 20
MOST_ROWS = 60
MOST_COLUMNS = 400
_MOST_NAMED = 32
_CURES_WIDTH = 4.9


def draw_cures(result: RunResult) -> Plot | None:
    """Broken share of the level-windows under each candidate, best first; None without candidates."""
    cures = result.cures[:MOST_CURES]
    if not cures:
        return None
    with drawing():
        figure = new_figure(_CURES_WIDTH, 0.2 + 0.32 * len(cures))
        names = [short(one.cure, 26) for one in cures]
        left = (0.25 + 0.075 * max(map(len, names))) / _CURES_WIDTH
        axes = figure.add_axes((left, 0.04, 0.98 - left, 0.92))
        axes.grid(visible=False)
        rows = range(len(cures))
        shares = [one.broken_share for one in cures]
        best = [one.rank == min(cure.rank for cure in cures) for one in cures]
        axes.barh(rows, shares, color=[BEST if one else FAINT for one in best], height=0.58)
        for row, share in zip(rows, shares, strict=True):
            axes.annotate(
                percent(share),
                (share, row),
                (5, 0),
                textcoords="offset points",
                va="center",
                color=BEST if best[row] else MUTED,
                fontweight="bold" if best[row] else "normal",
            )
        axes.set_yticks(list(rows), names)
        for label, one in zip(axes.get_yticklabels(), best, strict=True):
            label.set_color(BEST if one else INK)
            label.set_fontweight("bold" if one else "normal")
        axes.tick_params(axis="y", labelsize=8.5)
        axes.invert_yaxis()
        axes.set_xlim(0, max(max(shares) * 1.2, 0.01))
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        axes.axvline(0, color=FAINT, linewidth=0.8)
        more = len(result.cures) - len(cures)
        return finish(
            figure,
            name="cures",
            title="Cures compared",
            caption="Share of the judged windows in which a service level is broken once the cure has settled; "
            "the shorter the bar, the better."
            + (f" {plural(more, 'more candidate')} are in result.json." if more else ""),
            alt="Broken share per candidate: " + "; ".join(f"{one.cure} {percent(one.broken_share)}" for one in cures),
        )


def draw_heat_map(result: RunResult, paths: SeriesTable) -> Plot | None:
    """Latency of each path above its own baseline, over time; None when no latency was measured."""
    import numpy as np

    if "latency_ms" not in paths.values or not paths.subjects or not len(paths.times_ns):
        return None
    rise = _rise(result, paths)
    order = _order(result, paths, rise)
    _, drawn, each = thinned(paths.times_ns, rise[:, order], MOST_COLUMNS)
    seen = drawn[~np.isnan(drawn)]
    top = max(float(np.percentile(seen, 99.5)) if seen.size else 0.0, 0.1)
    with drawing():
        import matplotlib

        names = [short(paths.subjects[index], 28) for index in order]
        named = len(names) <= _MOST_NAMED
        high = 0.6 + max(1.0, (0.14 if named else 0.065) * len(names))
        left = (0.2 + 0.06 * max(map(len, names)) if named else 0.3) / 7.2
        figure = new_figure(7.2, high)
        body = (0.48 / high, 1 - 0.6 / high)
        axes = figure.add_axes((left, body[0], 0.9 - left, body[1]))
        axes.grid(visible=False)
        axes.set_facecolor(UTILISATION[0])
        colours = matplotlib.colormaps["cividis"].with_extremes(bad=(0, 0, 0, 0))
        image = axes.imshow(
            drawn.T,
            aspect="auto",
            interpolation="nearest",
            cmap=colours,
            vmin=0.0,
            vmax=top,
            extent=(0, float(paths.times_ns[-1]) / NS_PER_S, len(order) - 0.5, -0.5),
        )
        if result.event_ns < result.duration_ns:
            axes.axvline(result.event_ns / NS_PER_S, color=SURFACE, linewidth=1.0, linestyle=(0, (4, 2)))
        if named:
            axes.set_yticks(range(len(names)), names)
            axes.tick_params(axis="y", labelsize=6.5)
        else:
            axes.set_yticks([])
            axes.set_ylabel("paths, most affected on top")
        axes.set_xlabel("seconds since the start of the run; the dashed line is the event")
        beyond = seen.size and seen.max() > top
        scale = figure.add_axes((0.915, body[0], 0.018, body[1]))
        bar = figure.colorbar(image, cax=scale, extend="max" if beyond else "neither", extendfrac=0.03)
        bar.set_label("ms above baseline")
        bar.outline.set_visible(False)
        return finish(
            figure,
            name="heat-map",
            title="Latency of every path",
            caption=_heat_caption(len(paths.subjects), len(order), each),
            alt=f"Heat map of {plural(len(order), 'path')} over time: median latency above each path's own baseline, "
            f"up to {top:.3g} ms.",
            wide=True,
        )


def _rise(result: RunResult, paths: SeriesTable) -> NDArray[np.float64]:
    """Latency minus the path's own baseline median, shape (T, S); NaN where there is either not."""
    import numpy as np

    values = paths.values["latency_ms"]
    first, last = result.baseline_ns
    calm = values[(paths.times_ns >= first) & (paths.times_ns < last)]
    base = np.full(values.shape[1], np.nan)
    known = (~np.isnan(calm)).any(axis=0) if len(calm) else np.zeros(values.shape[1], dtype=bool)
    base[known] = np.nanmedian(calm[:, known], axis=0)
    rise: NDArray[np.float64] = values - base
    return rise


def _order(result: RunResult, paths: SeriesTable, rise: NDArray[np.float64]) -> list[int]:
    """Columns to draw: affected paths first, each part by its mean rise after the event."""
    import numpy as np

    after = rise[paths.times_ns >= result.event_ns]
    seen = ~np.isnan(after)
    mean = np.where(seen, after, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    affected = set(affected_paths(result))
    ranked = sorted(
        range(len(paths.subjects)),
        key=lambda index: (paths.subjects[index] not in affected, -round(float(mean[index]), 6), paths.subjects[index]),
    )
    return ranked[:MOST_ROWS]


def _heat_caption(known: int, drawn: int, each: int) -> str:
    words = ["Median latency above each path's own baseline. Grey: no reply."]
    if drawn < known:
        words.append(f"The {drawn} most affected of {plural(known, 'path')}.")
    if each > 1:
        words.append(f"A cell is the mean of {plural(each, 'sample')}.")
    return " ".join(words)
