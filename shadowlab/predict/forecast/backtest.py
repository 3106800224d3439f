"""Forecasts that were tried on the past of their own series.

In: a series, models, how far ahead.  Out: the model that would have been best, and the demand to come at quantiles.

Rolling origin: the end of the series is cut off at several moments, every model forecasts from there, and what came is
held against it.  The errors of the chosen model, by how far ahead they were made, are its intervals: nothing is assumed
of their distribution.  Errors are relative to the level, so that a growing series has growing intervals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from shadowlab.predict.forecast.models import Model
from shadowlab.predict.forecast.series import DAY_S, DemandSeries, Floats, steady

QUANTILES = (0.1, 0.5, 0.9)
"""The median, and the ends of the 80 % interval."""
MOST_FOLDS = 12
_BLOCKS = 6
"""Errors are pooled over so many stretches of the horizon,"""
_LEAST_ERRORS = 20
"""or fewer, so that each has this many: of fewer the ends of an 80 % interval are the extremes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Forecast:
    """``times_s`` has shape (H,), the ends of the steps to come; ``quantiles`` by their share, shape (H,) each.
    ``scores`` are the mean absolute errors of the models relative to the level, by name; ``coverage`` is the share of
    back-tested values within the interval, NaN without a back-test."""

    name: str
    model: str
    now: float
    """The demand of the last hour (or the last step, if that is longer)."""
    times_s: Floats
    quantiles: Mapping[float, Floats]
    scores: Mapping[str, float]
    coverage: float
    folds: int
    notes: tuple[str, ...] = ()

    def at(self, seconds: float, quantile: float) -> float:
        """The demand so long after the end of the series."""
        ahead = self.times_s - self.times_s[0] + (self.times_s[1] - self.times_s[0] if len(self.times_s) > 1 else 0)
        return float(np.interp(seconds, ahead, self.quantiles[quantile]))


def forecast(series: DemandSeries, models: Sequence[Model], horizon_s: float) -> Forecast:
    """Raises ValueError for a horizon that is none."""
    horizon = round(horizon_s / series.step_s)
    if horizon < 1:
        raise ValueError(f"the horizon is shorter than a step of {series.step_s:g} s")
    period = series.period(DAY_S)
    notes = []
    if len(series.values) < 2 * period:
        period = 1 if len(series.values) < 2 * series.period(DAY_S / 24) else series.period(DAY_S / 24)
        notes.append("less than two days of history: no daily course is known")
    whole = steady(series.values, period)
    if whole.filled:
        notes.append(f"{whole.filled} of {len(whole.values)} steps are missing, filled from the days around")
    if whole.changed_at is not None:
        days = (len(whole.values) - whole.changed_at) * series.step_s / DAY_S
        notes.append(f"the level changed {days:.1f} days ago, to {whole.ratio:.2f} times: what was before is scaled")
    values = whole.values
    origins = _origins(len(values), period, horizon)
    errors = {model.name: _errors(model, values, period, horizon, origins) for model in models}
    scores = {name: float(np.nanmean(np.abs(some))) if some.size else float("nan") for name, some in errors.items()}
    best = min(models, key=lambda one: (scores[one.name] if origins else 0.0, one.name != "seasonal-naive"))
    if not origins:
        notes.append("too short for a back-test: intervals are those of one step's changes")
    middle = np.maximum(best.forecast(values, period, horizon), 0.0)
    low, high, coverage = _spread(errors[best.name], values, horizon)
    recent = values[-max(1, round(3600 / series.step_s)) :]
    return Forecast(
        name=series.name,
        model=best.name,
        now=float(recent.mean()),
        times_s=np.asarray(series.end_s + series.step_s * np.arange(1, horizon + 1), dtype=np.float64),
        quantiles={0.1: np.maximum(middle * (1 + low), 0.0), 0.5: middle, 0.9: middle * (1 + high)},
        scores=scores,
        coverage=coverage,
        folds=len(origins),
        notes=tuple(notes),
    )


def _origins(count: int, period: int, horizon: int) -> list[int]:
    """Where the past is cut off: over the last week, so that every kind of day and hour is among them, or as far back
    as two days of history are left."""
    last, first = count - horizon, max(2 * period, 8)
    first = max(first, last - 7 * period)
    if last < first:
        return []
    return sorted({round(one) for one in np.linspace(first, last, MOST_FOLDS)}, reverse=True)


def _errors(model: Model, values: Floats, period: int, horizon: int, origins: Sequence[int]) -> Floats:
    """What came over what was forecast, minus 1; shape (folds, horizon)."""
    rows = []
    for origin in origins:
        made = np.maximum(model.forecast(values[:origin], period, horizon), 1e-9)
        rows.append(values[origin : origin + horizon] / made - 1)
    return np.clip(np.array(rows), -1.0, 10.0) if rows else np.empty((0, horizon))


def _ends(errors: Floats) -> tuple[float, float]:
    """The ends of a split-conformal 80 % interval of sorted errors: of N exchangeable ones a further one lies below the
    k-th with a probability of k / (N + 1) (Vovk, Gammerman, Shafer 2005).  Few errors make it wider than their own
    quantiles are."""
    count = len(errors)
    lower = int(np.floor(QUANTILES[0] * (count + 1))) - 1
    upper = int(np.ceil(QUANTILES[-1] * (count + 1))) - 1
    return float(errors[max(lower, 0)]), float(errors[min(upper, count - 1)])


def _spread(errors: Floats, values: Floats, horizon: int) -> tuple[Floats, Floats, float]:
    """Relative lower and upper ends for every step, wider the further ahead, and their share of hits."""
    if not errors.size:
        level = max(float(values.mean()), 1e-9)
        half = 1.2816 * float(np.std(np.diff(values))) / level * np.sqrt(np.arange(1, horizon + 1))
        return -half, half, float("nan")
    low, high = np.empty(horizon), np.empty(horizon)
    for block in np.array_split(np.arange(horizon), max(1, min(_BLOCKS, horizon, errors.size // _LEAST_ERRORS))):
        low[block], high[block] = _ends(np.sort(errors[:, block], axis=None))
    low, high = np.minimum.accumulate(np.minimum(low, 0.0)), np.maximum.accumulate(np.maximum(high, 0.0))
    inside = (errors >= low) & (errors <= high)
    return low, high, float(inside.mean())
