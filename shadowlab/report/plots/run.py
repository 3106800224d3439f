"""All plots of a run.

In: a result, its series, the service levels.  Out: plots as values, and their PNG files.  Never: two results from one
input.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from shadowlab.report.figure import Plot
from shadowlab.report.plots.cures import draw_cures, draw_heat_map
from shadowlab.report.plots.map import draw_map
from shadowlab.report.plots.one_way import draw_one_way
from shadowlab.report.plots.series import draw_links, draw_paths
from shadowlab.report.plots.services import draw_distributions, draw_services

if TYPE_CHECKING:
    from shadowlab.model.kpi import SeriesTable
    from shadowlab.model.level import ServiceLevel
    from shadowlab.model.result import RunResult


def draw_plots(
    result: RunResult, paths: SeriesTable, links: SeriesTable, levels: Sequence[ServiceLevel] = ()
) -> tuple[Plot, ...]:
    """Every plot the run has data for, in reading order.  ``levels`` adds the limits to the indicators."""
    found: list[Plot | None] = [
        draw_map(result) if result.network.nodes else None,
        draw_cures(result),
        *draw_paths(result, paths, levels),
        draw_one_way(result, paths),
        draw_heat_map(result, paths),
        draw_services(result),
        draw_distributions(result),
        *draw_links(result, links),
    ]
    return tuple(plot for plot in found if plot is not None)


def write_pngs(plots: Iterable[Plot], folder: Path) -> tuple[Path, ...]:
    """One PNG file per plot, into ``folder`` (made if missing).  Raises OSError when it cannot be written."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for plot in plots:
        path = folder / f"{plot.name}.png"
        path.write_bytes(plot.png)
        written.append(path)
    return tuple(written)
