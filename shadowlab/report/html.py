"""The HTML report: one file that needs nothing else.

In: a result, its series, the manifest of its run folder.  Out: ``report.html`` and ``plots/*.png``.  Never: a script, a
reference to anything outside the file, text from data that is not escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from shadowlab.report.markup import Html, join, tag, text
from shadowlab.report.palette import DARK, LIGHT, variables
from shadowlab.report.plots.run import draw_plots, write_pngs
from shadowlab.report.sections_detail import (
    anomalies_section,
    domain_section,
    links_section,
    method_section,
    traffic_section,
)
from shadowlab.report.sections_diagnosis import diagnosis_section
from shadowlab.report.sections_paths import paths_detail_section
from shadowlab.report.sections_production import correlation_section
from shadowlab.report.sections_services import services_section
from shadowlab.report.sections_summary import (
    cures_section,
    headline,
    levels_section,
    map_section,
    paths_section,
    timeline_section,
)

if TYPE_CHECKING:
    from shadowlab.model.kpi import SeriesTable
    from shadowlab.model.level import ServiceLevel
    from shadowlab.model.result import RunResult
    from shadowlab.report.figure import Plot

REPORT_NAME = "report.html"
PLOTS_FOLDER = "plots"
_CONTENTS = (
    ("map", "Where"),
    ("timeline", "When"),
    ("cures", "Cures"),
    ("paths", "Paths"),
    ("services", "Services"),
    ("levels", "Service levels"),
    ("domain", "Fault domain"),
    ("diagnosis", "Kind"),
    ("anomalies", "Anomalies"),
    ("ways", "One way"),
    ("links", "Links"),
    ("correlation", "Production"),
    ("traffic", "Traffic"),
    ("method", "Method"),
)


def write_report(
    result: RunResult,
    paths: SeriesTable,
    links: SeriesTable,
    manifest: Mapping[str, object],
    folder: Path,
    levels: Sequence[ServiceLevel] = (),
) -> Path:
    """Write the page and its plots into ``folder``; return the page.

    ``levels`` draws their limits into the indicators.  The same arguments give the same bytes.  Raises OSError when
    something cannot be written.
    """
    plots = draw_plots(result, paths, links, levels)
    page = folder / REPORT_NAME
    page.write_text(render_page(result, plots, manifest, levels), encoding="utf-8")
    write_pngs(plots, folder / PLOTS_FOLDER)
    return page


def render_page(
    result: RunResult, plots: Sequence[Plot], manifest: Mapping[str, object], levels: Sequence[ServiceLevel] = ()
) -> str:
    """The whole page as text."""
    by_name = {plot.name: plot for plot in plots}
    services = services_section(result, by_name)
    ways = paths_detail_section(result, by_name)
    diagnosis = diagnosis_section(result)
    parts = {"services": services, "ways": ways, "diagnosis": diagnosis}
    missing = {"map"} - by_name.keys() | {name for name, part in parts.items() if not part}
    sections = join(
        map_section(by_name),
        timeline_section(result),
        cures_section(result, by_name),
        paths_section(result, by_name),
        services,
        levels_section(result, levels),
        tag("h2", "For engineers", class_="part"),
        domain_section(result),
        diagnosis,
        anomalies_section(result),
        ways,
        links_section(result, by_name),
        correlation_section(result),
        traffic_section(result),
        method_section(result, manifest),
    )
    style = files("shadowlab.report").joinpath("page.css").read_text(encoding="utf-8")
    themes = (
        f":root {{ {variables(LIGHT)} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {variables(DARK)} }} }}\n"
        f"@media print {{ :root {{ {variables(LIGHT)} }} }}"
    )
    contents = "".join(f'<a href="#{anchor}">{text(title)}</a>' for anchor, title in _CONTENTS if anchor not in missing)
    title = result.headline or result.title or result.scenario
    return Html(
        f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{text(title)} · ShadowLab</title>
<style>
{themes}
{style}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the report</a>
<div class="page">
{headline(result)}
<nav aria-label="Contents">{contents}</nav>
<main id="main">
{sections}
</main>
<footer>ShadowLab {text(result.provenance.shadowlab)} · scenario {text(result.scenario)} ·
seed {result.provenance.seed}. All rows and samples are in the run folder beside this page.</footer>
</div>
</body>
</html>
"""
    )
