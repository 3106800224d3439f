"""The panel over a run's table: what wanders because it is a running mean is calm, what stepped is told."""

from __future__ import annotations

import numpy as np
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

    assert told("latency_ms", values)  # what claims to be samples is taken for a change
    assert told("srtt_ms", values) == ()


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
