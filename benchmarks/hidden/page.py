"""The figures of the documentation, between its marks: tables and plots of what was run.

In: the rows of a bench.  Out: `docs/explanation/how-true-is-the-shadow.md` with its measured part renewed, its plots.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt

from benchmarks.hidden.produce import Grounds
from benchmarks.hidden.table import Row, table

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "explanation" / "how-true-is-the-shadow.md"
BEGIN, END = "<!-- measured -->", "<!-- end of measured -->"
_WHO = ("production again", "shadow", "true links", "no calibration", "formulas", "fluid")
_LINKS = (("delay_ms", "delay, ms"), ("rate_mbps", "rate, Mbit/s"))


def write_page(rows: Sequence[Row], ground: Grounds) -> None:
    """Renew what stands between the marks."""
    mpl.rcParams["svg.hashsalt"] = "twin"
    cases = sorted(
        {(row["seed"], row["family"], row["load"]) for row in rows if row["stage"] == "replication"}, key=str
    )
    seeds = sorted({int(str(seed)) for seed, _, _ in cases})
    loads = ", ".join(f"{float(str(load)):.0%}" for load in sorted({float(str(load)) for _, _, load in cases}))
    words = f"{len(cases)} cases: seeds {', '.join(map(str, seeds))}; loads {loads}."
    text = f"{BEGIN}\n\n{words}\n\n```text\n{table(rows, ground)}\n```\n\n"
    if _plot_errors(rows):
        text += "![Replication error by who predicted it](../images/twin-replication.svg)\n\n"
    if _plot_links(rows):
        text += "![Recovered delays and rates against the truth](../images/twin-links.svg)\n\n"
    page = PAGE.read_text("utf-8")
    PAGE.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: text + END, page, flags=re.DOTALL), "utf-8")


def _plot_errors(rows: Sequence[Row]) -> bool:
    """One dot a case, by predictor."""
    figure, axes = plt.subplots(figsize=(7, 3))
    found = False
    for place, who in enumerate(_WHO):
        errors = [float(str(row["error"])) for row in rows if row["stage"] == "replication" and row["who"] == who]
        found |= bool(errors)
        axes.plot([100 * max(one, 1e-3) for one in errors], [place] * len(errors), "o", alpha=0.6)
    axes.set_yticks(range(len(_WHO)), _WHO)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("median relative error of a case, %")
    axes.grid(axis="x", alpha=0.3)
    _save(figure, "twin-replication.svg")
    return found


def _plot_links(rows: Sequence[Row]) -> bool:
    figure, both = plt.subplots(1, 2, figsize=(7, 3.2))
    found = False
    for axes, (name, words) in zip(both, _LINKS, strict=True):
        known = [
            (float(str(row["truth"])), float(str(row["value"])))
            for row in rows
            if row["stage"] == "links"
            and row["property"] == name
            and row["standing"] == "measured"
            and row["value"] is not None
        ]
        found |= bool(known)
        if known:
            most = max(max(one) for one in known)
            axes.plot([0, most], [0, most], "-", color="grey", linewidth=0.8)
            axes.plot([one[0] for one in known], [one[1] for one in known], ".", alpha=0.6)
        axes.set_xlabel(f"true {words}")
        axes.set_ylabel("recovered")
        axes.grid(alpha=0.3)
    _save(figure, "twin-links.svg")
    return found


def _save(figure: plt.Figure, name: str) -> None:
    figure.tight_layout()
    figure.savefig(DOCS / "images" / name, metadata={"Date": None})
    plt.close(figure)
