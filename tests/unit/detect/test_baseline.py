"""A baseline tells centre and spread, with a floor, whatever is missing."""

from __future__ import annotations

import numpy as np
import pytest

from shadowlab.detect.baseline import learn, median_mad, widened
from shadowlab.model.kpi import SeriesTable

S = 10**9


def table(**values: object) -> SeriesTable:
    arrays = {name: np.asarray(value, dtype=np.float64) for name, value in values.items()}
    rows, subjects = next(iter(arrays.values())).shape
    return SeriesTable(
        times_ns=np.arange(1, rows + 1, dtype=np.int64) * S,
        subjects=tuple(f"p{index}" for index in range(subjects)),
        values=arrays,
    )


def test_mean_and_deviation_come_from_the_window_alone() -> None:
    latency = np.array([[10.0], [30.0]] * 10 + [[999.0]] * 10)

    baseline = learn(table(latency_ms=latency), from_ns=0, to_ns=20 * S)

    assert baseline.centre["latency_ms"][0] == pytest.approx(20.0)
    assert baseline.spread["latency_ms"][0] == pytest.approx(np.std(latency[:20], ddof=1))
    assert baseline.samples["latency_ms"][0] == 20


def test_a_series_that_never_moves_gets_the_floor_of_its_unit() -> None:
    still = np.full((20, 1), 40.0)

    baseline = learn(table(latency_ms=still, throughput_mbps=still), from_ns=0, to_ns=20 * S)

    assert baseline.spread["latency_ms"][0] == pytest.approx(0.4)
    assert baseline.spread["throughput_mbps"][0] == pytest.approx(2.0)


def test_gaps_are_left_out_and_too_few_samples_are_not_judged() -> None:
    values = np.full((20, 3), 5.0)
    values[::2, 0] = np.nan
    values[3:, 1] = np.nan
    values[:, 2] = np.nan

    for robust in (False, True):
        baseline = learn(table(latency_ms=values), from_ns=0, to_ns=20 * S, robust=robust)

        assert baseline.samples["latency_ms"].tolist() == [10, 3, 0]
        assert np.isfinite(baseline.centre["latency_ms"]).tolist() == [True, False, False]


def test_the_robust_baseline_forgets_a_burst() -> None:
    values = np.random.default_rng(1).normal(20.0, 1.0, (60, 1))
    values[10:20] += 500

    baseline = learn(table(latency_ms=values), from_ns=0, to_ns=60 * S, robust=True)

    assert baseline.centre["latency_ms"][0] == pytest.approx(20.0, abs=1.0)
    assert baseline.spread["latency_ms"][0] < 3


@pytest.mark.parametrize("rows", [1, 2, 5, 8])
def test_the_median_agrees_with_numpy_where_numpy_has_one(rows: int) -> None:
    values = np.random.default_rng(rows).normal(size=(rows, 7))
    values[0, 3] = np.nan if rows > 1 else values[0, 3]

    middle, deviation = median_mad(values)

    assert middle == pytest.approx(np.nanmedian(values, axis=0))
    assert deviation == pytest.approx(1.4826 * np.nanmedian(np.abs(values - np.nanmedian(values, axis=0)), axis=0))


def test_an_empty_window_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        learn(table(latency_ms=[[1.0]]), from_ns=5, to_ns=5)


def test_a_sound_network_s_own_deviations_widen_a_baseline_on_the_bad_side_and_never_narrow_it() -> None:
    latency = np.array([[10.0, 10.0], [10.2, 10.2]] * 10)
    baseline = learn(table(latency_ms=latency), from_ns=0, to_ns=20 * S)
    sound = {
        ("p0", "latency_ms"): np.array([-50.0, 0.0, 8.0, 9.0, 70.0]),
        ("p1", "latency_ms"): np.array([-9.0, 0.0, 0.01, 0.01, 0.01]),
    }

    wide = widened(baseline, sound, reach=4.0)

    assert wide.spread["latency_ms"][0] == pytest.approx(8.0 / 4.0)
    assert wide.spread["latency_ms"][1] == baseline.spread["latency_ms"][1]
    assert wide.centre == baseline.centre
