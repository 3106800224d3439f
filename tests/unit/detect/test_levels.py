"""Service levels against series."""

import numpy as np

from shadowlab.detect.levels import judge_levels
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.level import ServiceLevel

S = 10**9


def table(values: list[float], kpi: str = "latency_ms") -> SeriesTable:
    return SeriesTable(
        times_ns=np.arange(1, len(values) + 1, dtype=np.int64) * S,
        subjects=("a→b",),
        values={kpi: np.array(values, dtype=np.float64)[:, None]},
    )


def test_a_level_breaks_in_the_windows_whose_mean_is_over_the_limit() -> None:
    level = ServiceLevel(name="fast", kpi="latency_ms", limit=10, window_ns=2 * S)

    (outcome,) = judge_levels(table([5, 7, 20, 30, 9, 9]), [level], from_ns=0, to_ns=6 * S)

    assert (outcome.samples, outcome.broken_share, outcome.holds) == (3, 1 / 3, False)
    assert outcome.worst == 25
    assert outcome.excess == (25 - 10) / 10 / 3


def test_what_is_tolerated_does_not_break_a_level() -> None:
    level = ServiceLevel(name="fast", kpi="latency_ms", limit=10, window_ns=S, tolerated=0.34)

    (outcome,) = judge_levels(table([5, 20, 5]), [level], from_ns=0, to_ns=3 * S)

    assert outcome.holds


def test_a_floor_breaks_below_its_limit() -> None:
    level = ServiceLevel(name="wide", kpi="throughput_mbps", limit=1.0, window_ns=S)

    (outcome,) = judge_levels(table([2.0, 0.5], "throughput_mbps"), [level], from_ns=0, to_ns=2 * S)

    assert (outcome.worst, outcome.broken_share) == (0.5, 0.5)


def test_seconds_without_observation_are_not_judged() -> None:
    level = ServiceLevel(name="fast", kpi="latency_ms", limit=10, window_ns=S)

    (outcome,) = judge_levels(table([np.nan, 5, np.nan]), [level], from_ns=0, to_ns=3 * S)

    assert outcome.samples == 1


def test_a_path_never_observed_has_no_outcome() -> None:
    level = ServiceLevel(name="fast", kpi="latency_ms", limit=10)

    assert judge_levels(table([np.nan]), [level], from_ns=0, to_ns=S) == ()


def test_only_the_window_asked_for_is_judged() -> None:
    level = ServiceLevel(name="fast", kpi="latency_ms", limit=10, window_ns=S)

    (outcome,) = judge_levels(table([99, 5, 5, 99]), [level], from_ns=S, to_ns=3 * S)

    assert (outcome.samples, outcome.worst) == (2, 5)
