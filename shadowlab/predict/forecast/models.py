"""Models of demand: seasonal-naive, Holt-Winters, robust trend.

In: a whole series at even steps, its season.  Out: the values to come.  Never: an interval: the back-test gives those,
for every model alike.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from shadowlab.predict.forecast.series import Floats, theil_sen


class Model(Protocol):
    """A way to go on from a series."""

    name: str

    def forecast(self, values: Floats, period: int, horizon: int) -> Floats:
        """``values`` has shape (N,) without NaN, N at least two periods; the result has shape (horizon,)."""


def day_factors(values: Floats, period: int, horizon: int) -> tuple[Floats, Floats]:
    """How each day of the week differs from the median day of its week, shapes (N,) and (horizon,); ones below two
    weeks.

    Days are counted back from the end of the series, so that no calendar is needed; the factor of a day is the median
    over the weeks, of two weeks the one nearer to 1: one odd day makes no habit.
    """
    weeks = len(values) // (7 * period)
    if weeks < 2:
        return np.ones(len(values)), np.ones(horizon)
    days = values[-weeks * 7 * period :].reshape(weeks, 7, period).mean(axis=2)
    each = np.maximum(days / np.maximum(np.median(days, axis=1, keepdims=True), 1e-9), 1e-3)
    nearer = np.abs(np.log(each)).argmin(axis=0)
    factors = each[nearer, np.arange(7)] if weeks == 2 else np.median(each, axis=0)
    back = (np.arange(len(values)) - len(values)) // period  # -1 is the last day
    ahead = np.arange(horizon) // period
    return factors[back % 7], factors[ahead % 7]


class SeasonalNaive:
    """What was one season ago: one week where there are two of them, else one day."""

    name = "seasonal-naive"

    def forecast(self, values: Floats, period: int, horizon: int) -> Floats:
        season = 7 * period if len(values) >= 14 * period else period
        last = values[-season:]
        found: Floats = np.resize(last, horizon)
        return found


class HoltWinters:
    """Level, damped trend and additive season, smoothed exponentially (Holt 1957, Winters 1960; damping by Gardner and
    McKenzie 1985).  The three weights are those of a small grid with the least squared error one step ahead."""

    name = "holt-winters"
    _DAMPING = 0.98

    def forecast(self, values: Floats, period: int, horizon: int) -> Floats:
        past, ahead = day_factors(values, period, horizon)
        found: Floats = self._daily(values / past, period, horizon) * ahead
        return found

    def _daily(self, values: Floats, period: int, horizon: int) -> Floats:
        grid = np.array(
            [(a, b, g) for a in (0.05, 0.2, 0.5) for b in (0.0, 0.02, 0.1) for g in (0.05, 0.2, 0.5)], dtype=np.float64
        )
        alpha, beta, gamma = grid.T
        first, second = values[:period], values[period : 2 * period]
        level = np.full(len(grid), first.mean())
        trend = np.full(len(grid), (second.mean() - first.mean()) / period)
        season = np.tile((first - first.mean())[:, None], (1, len(grid)))
        errors = np.zeros(len(grid))
        for step, value in enumerate(values[period:]):
            phase = step % period
            expected = level + self._DAMPING * trend + season[phase]
            errors += (value - expected) ** 2
            before = level
            level = alpha * (value - season[phase]) + (1 - alpha) * (level + self._DAMPING * trend)
            trend = beta * (level - before) + (1 - beta) * self._DAMPING * trend
            season[phase] = gamma * (value - level) + (1 - gamma) * season[phase]
        best = int(np.argmin(errors))
        ahead = np.arange(1, horizon + 1)
        grown = trend[best] * self._DAMPING * (1 - self._DAMPING**ahead) / (1 - self._DAMPING)
        phases = (len(values) - period + ahead - 1) % period
        found: Floats = level[best] + grown + season[phases, best]
        return found


class RobustTrend:
    """A straight line by the median slope, and for each phase of the day the median of what the line leaves: a few odd
    days move neither."""

    name = "robust-trend"

    def forecast(self, values: Floats, period: int, horizon: int) -> Floats:
        past, factors = day_factors(values, period, horizon)
        values, season = values / past, period
        count = len(values)
        # Means over whole seasons have no season left in them, so their slope is the trend's alone.
        means = np.convolve(values, np.ones(season) / season, mode="valid")
        slope = theil_sen(means) if len(means) > 10 else 0.0
        line = slope * np.arange(count)
        left = values - line
        phases = np.arange(count) % season
        profile = np.array([np.median(left[phases == phase][-6:]) for phase in range(season)])
        ahead = np.arange(count, count + horizon)
        found: Floats = (slope * ahead + profile[ahead % season]) * factors
        return found


class Library:
    """Statsforecast's MSTL: several seasons taken out by LOESS, the rest by an exponential smoothing chosen by its
    information criterion.  In the extra ``forecast``."""

    name = "library"

    def forecast(self, values: Floats, period: int, horizon: int) -> Floats:
        from statsforecast.models import MSTL, AutoETS

        seasons = [period, 7 * period] if len(values) >= 14 * period else [period]
        model = MSTL(season_length=seasons, trend_forecaster=AutoETS(model="ZZN"))
        found: Floats = np.asarray(model.forecast(values.astype(np.float64), h=horizon)["mean"], dtype=np.float64)
        return found


MODELS: tuple[Model, ...] = (SeasonalNaive(), HoltWinters(), RobustTrend())
"""Those that are always there."""


def library() -> Model | None:
    """The library's model, if it is installed."""
    from importlib.util import find_spec

    return Library() if find_spec("statsforecast") is not None else None
