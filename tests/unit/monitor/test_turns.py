"""Flows that take turns at being sampled, and what is made of the time between two samples of one."""

from __future__ import annotations

import struct
from pathlib import Path as FilePath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from shadowlab.kernel.clock import now_ns
from shadowlab.kernel.loop import Loop
from shadowlab.model.flow import Path
from shadowlab.monitor.indicators import path_table
from shadowlab.monitor.layout import FLAG_CLOSED, FLAG_IDLE
from shadowlab.monitor.observe import FLOWS_AT_ONCE, MOST_TURNS, Observer, turns_for
from shadowlab.monitor.raw_files import RawFiles
from shadowlab.monitor.raw_records import TCP_TYPE, _filled, read_tcp
from shadowlab.store.reader import read_records
from shadowlab.wire.tcp_info import TCP_INFO_FIELDS
from tests.unit.monitor.test_watching import Loopback, MadeUp

S = 1_000_000_000
MS = 1_000_000
PLACES = {name: (offset, form) for name, offset, form in TCP_INFO_FIELDS}


def info(**fields: int) -> bytes:
    held = bytearray(248)
    for name, value in fields.items():
        struct.pack_into("<" + PLACES[name][1], held, PLACES[name][0], value)
    return bytes(held)


def test_few_flows_are_all_sampled_and_very_many_at_least_every_ten_times() -> None:
    assert [turns_for(flows) for flows in (0, FLOWS_AT_ONCE, FLOWS_AT_ONCE + 1, 10_000, 10**6)] == [
        *(1, 1, 2, 4),
        MOST_TURNS,
    ]


def test_each_sample_is_of_one_group_and_the_first_and_last_are_of_all(tmp_path: FilePath) -> None:
    with Loop() as loop, RawFiles(str(tmp_path)) as files:
        observer = Observer(
            loop=loop,
            segment=Loopback(),
            flows=[MadeUp(closed=False) for _ in range(5)],
            interfaces=[],
            files=files,
            sample_every_ns=5 * MS,
            turns=3,
        )
        start_ns = now_ns()
        observer.start(start_ns, 20 * MS)
        loop.run_until(start_ns + 25 * MS)

    found = read_records(tmp_path / "tcp.blocks")
    _, round_of = np.unique(found["at_ns"], return_inverse=True)
    groups = [found["flow"][round_of == one].tolist() for one in range(5)]
    assert groups == [[0, 1, 2, 3, 4], [1, 4], [2], [0, 3], [0, 1, 2, 3, 4]]
    assert len(read_records(tmp_path / "tcp-ends.blocks")) == 25  # the end of a connection waits for no turn


@pytest.mark.parametrize("turns", [1, 4])
def test_a_steady_flow_has_the_same_throughput_however_seldom_it_is_sampled(tmp_path: FilePath, turns: int) -> None:
    flows, seconds = 8, 12
    with RawFiles(str(tmp_path)) as files:
        for second in range(seconds + 1):
            for flow in range(flows):
                if second in (0, seconds) or (flow - second) % turns == 0:
                    state = info(state=1, bytes_acked=125_000 * second * (flow + 1), rtt=20_000, min_rtt=10_000)
                    files.rows("tcp").append(second * S, flow, 0, 0, 0, 0, state)

    path = Path(source="a", target="b")
    table = path_table(tmp_path, [path], [path] * flows, seconds * S, S, turns=turns)

    assert table.values["throughput_mbps"][:, 0] == pytest.approx([36.0] * seconds)
    assert table.values["queueing_ms"][:, 0] == pytest.approx([10.0] * seconds)


def test_a_flow_that_began_and_ended_between_two_samples_counts_in_full(tmp_path: FilePath) -> None:
    with RawFiles(str(tmp_path)) as files:
        for second in range(5):
            files.rows("tcp").append(second * S, 1, FLAG_IDLE, 0, 0, 0, b"")
            if second in (0, 4):
                flags = FLAG_IDLE if second == 0 else FLAG_CLOSED
                files.rows("tcp").append(second * S, 0, flags, 0, 0, 0, info(state=7, bytes_acked=1_000_000 * second))

    paths = [Path(source="a", target="b"), Path(source="a", target="c")]
    table = path_table(tmp_path, paths, paths, 4 * S, S, turns=4)

    assert np.nansum(table.values["throughput_mbps"][:, 0]) == pytest.approx(32)
    assert np.isnan(table.values["throughput_mbps"][:, 1]).all()


@given(
    counts=arrays(np.int64, (9, 3), elements=st.integers(0, 10**9)).map(lambda one: np.cumsum(one, axis=0)),
    seen=arrays(np.bool_, (9, 3)),
)
def test_filling_in_keeps_what_was_sampled_and_never_counts_back(counts: np.ndarray, seen: np.ndarray) -> None:
    seen[[0, -1]] = True
    rows = [(moment, flow) for moment in range(9) for flow in range(3) if seen[moment, flow]]
    records = np.zeros(len(rows), dtype=TCP_TYPE)
    for place, (moment, flow) in enumerate(rows):
        records[place]["at_ns"], records[place]["flow"] = moment * S, flow
        records[place]["bytes_acked"] = counts[moment, flow]

    found = _filled(records, 3)

    assert (found["at_ns"] == np.unique(records["at_ns"])[:, None]).all()
    kept = seen[np.unique(records["at_ns"]) // S]
    assert (found["bytes_acked"][kept] == counts[np.unique(records["at_ns"]) // S][kept]).all()
    assert (np.diff(found["bytes_acked"].astype(np.int64), axis=0) >= 0).all()


def test_another_connection_is_not_joined_with_the_one_before(tmp_path: FilePath) -> None:
    with RawFiles(str(tmp_path)) as files:
        for second in range(5):
            files.rows("tcp").append(second * S, 1, 0, 0, 0, 0, info(state=1, bytes_acked=0))
            if second in (0, 4):
                state = info(state=1, bytes_acked=900 if second == 0 else 1000)
                files.rows("tcp").append(second * S, 0, 0, second // 4, 0, 0, state)

    found = read_tcp(tmp_path, 2, turns=4)

    assert found["attempt"][:, 0].tolist() == [0, 0, 0, 0, 1]
    assert found["bytes_acked"][:, 0].tolist() == [900, 900, 900, 900, 1000]
