"""From records of exchanges, instances and streams to indicators per window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shadowlab.model.kpi import KPIS
from shadowlab.model.traffic.completion import Completion, InstanceSample, Outcome, StreamSample
from shadowlab.monitor.exchanges.indicators import (
    INSTANCE_KPIS,
    SERVICE_KPIS,
    figures,
    instance_table,
    jain,
    read_exchanges,
    service_table,
)
from shadowlab.monitor.exchanges.recording import ExchangeRecorder
from shadowlab.monitor.raw_files import RawFiles
from shadowlab.store.reader import Records

MS = 1_000_000
SECOND = 1_000 * MS
NODES = ["a", "b", "c"]


def completion(
    end_ms: int, took_ms: int, *, workload: int = 0, outcome: Outcome = "ok", target: str = "b", size: int = 1_000
) -> Completion:
    end_ns = end_ms * MS
    start_ns = end_ns - took_ms * MS
    return Completion(
        workload, 0, "a", target, "transfer", outcome, start_ns, -1, -1, end_ns, size, 0, 0, 0, False, 1, 0, b"info"
    )


def recorded(
    folder: Path,
    completions: list[Completion],
    instances: list[InstanceSample] | None = None,
    streams: list[StreamSample] | None = None,
) -> None:
    class Seen:
        def instances(self) -> list[InstanceSample]:
            return instances or []

        def streams(self) -> list[StreamSample]:
            return streams or []

    with RawFiles(str(folder), {"node": NODES}) as files:
        recorder = ExchangeRecorder(files, NODES)
        for one in completions:
            recorder.completed(one)
        recorder.sample(Seen())


def ten_ms(records: Records) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.full(len(records), 10.0 * MS)


def test_an_exchange_counts_in_the_window_it_ends_in_and_for_its_service(tmp_path: Path) -> None:
    recorded(
        tmp_path,
        [
            completion(500, 20),
            completion(900, 40, outcome="timed-out"),
            completion(1_500, 30, target="c"),
            completion(1_600, 30, size=3_000),
            completion(1_900, 50, workload=1),
            completion(2_000, 60, outcome="unfinished"),
        ],
    )

    table = service_table(tmp_path, read_exchanges(tmp_path, ten_ms), ["x", "y", "", "x"], 2 * SECOND, SECOND)

    assert table.subjects == ("x", "y")
    assert set(table.values) == set(SERVICE_KPIS)
    assert table.column("completion_p50_ms", "x").tolist() == [20, 30]
    assert table.column("slowdown_p99", "x").tolist() == [2, 3]
    assert table.column("failures", "x").tolist() == [0.5, 0]
    assert table.column("goodput_mbps", "x").tolist() == pytest.approx([0.008, 0.032])
    assert table.column("fairness", "x")[1] == pytest.approx(16 / 20)
    assert np.isnan(table.column("completion_p50_ms", "y")[0])
    assert table.column("completion_p50_ms", "y")[1] == 50


def test_without_exchanges_there_are_no_figures(tmp_path: Path) -> None:
    recorded(tmp_path, [])

    exchanged = read_exchanges(tmp_path, ten_ms)

    assert figures(exchanged, 1.0) == {}
    assert np.isnan(service_table(tmp_path, exchanged, ["x"], SECOND, SECOND).values["failures"]).all()


def test_an_instance_is_described_by_the_changes_of_its_counters(tmp_path: Path) -> None:
    samples = [
        InstanceSample(0, "b", 2, 0, 0, 0, 0, 0, 0, 0, 0, 0),
        InstanceSample(SECOND, "b", 2, 1, 0, 10, 8, 7, 2, SECOND, SECOND // 2, 80 * MS),
        InstanceSample(2 * SECOND, "b", 2, 1, 0, 10, 8, 8, 2, SECOND, SECOND // 2, 80 * MS),
    ]
    recorded(tmp_path, [], samples)

    table = instance_table(tmp_path, {1: "b", 2: "c"}, 2 * SECOND, SECOND)

    assert set(table.values) == set(INSTANCE_KPIS)
    first, second = ([values[row, 0] for values in table.values.values()] for row in (0, 1))
    assert first == [0.5, 0.5, 10, 0.2]
    assert second[:2] == [0, 0] and np.isnan(second[2:]).all()
    assert np.isnan(table.column("instance_queue", "c")).all()


def test_a_stream_is_described_by_what_its_receiver_counted(tmp_path: Path) -> None:
    samples = [
        StreamSample(0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
        StreamSample(SECOND // 2, 0, 50, 45, 5, 1, 0, 45_000, 45 * MS, 500_000),
        StreamSample(SECOND, 0, 100, 90, 10, 9, 0, 125_000, 180 * MS, 300_000),
    ]
    recorded(tmp_path, [], [], samples)

    table = service_table(tmp_path, read_exchanges(tmp_path, ten_ms), ["voice"], SECOND, SECOND)

    found = {name: values[0, 0] for name, values in table.values.items() if not np.isnan(values[0, 0])}
    assert found == {
        "goodput_mbps": pytest.approx(1.0),
        "datagram_loss": pytest.approx(0.1),
        "datagram_delay_ms": pytest.approx(2.0),
        "datagram_jitter_ms": pytest.approx(0.3),
        "datagram_reordering": pytest.approx(0.1),
    }


@pytest.mark.parametrize(("shares", "index"), [([5, 5, 5], 1.0), ([1, 0, 0, 0], 0.25), ([1, 2, 3], 36 / 42)])
def test_fairness_is_jains(shares: list[float], index: float) -> None:
    assert jain(np.array(shares, dtype=np.float64)) == pytest.approx(index)


def test_every_indicator_made_is_registered() -> None:
    made = {**dict.fromkeys(SERVICE_KPIS, "service"), **dict.fromkeys(INSTANCE_KPIS, "instance")}

    assert made == {name: one.subject for name, one in KPIS.items() if one.subject in ("service", "instance")}
