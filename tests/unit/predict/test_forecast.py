"""Demand ahead of time: models against courses that are known, intervals, crossings."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowlab.predict.forecast.backtest import forecast
from shadowlab.predict.forecast.crossing import breaking_demand, crossing, first_crossing, rising
from shadowlab.predict.forecast.models import MODELS, Library, Model
from shadowlab.predict.forecast.series import DAY_S, DemandSeries, Floats, regular, steady

HOUR = 3600.0
DAY = 24


def course(days: int, *, slope: float = 0.0, week: bool = False, noise: float = 0.0) -> Floats:
    """Hourly demand with a daily course."""
    at = np.arange(days * DAY) / DAY
    values = 100 * (1 + 0.4 * np.sin(2 * np.pi * at)) + slope * at
    if week:
        values = values * np.where(at.astype(int) % 7 >= 5, 0.6, 1.0)
    chance = np.random.default_rng(5)
    found: Floats = values * np.exp(chance.normal(0, noise, len(values)))
    return found


def series(values: Floats) -> DemandSeries:
    return DemandSeries(name="total", start_s=0.0, step_s=HOUR, values=values)


@pytest.mark.parametrize("model", MODELS, ids=lambda one: one.name)
def test_every_model_goes_on_with_a_daily_course(model: Model) -> None:
    whole = course(15)

    found = model.forecast(whole[: 14 * DAY], DAY, DAY)

    assert found == pytest.approx(whole[14 * DAY :], rel=0.03)


@pytest.mark.parametrize("model", [one for one in MODELS if one.name != "seasonal-naive"], ids=lambda one: one.name)
def test_models_with_a_trend_follow_growth_and_know_the_weekend(model: Model) -> None:
    whole = course(29, slope=1.0, week=True)

    found = model.forecast(whole[: 26 * DAY], DAY, DAY)

    assert found == pytest.approx(whole[26 * DAY : 27 * DAY], rel=0.1)


def test_a_few_odd_days_move_the_robust_trend_by_little() -> None:
    whole = course(15)
    odd = whole.copy()
    odd[3 * DAY : 4 * DAY] = 0.0
    odd[9 * DAY : 10 * DAY] *= 5

    found = MODELS[2].forecast(odd[: 14 * DAY], DAY, DAY)

    assert found == pytest.approx(whole[14 * DAY :], rel=0.12)


@pytest.mark.slow
def test_the_library_s_model_stands_behind_the_same_interface() -> None:
    """With the extra `forecast`, which scripts/test-all installs."""
    whole = course(15)

    assert Library().forecast(whole[: 14 * DAY], DAY, DAY) == pytest.approx(whole[14 * DAY :], rel=0.05)


def test_the_model_is_chosen_by_its_error_on_the_past_and_intervals_hold_their_share_of_it() -> None:
    found = forecast(series(course(21, slope=2.0, noise=0.05)), MODELS, 6 * HOUR)

    assert found.scores[found.model] == min(found.scores.values())
    assert 0.7 <= found.coverage <= 0.95
    assert (found.quantiles[0.1] <= found.quantiles[0.5]).all()
    assert (found.quantiles[0.5] <= found.quantiles[0.9]).all()


def test_a_change_of_level_is_found_and_what_was_before_is_brought_to_it() -> None:
    values = course(14, noise=0.02)
    values[10 * DAY :] *= 1.6

    found = steady(values, DAY)

    assert found.changed_at is not None
    assert abs(found.changed_at - 10 * DAY) <= 3
    assert found.ratio == pytest.approx(1.6, rel=0.03)
    assert steady(course(14, slope=3.0, noise=0.02), DAY).changed_at is None


def test_gaps_are_filled_from_the_days_around_and_counted() -> None:
    values = course(7)
    values[50:60] = np.nan

    found = steady(values, DAY)

    assert found.filled == 10
    assert found.values == pytest.approx(course(7), rel=1e-6)


def test_moments_become_even_steps() -> None:
    times = np.arange(30) * 600.0 + 3.0
    found = regular("total", np.append(times, 9000.0), np.append(np.arange(30.0), 99.0), 1200.0)

    assert found.values[0] == 0.5
    assert len(found.values) == 15
    with pytest.raises(ValueError, match="2 values; at least 24"):
        regular("total", times[:2], times[:2])
    with pytest.raises(ValueError, match="below zero"):
        regular("total", times, -times)


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(-5, 5)), min_size=1, max_size=20))
def test_a_rising_course_never_falls_and_keeps_the_mean(pairs: list[tuple[float, float]]) -> None:
    found = [value for _, value in rising(pairs)]

    assert all(one <= other + 1e-9 for one, other in pairwise(found))
    assert sum(found) == pytest.approx(sum(value for _, value in pairs), abs=1e-6)


def test_a_chance_excess_at_little_demand_is_no_crossing() -> None:
    pairs = [(1.0, 0.0), (1.2, 0.01), (1.3, 0.0), (1.4, 0.0), (1.6, 0.001), (2.0, 0.02)]

    assert breaking_demand(pairs, 0.005) == pytest.approx(1.6 + 0.4 * (0.005 - 0.00275) / (0.02 - 0.00275), rel=0.1)
    assert breaking_demand([(1.0, 0.0), (2.0, None)], 0.005) == 2.0
    assert breaking_demand([(1.0, 9.0), (2.0, 8.0)], 5.0, less_is_bad=True) is None


def test_a_crossing_is_between_the_moments_that_quantiles_of_demand_cross_at() -> None:
    seconds = [0.0, 1.0, 2.0, 3.0]
    found = crossing(seconds, {0.1: [0, 1, 2, 3], 0.5: [0, 2, 4, 6], 0.9: [0, 4, 8, 12]}, 3.0)

    assert found is not None
    assert (found.early, found.expected, found.late) == (0.75, 1.5, None)
    assert first_crossing(seconds, [0, 1, None, 1], 5.0) == 2.0
    assert crossing(seconds, {0.1: [0, 0, 0, 0], 0.5: [0, 0, 0, 0], 0.9: [1, 1, 1, 1]}, 3.0) is None


def test_a_short_history_says_what_it_does_not_know() -> None:
    found = forecast(series(course(1)), MODELS, 3 * HOUR)

    assert "no daily course is known" in found.notes[0]
    assert DAY_S == 24 * HOUR
