"""The reference detector finds what is bad, when it began, and keeps quiet otherwise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from shadowlab.detect.baseline import Baseline, learn
from shadowlab.detect.counts import LEAST_EXPECTED_SHARE, count_zscore, trailing_sum
from shadowlab.detect.episodes import runs
from shadowlab.detect.level_shift import LevelShift
from shadowlab.detect.registry import DETECTORS
from shadowlab.detect.zscore import ZScore
from shadowlab.model.kpi import SeriesTable

S = 10**9
QUIET = 120
ROWS = 240
PROBES = 5


def normal(seed: int, subjects: int = 20) -> dict[str, NDArray[np.float64]]:
    """A network at rest: noise in everything, no loss."""
    rng = np.random.default_rng(seed)
    shape = (ROWS, subjects)
    return {
        "latency_ms": 40 + rng.normal(0, 0.3, shape),
        "loss": np.zeros(shape),
        "throughput_mbps": 5 + rng.normal(0, 0.3, shape),
        "retransmission_share": np.abs(rng.normal(0, 0.001, shape)),
        "cwnd_segments": 50 + rng.normal(0, 4, shape),
    }


def as_table(values: dict[str, NDArray[np.float64]]) -> SeriesTable:
    subjects = next(iter(values.values())).shape[1]
    return SeriesTable(
        times_ns=np.arange(1, ROWS + 1, dtype=np.int64) * S,
        subjects=tuple(f"a→{index}" for index in range(subjects)),
        values=values,
    )


def quiet_baseline(table: SeriesTable) -> Baseline:
    return learn(table, from_ns=0, to_ns=QUIET * S)


@pytest.mark.parametrize("name", sorted(DETECTORS))
@pytest.mark.parametrize("seed", range(5))
def test_a_network_at_rest_raises_nothing(name: str, seed: int) -> None:
    table = as_table(normal(seed))

    assert DETECTORS[name].detect(table, quiet_baseline(table)) == ()


@pytest.mark.parametrize("name", sorted(DETECTORS))
@pytest.mark.parametrize(
    ("kpi", "change"), [("latency_ms", 8.0), ("throughput_mbps", -4.0), ("retransmission_share", 0.05)]
)
def test_a_step_is_found_on_its_path_since_its_first_window(name: str, kpi: str, change: float) -> None:
    values = normal(7)
    values[kpi][150:, 3] += change
    if (name, kpi) == ("panel", "throughput_mbps"):  # which takes it for less demand where nothing else is told
        values["retransmission_share"][150:, 3] += 0.04
    table = as_table(values)

    (anomaly,) = DETECTORS[name].detect(table, quiet_baseline(table))

    assert (anomaly.path, anomaly.leading_kpi, anomaly.onset_ns, anomaly.detector) == ("a→3", kpi, 150 * S, name)
    assert anomaly.detected_ns > anomaly.onset_ns
    assert anomaly.score >= anomaly.zscores[kpi] >= 4


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_a_change_for_the_better_is_no_anomaly(name: str) -> None:
    values = normal(3)
    values["latency_ms"][150:] -= 20
    values["throughput_mbps"][150:] += 4
    table = as_table(values)

    assert DETECTORS[name].detect(table, quiet_baseline(table)) == ()


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_fewer_windows_than_asked_for_are_a_blip(name: str) -> None:
    values = normal(4)
    values["latency_ms"][150:152, 3] += 50
    table = as_table(values)

    assert DETECTORS[name].detect(table, quiet_baseline(table)) == ()


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_few_lost_probes_after_a_lossless_baseline_are_no_anomaly(lost: int) -> None:
    values = normal(5)
    for index in range(lost):
        values["loss"][130 + 35 * index, 3] = 1 / PROBES
    table = as_table(values)

    assert ZScore().detect(table, quiet_baseline(table)) == ()


def test_a_burst_within_one_second_is_no_lossy_path() -> None:
    values = normal(5)
    values["loss"][150, 3] = 1.0
    table = as_table(values)

    assert ZScore().detect(table, quiet_baseline(table)) == ()


@pytest.mark.parametrize("seed", range(8))
def test_five_percent_loss_is_found_though_most_seconds_show_none(seed: int) -> None:
    values = normal(seed)
    lost = np.random.default_rng(seed).binomial(PROBES, 0.05, ROWS - 150)
    values["loss"][150:, 3] = lost / PROBES
    table = as_table(values)

    (anomaly, *_) = ZScore().detect(table, quiet_baseline(table))

    assert (anomaly.path, anomaly.leading_kpi) == ("a→3", "loss")
    first_lost = 150 + int(np.flatnonzero(lost)[0])
    assert first_lost * S <= anomaly.onset_ns <= (first_lost + 30) * S
    assert anomaly.detected_ns <= 215 * S


def test_a_path_that_goes_dark_is_found_within_seconds() -> None:
    values = normal(6)
    values["loss"][150:, 3] = 1.0
    values["latency_ms"][150:, 3] = np.nan
    table = as_table(values)

    (anomaly,) = ZScore().detect(table, quiet_baseline(table))

    assert (anomaly.leading_kpi, anomaly.onset_ns) == ("loss", 150 * S)
    assert anomaly.detected_ns <= 155 * S
    assert "latency_ms" not in anomaly.zscores


def test_loss_that_was_always_there_is_the_baseline() -> None:
    values = normal(6)
    values["loss"][:, 3] = np.random.default_rng(0).binomial(PROBES, 0.05, ROWS) / PROBES
    table = as_table(values)

    assert ZScore().detect(table, quiet_baseline(table)) == ()


def test_the_number_of_probes_in_the_table_weighs_the_loss() -> None:
    values = normal(6)
    values["loss"][150:, 3] = 0.02
    values["probes_sent"] = np.full((ROWS, 20), 50.0)
    table = as_table(values)

    (anomaly,) = ZScore().detect(table, quiet_baseline(table))

    assert anomaly.path == "a→3"


def test_two_episodes_are_two_anomalies() -> None:
    values = normal(8)
    values["latency_ms"][140:150, 3] += 20
    values["latency_ms"][200:210, 3] += 20
    table = as_table(values)

    found = ZScore().detect(table, quiet_baseline(table))

    assert [one.onset_ns for one in found] == [140 * S, 200 * S]


def test_a_path_without_a_baseline_is_not_judged() -> None:
    values = normal(8)
    for series in values.values():
        series[:QUIET, 3] = np.nan
    values["loss"][QUIET:, 3] = 1.0
    table = as_table(values)

    assert ZScore().detect(table, quiet_baseline(table)) == ()


def test_a_threshold_can_be_changed_without_a_new_detector() -> None:
    values = normal(8)
    values["latency_ms"][150:, 3] += 3
    table = as_table(values)

    strict = replace(ZScore(), threshold=50.0)

    assert strict.detect(table, quiet_baseline(table)) == ()
    assert len(ZScore().detect(table, quiet_baseline(table))) == 1


def test_the_level_shift_detector_follows_a_slow_drift_and_the_reference_does_not() -> None:
    values = normal(9)
    values["latency_ms"][QUIET:, 3] += np.linspace(0, 4, ROWS - QUIET)
    table = as_table(values)
    baseline = quiet_baseline(table)

    assert LevelShift().detect(table, baseline) == ()
    assert len(ZScore().detect(table, baseline)) >= 1


def test_a_subject_that_the_baseline_never_saw_is_refused() -> None:
    table = as_table(normal(1, subjects=2))
    other = as_table(normal(1, subjects=3))

    with pytest.raises(ValueError, match="does not know a→2"):
        ZScore().detect(other, quiet_baseline(table))


def test_the_zscore_of_a_count_is_the_root_of_the_likelihood_ratio() -> None:
    loss, sent = np.full((10, 1), 0.1), np.full((10, 1), 10.0)

    z = count_zscore(loss, sent, np.array([0.02]), lengths=(10,), hold=3)

    assert z[-1, 0] == pytest.approx(np.sqrt(2 * (10 * np.log(10 / 2) - 8)))
    assert LEAST_EXPECTED_SHARE < 0.02


def test_a_trailing_sum_forgets() -> None:
    assert trailing_sum(np.array([[1.0], [np.nan], [2.0], [4.0]]), 2)[:, 0].tolist() == [1, 1, 2, 6]


def test_episodes_begin_and_end_with_as_many_windows_as_asked() -> None:
    over = np.array([int(char) for char in "0110111101011100010001"], dtype=bool)

    assert runs(over, 3) == [(4, 14)]
