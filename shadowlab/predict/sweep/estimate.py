"""What several runs of a variant say together, and how sure that is.

In: the figures of runs of one variant with several seeds, and of the baseline with the same seeds.  Out: for every
service level a prediction with its interval, and the difference from the baseline with its own.

Intervals are Student's t over the runs.  A variant and the baseline of one seed share their draws (common random
numbers), so the difference is taken seed by seed and its interval is that of paired values: what both have of chance
cancels.  One run has no interval; a verdict from it is told as such.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from shadowlab.predict.sweep.figures import LevelFigure, RunFigures

Verdict = Literal["holds", "breaks", "unsure", "cut off"]
_T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131)
"""Two-sided 95 % points of Student's t for 1 to 15 degrees of freedom."""
_NORMAL95 = 1.96


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A mean and its 95 % interval; ``low`` and ``high`` are None with fewer than two values."""

    mean: float
    low: float | None = None
    high: float | None = None

    @property
    def half(self) -> float | None:
        """Half its width."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One service level of one variant.  ``predicted`` is None where the subject is cut off.  ``difference`` is from
    the baseline; None where the baseline knows nothing of the subject."""

    level: str
    subject: str
    kpi: str
    limit: float
    predicted: Interval | None
    difference: Interval | None
    verdict: Verdict
    runs: int

    @property
    def badness(self) -> float:
        """How near to the limit, or beyond it: 1 is at the limit, more is broken, infinite is cut off."""
        if self.predicted is None:
            return math.inf
        return nearness(self.predicted.mean, self.limit, less_is_bad=_less_is_bad(self.kpi))


def _less_is_bad(kpi: str) -> bool:
    from shadowlab.model.kpi import KPIS

    return KPIS[kpi].bad == "down"


def nearness(value: float, limit: float, *, less_is_bad: bool) -> float:
    """1 at the limit, above it where it is broken, whatever the indicator's unit."""
    first, second = (limit, value) if less_is_bad else (value, limit)
    if second > 0:
        return first / second
    return 1.0 if first <= 0 else math.inf


def interval(values: Sequence[float]) -> Interval:
    """Mean and 95 % interval of values of independent runs."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return Interval(mean=mean)
    degrees = len(values) - 1
    factor = _T95[degrees - 1] if degrees <= len(_T95) else _NORMAL95
    half = factor * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return Interval(mean=mean, low=mean - half, high=mean + half)


def predictions(runs: Sequence[RunFigures], baseline: Sequence[RunFigures]) -> tuple[Prediction, ...]:
    """Every level and subject of the variant, in the order of its first run; runs with a fault say nothing."""
    good = [one for one in runs if not one.fault]
    before = {one.seed: {figure.key: figure for figure in one.levels} for one in baseline if not one.fault}
    keys = dict.fromkeys(figure.key for one in good for figure in one.levels)
    found = {one.seed: {figure.key: figure for figure in one.levels} for one in good}
    return tuple(_predicted(key, found, before) for key in keys)


def _predicted(
    key: tuple[str, str],
    found: Mapping[int, Mapping[tuple[str, str], LevelFigure]],
    before: Mapping[int, Mapping[tuple[str, str], LevelFigure]],
) -> Prediction:
    figures = {seed: some[key] for seed, some in found.items() if key in some}
    one = next(iter(figures.values()))
    values = {seed: figure.value for seed, figure in figures.items() if figure.value is not None}
    pairs = [
        value - base
        for seed, value in values.items()
        if (base := before.get(seed, {}).get(key, one).value) is not None and key in before.get(seed, {})
    ]
    predicted = interval(list(values.values())) if len(values) == len(figures) else None
    return Prediction(
        level=one.level,
        subject=one.subject,
        kpi=one.kpi,
        limit=one.limit,
        predicted=predicted,
        difference=interval(pairs) if pairs and predicted is not None else None,
        verdict=_verdict(predicted, one.limit, less_is_bad=one.less_is_bad),
        runs=len(figures),
    )


def _verdict(predicted: Interval | None, limit: float, *, less_is_bad: bool) -> Verdict:
    if predicted is None:
        return "cut off"
    low = predicted.mean if predicted.low is None else predicted.low
    high = predicted.mean if predicted.high is None else predicted.high
    if less_is_bad:
        low, high, limit = -high, -low, -limit
    return "holds" if high <= limit else "breaks" if low > limit else "unsure"


def settled(found: Sequence[Prediction], precision: float) -> bool:
    """Whether more runs would tell nothing that matters: every verdict is sure, or its interval is narrower, each way,
    than ``precision`` of the limit (with a limit of 0, of the mean)."""
    for one in found:
        if one.verdict == "cut off" or (one.verdict in ("holds", "breaks") and one.runs >= 2):
            continue
        half = one.predicted.half if one.predicted is not None else 0.0
        scale = abs(one.limit) or (abs(one.predicted.mean) if one.predicted else 0.0)
        if half is None or half > precision * scale:
            return False
    return True
