"""The panel over a run's table: what wanders because it is a running mean is calm, what stepped is told."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from shadowlab.detect.baseline import learn
from shadowlab.detect.panel.of_table import TablePanel
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.verdict import Anomaly

S = 10**9
PATHS, ROWS = 8, 900


def smoothed_noise(seed: int, kept: float = 0.95) -> NDArray[np.float64]:
    """As the kernel smooths round-trip times, with a deviation of 1 ms."""
    drawn = np.random.default_rng(seed).normal(size=(ROWS, PATHS))
    for row in range(1, ROWS):
        drawn[row] = kept * drawn[row - 1] + (1 - kept**2) ** 0.5 * drawn[row]
    return drawn


def told(kpi: str, values: NDArray[np.float64], **more: NDArray[np.float64]) -> tuple[Anomaly, ...]:
    times = np.arange(1, ROWS + 1, dtype=np.int64) * S
    table = SeriesTable(
        times_ns=times, subjects=tuple(f"a→b{one}" for one in range(PATHS)), values={kpi: values, **more}
    )
    return TablePanel().detect(table, learn(table, from_ns=5 * S, to_ns=25 * S))


def test_a_smoothed_round_trip_time_that_wanders_raises_no_alarm() -> None:
    values = 30 + smoothed_noise(1)

    assert told("srtt_ms", values) == ()


def test_samples_that_hang_together_are_no_change_once_that_is_known() -> None:
    assert len(told("latency_ms", 30 + smoothed_noise(1))) <= 1  # 26 where neighbours are taken for independent


def test_a_step_of_a_smoothed_round_trip_time_is_told_in_three_seconds() -> None:
    values = 30 + 0.2 * smoothed_noise(2)
    values[600:, 3] += 12

    found = told("srtt_ms", values)

    assert [(one.path, one.onset_ns, one.detected_ns) for one in found] == [("a→b3", 600 * S, 603 * S)]


def test_throughput_that_falls_alone_is_less_demand_and_with_a_delay_a_fault() -> None:
    chance = np.random.default_rng(3)
    carried, late = 8 + 0.05 * chance.normal(size=(ROWS, PATHS)), 30 + 0.05 * chance.normal(size=(ROWS, PATHS))
    carried[600:] -= 4
    late[600:, 2] += 9

    found = told("throughput_mbps", carried, latency_ms=late)

    assert [(one.path, sorted(one.zscores)) for one in found] == [("a→b2", ["latency_ms", "throughput_mbps"])]


def calm(seed: int, level: float, rows: int = ROWS) -> NDArray[np.float64]:
    return level + 0.05 * np.random.default_rng(seed).normal(size=(rows, PATHS))


@pytest.mark.parametrize("at", [26, 30, 45, 80, 300])
def test_a_step_is_told_in_three_samples_however_little_was_heard_before(at: int) -> None:
    values = calm(4, 30)
    values[at:, 1] += 8

    found = told("latency_ms", values)

    assert [(one.path, one.detected_ns) for one in found] == [("a→b1", (at + 3) * S)]


def test_delays_that_grow_a_little_with_the_load_are_load_and_without_it_a_fault() -> None:
    late, carried = calm(5, 30), calm(6, 8)
    late[600:, :5] += 0.9

    assert len(told("latency_ms", late, throughput_mbps=carried)) == 5
    carried[600:] += 2
    assert told("latency_ms", late, throughput_mbps=carried) == ()


def test_a_load_that_fills_a_link_is_told_once() -> None:
    late, carried = calm(7, 30), calm(8, 8)
    late[600:, :6] += 12
    carried[600:] += 3

    assert len(told("latency_ms", late, throughput_mbps=carried)) == 1


def test_where_probes_go_a_smoothed_round_trip_time_alone_is_a_connection_s_own_affair() -> None:
    probed, smoothed = calm(9, 30), calm(10, 34)
    smoothed[600:, 2] += 12

    assert told("srtt_ms", smoothed, latency_ms=probed) == ()
    probed[600:, 2] += 12
    assert {one.path for one in told("srtt_ms", smoothed, latency_ms=probed)} == {"a→b2"}


def test_a_connection_on_another_way_than_its_probes_is_heard_if_a_probe_saw_the_same_step() -> None:
    probed, smoothed = calm(11, 30), calm(12, 34)
    smoothed[600:, 2] += 12
    probed[600:, 6] += 12

    assert {one.path for one in told("srtt_ms", smoothed, latency_ms=probed)} == {"a→b2", "a→b6"}
