"""An answer as a folder: ``answer.json``, ``report.html`` and its plots.

In: an answer, a new folder.  Out: the files.  Never: a folder of somebody else written into.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from shadowlab.report.ahead.plain import answer_json
from shadowlab.report.ahead.plots import draw_heat_map, draw_links
from shadowlab.report.ahead.rows import (
    LEVEL_HEADS,
    LEVEL_RIGHT,
    LINK_HEADS,
    LINK_RIGHT,
    VARIANT_HEADS,
    VARIANT_RIGHT,
    level_rows,
    link_rows,
    run_words,
    variant_rows,
)
from shadowlab.report.markup import Html, join, section, table, tag, text
from shadowlab.report.palette import DARK, LIGHT, variables
from shadowlab.store.folder import RunFolder
from shadowlab.store.whole import write_whole

if TYPE_CHECKING:
    from shadowlab.predict.sweep.answer import Answer, VariantAnswer
    from shadowlab.report.figure import Plot

ANSWER_FILE = "answer.json"
PAGE_FILE = "report.html"
PLOTS_FOLDER = "plots"
_MOST_DETAILED = 20


class AnswerFolder:
    """A folder for an answer, made before anything is run so that a wrong one is told at once; or none."""

    def __init__(self, path: Path | None) -> None:
        self._folder = None if path is None else RunFolder(path)

    def __enter__(self) -> AnswerFolder:
        if self._folder is not None:
            self._folder.__enter__()
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self._folder is not None:
            self._folder.__exit__(kind, error, trace)

    def write(self, answer: Answer) -> Path | None:
        """The page, if there is a folder."""
        if self._folder is None:
            return None
        made = answer_files(answer)
        self._folder.subfolder(PLOTS_FOLDER)
        for name, content in made.items():
            if name.startswith(PLOTS_FOLDER):
                write_whole(self._folder.path / name, content)
            else:
                self._folder.write_bytes(name, content)
        return self._folder.path / PAGE_FILE


def answer_files(answer: Answer) -> dict[str, bytes]:
    """Name to content of all that an answer's folder holds."""
    plots = [one for one in (draw_heat_map(answer), draw_links(answer)) if one is not None]
    return {
        ANSWER_FILE: answer_json(answer).encode(),
        **{f"{PLOTS_FOLDER}/{one.name}.png": one.png for one in plots},
        PAGE_FILE: render_answer_page(answer, plots).encode(),
    }


def render_answer_page(answer: Answer, plots: list[Plot]) -> str:
    """The whole page as text."""
    drawn = {one.name: one for one in plots}
    style = files("shadowlab.report").joinpath("page.css").read_text(encoding="utf-8")
    themes = (
        f":root {{ {variables(LIGHT)} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {variables(DARK)} }} }}\n"
        f"@media print {{ :root {{ {variables(LIGHT)} }} }}"
    )
    detailed = sorted(answer.variants, key=lambda one: (-one.nearness, one.name))[:_MOST_DETAILED]
    sections = join(
        section(
            "variants",
            "Variants",
            figure(drawn["variants"]) if "variants" in drawn else "",
            table("Variants", VARIANT_HEADS, variant_rows(answer), right=VARIANT_RIGHT),
        ),
        section(
            "links",
            "Links",
            figure(drawn["links"]) if "links" in drawn else "",
            table("Links", LINK_HEADS, link_rows(answer.links), right=LINK_RIGHT),
        ),
        *(_details(one, index) for index, one in enumerate(detailed or [answer.baseline])),
    )
    return Html(
        f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{text(answer.headline)} · ShadowLab</title>
<style>
{themes}
{style}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the answer</a>
<div class="page">
<header><h1>{text(answer.headline)}</h1><p class="lead">{text(answer.question)}</p></header>
<main id="main">
{sections}
</main>
<footer>ShadowLab {text(answer.provenance.shadowlab)} · {text(run_words(answer.provenance))}.
Everything is in {ANSWER_FILE}.</footer>
</div>
</body>
</html>
"""
    )


def figure(plot: Plot) -> Html:
    """A plot with its caption."""
    return tag("figure", Html(plot.svg), tag("figcaption", plot.caption), class_="wide" if plot.wide else "")


def _details(one: VariantAnswer, index: int) -> Html:
    changes = "; ".join(one.changes) or "the network as it is"
    notes = [f"{len(one.cut)} paths are cut off: {', '.join(one.cut[:10])}"] if one.cut else []
    notes += [f"a run showed nothing: {fault}" for fault in one.faults]
    return section(
        f"variant-{index}",
        one.name,
        *(tag("p", note, class_="note") for note in notes),
        table(one.name, LEVEL_HEADS, level_rows(one.predictions), right=LEVEL_RIGHT, most=25),
        lead=changes,
    )
