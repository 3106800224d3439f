"""Jitter: the distribution of the delays realised beside the one asked for.

Packets that are farther apart than the jitter reaches do not touch each other: then the distribution must be the
stated one, whatever the mode.  Nearer to each other, ordered jitter makes a packet wait for the one before it: how much
smaller the scatter becomes is reported.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.truth import chance
from benchmarks.truth.drive import Run, Train, run_inside
from benchmarks.truth.outcome import Outcome
from benchmarks.truth.pairs import MS, SECOND, Cell
from shadowlab.model.impairment import Impairment
from shadowlab.model.jitter import Distribution, JitterShape, standard_table
from shadowlab.model.units import format_duration

GROUP = "jitter: distance from the stated distribution over its critical value"
DELAY_NS, JITTER_NS = 100 * MS, 5 * MS
COUNT = 5_000
EMPIRICAL = tuple(float(value) for value in np.random.default_rng(7).lognormal(0.0, 0.6, 4096))
GAPS_NS = (100 * MS, 20 * MS, 5 * MS, MS)

Cdf = Callable[[NDArray[Any]], NDArray[Any]]


def shape(distribution: Distribution, *, reordering: bool) -> JitterShape:
    if distribution != "empirical":
        return JitterShape(distribution=distribution, reordering=reordering)
    table = standard_table(sorted(EMPIRICAL))
    return JitterShape(distribution="empirical", reordering=reordering, table=table.entries, stretch=table.stretch)


def cdf_of(distribution: Distribution) -> Cdf:
    """Of the deviation from the mean in units of the stated jitter, by the distribution's own formula."""
    if distribution == "uniform":
        return lambda x: np.clip((x + 1) / 2, 0.0, 1.0)
    if distribution == "normal":
        normal = NormalDist()
        return lambda x: np.array([normal.cdf(value) for value in x])
    if distribution == "pareto":
        spread, mean = 3**0.5 / 2, 1.5
        return lambda x: 1 - np.maximum(x * spread + mean, 1.0) ** -3.0
    if distribution == "paretonormal":
        # A mixture of quantiles has no formula for its shares: they are read off the quantiles.
        middles = (np.arange(200_000) + 0.5) / 200_000
        normal = NormalDist()
        low = np.array([normal.inv_cdf(middle) for middle in middles])
        long = ((1 - middles) ** (-1 / 3) - 1.5) / (3**0.5 / 2)
        mixed = 0.25 * low + 0.75 * long
        return _steps((mixed - mixed.mean()) / mixed.std())
    values = np.array(sorted(EMPIRICAL))
    return _steps((values - values.mean()) / values.std())


def _steps(ordered: NDArray[Any]) -> Cdf:
    return lambda x: np.interp(x, ordered, (np.arange(len(ordered)) + 0.5) / len(ordered), left=0.0, right=1.0)


DISTRIBUTIONS: tuple[Distribution, ...] = ("uniform", "normal", "pareto", "paretonormal", "empirical")


def cells() -> list[Cell]:
    return [
        Cell(
            name=f"j{number}{'r' if reordering else 'o'}",
            there=Impairment(
                delay_ns=DELAY_NS, jitter_ns=JITTER_NS, jitter_shape=shape(one, reordering=reordering)
            ).check(),
        )
        for number, one in enumerate(DISTRIBUTIONS)
        for reordering in (False, True)
    ]


def deviations(run: Run, count: int = COUNT) -> dict[str, NDArray[Any]]:
    """By "distribution, mode": deviations from the mean delay, in units of the jitter."""
    some = cells()
    # Farther apart than the widest table reaches, so that no packet waits for another.
    passed, _ = run_inside(run, some, trains=[Train(cell=one, count=count, gap_ns=SECOND) for one in some])
    return {_name(one.train.cell.there.shape): (one.delays_ns - DELAY_NS) / JITTER_NS for one in passed}


def _name(held: JitterShape) -> str:
    return f"{held.distribution}, {'reordering' if held.reordering else 'ordered'}"


def measure(run: Run, found: dict[str, NDArray[Any]] | None = None) -> list[Outcome]:
    """Kolmogorov-Smirnov's distance of each, and its realised scatter."""
    outcomes = []
    for name, x in (found or deviations(run)).items():
        distribution = name.partition(",")[0]
        distance = chance.ks_distance(x, cdf_of(distribution))  # type: ignore[arg-type]
        critical = chance.ks_critical(len(x), chance.TOGETHER / (2 * len(DISTRIBUTIONS)))
        outcomes.append(
            Outcome(
                group=GROUP,
                cell=name,
                measured=distance / critical,
                unit="of the critical distance",
                target=1.0,
                seen=round(distance, 4),
                wished=round(critical, 4),
                samples=len(x),
            )
        )
    return outcomes


def measure_crowded(run: Run) -> list[Outcome]:
    """Ordered jitter of evenly distributed draws where packets are near to each other: the scatter that is left."""
    wish = Impairment(delay_ns=DELAY_NS, jitter_ns=JITTER_NS)
    one = Cell(name="c", there=wish)
    trains = [Train(cell=one, count=3_000, gap_ns=gap_ns) for gap_ns in GAPS_NS]
    passed, _ = run_inside(run, [one], trains=trains)
    full = JITTER_NS / 3**0.5
    return [
        Outcome(
            group="ordered jitter of near packets: scatter left, of the stated one",
            cell=f"±{format_duration(JITTER_NS)}, a packet each {format_duration(each.train.gap_ns)}",
            measured=float(each.delays_ns.std() / full) - 1,
            unit="share",
            seen=round(float(each.delays_ns.std()) / 1e6, 3),
            wished=round(full / 1e6, 3),
            samples=len(each.numbers),
            note=f"the mean delay is {format_duration(round(float(each.delays_ns.mean())))}",
        )
        for each in passed
    ]
