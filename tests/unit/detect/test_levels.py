"""Service levels against series."""

import numpy as np
import pytest

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


def test_a_level_of_services_is_judged_by_their_series_and_only_where_it_is_named() -> None:
    services = SeriesTable(
        times_ns=np.arange(1, 4, dtype=np.int64) * S,
        subjects=("shop", "names"),
        values={"completion_p99_ms": np.array([[5.0, 50.0], [7.0, 50.0], [30.0, 50.0]])},
    )
    named = ServiceLevel(name="fast shop", kpi="completion_p99_ms", limit=10, services=("shop",), window_ns=S)
    every = ServiceLevel(name="fast", kpi="completion_p99_ms", limit=10, window_ns=S)

    outcomes = judge_levels(table([1, 1, 1]), [named, every], from_ns=0, to_ns=3 * S, services=services)

    assert [(one.level, one.path, one.worst) for one in outcomes] == [
        ("fast shop", "shop", 30),
        ("fast", "shop", 30),
        ("fast", "names", 50),
    ]
    assert judge_levels(table([1]), [every], from_ns=0, to_ns=S) == ()


def test_a_level_speaks_of_paths_or_of_services_as_its_indicator_does() -> None:
    with pytest.raises(ValueError, match="name `services`, not `paths`"):
        ServiceLevel(name="x", kpi="completion_p99_ms", limit=1, paths=("a→b",))
    with pytest.raises(ValueError, match="name `paths`, not `services`"):
        ServiceLevel(name="x", kpi="loss", limit=1, services=("shop",))
    with pytest.raises(ValueError, match="is not an indicator of a path or a service"):
        ServiceLevel(name="x", kpi="instance_queue", limit=1)
