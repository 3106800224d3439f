"""Fidelity is told in production's own noise: repeating production scores about 1."""

from __future__ import annotations

import math

import numpy as np
import pytest

from shadowlab.correlate.fault_free import fault_free
from shadowlab.correlate.fidelity import TRUE, advice, fidelities, standing_of
from shadowlab.correlate.noise import batch_error, typical_difference
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.verdict import Agreement

S = 10**9
WAYS = {"a→b": ("a>r", "r>b"), "b→a": ("b>r", "r>a"), "a→c": ("a>r", "r>c"), "c→a": ("c>r", "r>a")}


def agreement(path: str, score: float, kpi: str = "srtt_ms", records: int = 20) -> Agreement:
    return Agreement(
        path=path, kpi=kpi, production=20.0, shadow=21.0, noise=1.0, agrees=True, records=records, score=score
    )


def test_the_error_of_a_mean_is_that_between_repeated_runs_although_windows_are_alike() -> None:
    rng = np.random.default_rng(1)

    def run() -> np.ndarray:
        shocks = rng.normal(0, 1, 400)
        series = np.empty(400)
        series[0] = shocks[0]
        for index in range(1, 400):
            series[index] = 0.8 * series[index - 1] + shocks[index]
        return series

    runs = [run() for _ in range(200)]

    between = float(np.std([one.mean() for one in runs]))
    assert np.median([batch_error(one) for one in runs]) == pytest.approx(between, rel=0.35)


def test_half_of_all_repetitions_score_below_one() -> None:
    rng = np.random.default_rng(2)
    pairs = rng.normal(0, 3.0, (20_000, 2))

    scores = np.abs(pairs[:, 0] - pairs[:, 1]) / typical_difference(3.0)

    assert np.mean(scores < 1) == pytest.approx(0.5, abs=0.02)


def test_two_few_windows_tell_no_error() -> None:
    assert math.isnan(batch_error(np.array([4.0, np.nan])))


def test_wrong_delays_are_not_hidden_by_right_rates() -> None:
    found = fidelities(
        [agreement("a→b", 12.0), agreement("a→b", 0.1, "throughput_mbps"), agreement("a→c", 0.2, "throughput_mbps")],
        WAYS,
        links=["a>r", "r>b", "x>y"],
    )

    by_name = {(one.kind, one.subject): one for one in found}
    assert by_name["whole", ""].score == 12.0
    assert by_name["path", "a→b"].standing == "not to be trusted"
    assert by_name["path", "a→c"].standing == "true"
    assert by_name["link", "r>c"].score == pytest.approx(0.2)
    assert by_name["link", "x>y"].standing == "unknown"
    # The way back is in a round-trip time, and in nothing else.
    assert by_name["link", "b>r"].values == 1


def test_the_median_over_paths_does_not_move_with_one_wild_value() -> None:
    some = [agreement(f"p{number}→q", 1.0) for number in range(9)] + [agreement("p9→q", 500.0)]

    whole = fidelities(some, {})[0]

    assert (whole.score, whole.standing) == (1.0, "true")
    assert (whole.worst, whole.worst_score) == ("srtt_ms of p9→q", 500.0)


def test_advice_names_the_indicator_thin_records_and_links_without_any() -> None:
    some = [agreement("a→b", 9.0, records=2), agreement("a→c", 8.0)]

    words = advice(some, fidelities(some, WAYS, links=["x>y"]))

    assert words[0].startswith("srtt_ms is 8.5 times noise off")
    assert "1 of 2 paths stand on fewer than" in words[1]
    assert "no record crosses x>y" in words[2]


def test_standings_have_the_stated_borders() -> None:
    assert [standing_of(one) for one in (TRUE, TRUE + 0.1, 5.1, math.nan)] == [
        "true",
        "doubtful",
        "not to be trusted",
        "unknown",
    ]


def test_fault_free_deviations_are_of_settled_windows_and_centred() -> None:
    times = np.arange(1, 61, dtype=np.int64) * S
    latency = np.where(times <= 20 * S, 99.0, 10.0 + (times // S) % 2)[:, None]
    table = SeriesTable(times_ns=times, subjects=("a→b",), values={"latency_ms": latency, "latency_max_ms": latency})

    found = fault_free(table, from_ns=20 * S, to_ns=60 * S)

    assert set(found) == {("a→b", "latency_ms")}
    assert (len(found["a→b", "latency_ms"]), found["a→b", "latency_ms"].max()) == (40, 0.5)
