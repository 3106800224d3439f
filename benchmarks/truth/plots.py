"""Pictures of the fidelity page: shares of loss, distributions of jitter, windows beside theory, teeth over time.

In: outcomes; what is a series in time is measured anew.  Out: SVG files in ``docs/images``, the same for the same data.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("svg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.truth import chance, jitter, response
from benchmarks.truth.drive import Run
from benchmarks.truth.outcome import Outcome
from shadowlab.lab.execute import choose_place

FOLDER = Path(__file__).parents[2] / "docs/images"
BLUE, ORANGE, GREEN, GREY = "#2b6cb0", "#c05621", "#2f855a", "#718096"


def draw(outcomes: Sequence[Outcome]) -> None:
    """Whatever the outcomes have data for."""
    plt.rcParams.update({"svg.hashsalt": "fidelity", "font.size": 9, "axes.grid": True, "grid.alpha": 0.3})
    run = Run(place=choose_place("embedded", "virtual"))
    groups = {one.group for one in outcomes}
    if "loss, each cell" in groups:
        _loss([one for one in outcomes if one.group == "loss, each cell"])
    if any("against" in one for one in groups):
        _windows(outcomes)
    if jitter.GROUP in groups:
        _jitter(run)
    if any("even losses" in one for one in groups):
        _teeth(run)


def _save(figure: Figure, name: str) -> None:
    figure.tight_layout()
    figure.savefig(FOLDER / f"fidelity-{name}.svg", metadata={"Date": None})
    plt.close(figure)


def _loss(cells: Sequence[Outcome]) -> None:
    figure, axes = plt.subplots(figsize=(6.4, 3.2))
    shares = np.array([float(one.wished or 0) for one in cells])
    seen = np.array([float(one.seen or 0) for one in cells])
    levels = sorted(set(shares))
    place = np.array([levels.index(share) for share in shares], dtype=float)
    order = np.zeros(len(cells))
    for level in range(len(levels)):
        members = np.flatnonzero(place == level)
        order[members] = np.linspace(-0.35, 0.35, len(members))
    for level, share in enumerate(levels):
        count = next(one.samples for one in cells if one.wished == share)
        low, high = chance.binomial_interval(count, share)
        axes.fill_between([level - 0.4, level + 0.4], low / count / share, high / count / share, color=GREY, alpha=0.25)
    axes.plot(place + order, seen / shares, ".", color=BLUE, markersize=4)
    axes.set_xticks(range(len(levels)), [f"{100 * share:g} %" for share in levels])
    axes.set_xlabel("loss asked for (grey: 95 % of honest cells)")
    axes.set_ylabel("realised / asked for")
    _save(figure, "loss")


def _windows(outcomes: Sequence[Outcome]) -> None:
    figure, axes = plt.subplots(figsize=(6.4, 4.2))
    kinds = (
        ("Reno against PFTK", "Reno, PFTK", BLUE, "o"),
        ("Reno, random losses, against its rules simulated", "Reno, its rules", BLUE, "+"),
        ("CUBIC, random losses, against RFC 9438", "CUBIC, RFC 9438", ORANGE, "o"),
        ("CUBIC, random losses, against its rules simulated", "CUBIC, its rules", ORANGE, "+"),
        ("CUBIC, even losses, against its rules simulated", "CUBIC, even losses, its rules", GREEN, "x"),
        ("Reno, even losses, against Mathis", "Reno, even losses, Mathis", GREEN, "^"),
    )
    for beginning, label, colour, mark in kinds:
        some = [one for one in outcomes if one.group.startswith(beginning)]
        wished = [float(one.wished or 0) for one in some]
        errors = [100 * one.measured for one in some]
        axes.plot(wished, errors, mark, color=colour, label=label, fillstyle="none", markersize=6)
    axes.axhspan(-10, 10, color=GREY, alpha=0.2)
    axes.set_xscale("log")
    axes.set_xlabel("mean window by theory (packets)")
    axes.set_ylabel("measured against theory (%)")
    axes.legend(fontsize=7)
    _save(figure, "windows")


def _jitter(run: Run) -> None:
    figure, axes = plt.subplots(figsize=(6.4, 3.6))
    found = jitter.deviations(run, count=1_000)
    grid = np.linspace(-2.5, 4, 160)
    colours = (BLUE, ORANGE, GREEN, GREY, "#805ad5")
    for distribution, colour in zip(jitter.DISTRIBUTIONS, colours, strict=True):
        shares = np.linspace(0, 1, 120)
        seen = np.quantile(found[f"{distribution}, ordered"], shares)
        axes.plot(seen, shares, color=colour, linewidth=1, label=distribution)
        axes.plot(grid, jitter.cdf_of(distribution)(grid), "--", color=colour, linewidth=0.8)
    axes.set_xlim(-2.5, 4)
    axes.set_xlabel("deviation from the mean delay, in units of the jitter (dashed: as stated)")
    axes.set_ylabel("share of packets below")
    axes.legend(fontsize=7)
    _save(figure, "jitter")


def _teeth(run: Run) -> None:
    figure, (above, below) = plt.subplots(2, 1, figsize=(6.4, 4.2))
    for seen in response.run_even(run):
        kind, facts = seen.cell.flows[0].tcp.congestion_control, seen.cell.facts
        axes: Axes | None = {("reno", 40.0): above, ("cubic", 300.0): below}.get((kind, facts["most"]))
        if axes is None:
            continue
        at_s = seen.tcp["at_ns"][:, 0] / 1e9
        shown = (at_s >= 20) & (at_s <= (36 if kind == "reno" else 80))
        step = 5 if kind == "reno" else 20
        axes.plot(at_s[shown][::step], seen.tcp["cwnd"][shown, 0][::step], color=BLUE, linewidth=0.9)
        axes.axhline(facts["most"], color=GREY, linewidth=0.8, linestyle="--")
        axes.set_ylabel(f"{kind}: window (packets)")
    below.set_xlabel("time (s); dashed: the window at which a packet is lost")
    _save(figure, "teeth")
