"""Plots of an answer: the heat map of its variants, and before and after on the links.

In: an answer.  Out: plots.  Colours tell nearness to a limit: 1 is at it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from shadowlab.report.figure import Plot, drawing, finish, new_figure
from shadowlab.report.palette import FAULT, INK, MUTED, SURFACE, UTILISATION
from shadowlab.report.words import number, percent, short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shadowlab.predict.sweep.answer import Answer, VariantAnswer

MOST_VARIANTS = 40
MOST_LEVELS = 12
MOST_LINKS = 16
_BOUNDS = (0.0, 0.5, 0.8, 0.95, 1.0)


def draw_heat_map(answer: Answer) -> Plot | None:
    """How near every variant comes to every service level's limit; None where nothing was predicted."""
    shown = [one for one in (answer.baseline, *answer.variants) if one.predictions][: MOST_VARIANTS + 1]
    levels = list(dict.fromkeys(each.level for one in shown for each in one.predictions))[:MOST_LEVELS]
    if not shown or not levels:
        return None
    import numpy as np
    from matplotlib.colors import BoundaryNorm, ListedColormap

    cells = np.array([[_worst(one, level) for level in levels] for one in shown])
    with drawing():
        high = 1.1 + 0.24 * len(shown)
        figure = new_figure(7.2, high)
        axes = figure.add_axes((0.36, 0.12 / high, 0.62, (high - 0.95) / high))
        colours = ListedColormap([*UTILISATION, FAULT])
        norm = BoundaryNorm([*_BOUNDS, 1e9], colours.N)
        axes.imshow(np.minimum(cells, 1e8), cmap=colours, norm=norm, aspect="auto")
        axes.grid(visible=False)
        for row in range(len(shown)):
            for column in range(len(levels)):
                value = cells[row, column]
                dark = value >= _BOUNDS[2]
                words = "–" if math.isnan(value) else "cut off" if math.isinf(value) else number(float(value))
                axes.text(column, row, words, ha="center", va="center", size=7, color=SURFACE if dark else INK)
        axes.xaxis.tick_top()
        axes.set_xticks(range(len(levels)), [short(one, 22) for one in levels], rotation=20, ha="left", color=MUTED)
        axes.set_yticks(range(len(shown)), [short(one.name, 42) for one in shown])
        more = len(answer.variants) + 1 - len(shown)
        return finish(
            figure,
            name="variants",
            title="How near to the limits",
            caption="Predicted value over limit, at the worst place of each service level: 1 is the limit, more is "
            f"broken.{f' {more} more variants are in answer.json.' if more > 0 else ''}",
            alt="; ".join(f"{one.name}: {one.verdict}" for one in shown),
            wide=True,
        )


def _worst(one: VariantAnswer, level: str) -> float:
    return max((each.badness for each in one.predictions if each.level == level), default=math.nan)


def draw_links(answer: Answer) -> Plot | None:
    """The fullest directions: utilisation now and in the worst variant."""
    shown = [one for one in answer.links if one.worst > 0][:MOST_LINKS]
    if not shown:
        return None
    with drawing():
        high = 0.7 + 0.24 * len(shown)
        figure = new_figure(7.2, high)
        axes = figure.add_axes((0.2, 0.42 / high, 0.5, (high - 0.55) / high))
        rows: Sequence[int] = range(len(shown))
        axes.barh(rows, [100 * one.worst for one in shown], height=0.7, color=UTILISATION[1])
        axes.barh(rows, [100 * one.before for one in shown], height=0.32, color=UTILISATION[3])
        axes.set_yticks(rows, [short(one.direction, 24) for one in shown])
        axes.invert_yaxis()
        axes.grid(visible=True, axis="x")
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("mean utilisation, %")
        edge = max(100 * one.worst for one in shown)
        for row, one in zip(rows, shown, strict=True):
            axes.text(edge * 1.04, row, short(one.cause, 40), va="center", size=7, color=MUTED)
        return finish(
            figure,
            name="links",
            title="Worst case of each link",
            caption="Dark: the baseline. Light: the worst of all variants, and which one that is.",
            alt="; ".join(f"{one.direction} {percent(one.before)} to {percent(one.worst)}" for one in shown),
            wide=True,
        )
