"""The answer to a what-if question: every variant beside the baseline.

In: the figures of all runs.  Out: one frozen value with a stable plain form.  Never: a wall-clock time or a folder's
name: the same question with the same seed has the same answer, byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from shadowlab.predict.sweep.estimate import Prediction, predictions
from shadowlab.predict.sweep.figures import LinkFigure, RunFigures
from shadowlab.predict.sweep.halving import worst

FORMAT = "whatif/1"
BASELINE = "baseline"


@dataclass(frozen=True, kw_only=True)
class VariantAnswer:
    """``predictions`` worst first.  ``broken`` counts levels on subjects that break (or are cut off), ``unsure`` those
    whose interval holds the limit.  ``faults`` are runs that showed nothing, and why."""

    name: str
    changes: tuple[str, ...]
    runs: int
    predictions: tuple[Prediction, ...]
    links: tuple[LinkFigure, ...]
    """Means over the runs."""
    cut: tuple[str, ...]
    broken: int
    unsure: int
    faults: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether everything that was promised is kept; never of a variant that showed nothing."""
        return bool(self.runs) and not self.broken and not self.unsure

    @property
    def nearness(self) -> float:
        """How near it comes to any limit: 1 is at it, infinite is cut off."""
        return worst(self.predictions)

    @property
    def verdict(self) -> str:
        """In a word or two."""
        if not self.runs and not self.cut:
            return "no result"
        return "breaks" if self.broken else "unsure" if self.unsure else "holds"


@dataclass(frozen=True, kw_only=True)
class LinkWorst:
    """The worst that any variant makes of a direction, and which variant that is."""

    direction: str
    before: float
    """Mean utilisation in the baseline."""
    worst: float
    loss: float
    """Share of packets dropped in the worst variant."""
    cause: str


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What the answer stands on."""

    kernel: str
    clock: str
    shadowlab: str
    seeds: tuple[int, ...]
    seconds: float
    """Of network time of each run."""
    scale_factor: float
    scale_reason: str
    runs: int


@dataclass(frozen=True, kw_only=True)
class Answer:
    """``promised``: the service levels are the asker's own."""

    question: str
    baseline: VariantAnswer
    variants: tuple[VariantAnswer, ...]
    links: tuple[LinkWorst, ...]
    provenance: Provenance
    promised: bool
    headline: str

    @property
    def holds(self) -> bool:
        """Whether every variant keeps what was promised."""
        return all(one.holds for one in self.variants or (self.baseline,))


def variant_answer(
    name: str, changes: Sequence[str], runs: Sequence[RunFigures], baseline: Sequence[RunFigures]
) -> VariantAnswer:
    """All that is known of one variant."""
    found = sorted(predictions(runs, baseline), key=lambda one: (-one.badness, one.level, one.subject))
    good = [one for one in runs if not one.fault]
    return VariantAnswer(
        name=name,
        changes=tuple(changes),
        runs=len(good),
        predictions=tuple(found),
        links=_means(good),
        cut=good[0].cut if good else (),
        broken=sum(one.verdict in ("breaks", "cut off") for one in found),
        unsure=sum(one.verdict == "unsure" for one in found),
        faults=tuple(dict.fromkeys(one.fault for one in runs if one.fault)),
    )


def _means(runs: Sequence[RunFigures]) -> tuple[LinkFigure, ...]:
    by_direction: dict[str, list[LinkFigure]] = {}
    for run in runs:
        for one in run.links:
            by_direction.setdefault(one.direction, []).append(one)
    return tuple(
        LinkFigure(
            direction=direction,
            utilisation=float(np.mean([one.utilisation for one in some])),
            peak=max(one.peak for one in some),
            loss=float(np.mean([one.loss for one in some])),
        )
        for direction, some in by_direction.items()
    )


def worst_of_links(baseline: VariantAnswer, variants: Sequence[VariantAnswer]) -> tuple[LinkWorst, ...]:
    """Every direction, the fullest first."""
    before: Mapping[str, float] = {one.direction: one.utilisation for one in baseline.links}
    cases: dict[str, tuple[float, float, str]] = {}
    for variant in (baseline, *variants):
        for one in variant.links:
            if one.direction not in cases or one.utilisation > cases[one.direction][0]:
                cases[one.direction] = (one.utilisation, one.loss, variant.name)
    found = [
        LinkWorst(direction=direction, before=before.get(direction, 0.0), worst=used, loss=loss, cause=cause)
        for direction, (used, loss, cause) in cases.items()
    ]
    return tuple(sorted(found, key=lambda one: (-one.worst, one.direction)))


def headline(baseline: VariantAnswer, variants: Sequence[VariantAnswer]) -> str:
    """The answer in one sentence."""
    some = variants or (baseline,)
    bad = [one for one in some if one.broken or (not one.runs and not one.cut)]
    unsure = [one for one in some if one.unsure and one not in bad]
    if len(some) > 1:
        words = f"{len(bad)} of {len(some)} variants break a service level"
        words += f", {len(unsure)} may" if unsure else ""
        return f"{words}; the worst is {max(bad, key=lambda one: (one.nearness, one.broken)).name}" if bad else words
    one = some[0]
    if one.verdict == "no result":
        return f"{one.name}: no result: {'; '.join(one.faults) or 'nothing was driven'}"
    if one.cut:
        count = len(one.cut)
        return f"{one.name}: {count} path{'s' if count > 1 else ''} cut off, {one.broken} service levels broken"
    if one.broken:
        first = next(each for each in one.predictions if each.verdict == "breaks")
        more = f" and {one.broken - 1} more" if one.broken > 1 else ""
        return f"{one.name}: breaks {first.level} on {first.subject}{more}"
    if one.unsure:
        first = next(each for each in one.predictions if each.verdict == "unsure")
        return f"{one.name}: may break {first.level} on {first.subject}: more runs would tell"
    return f"{one.name}: every service level holds"
