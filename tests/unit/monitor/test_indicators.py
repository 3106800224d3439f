"""Indicators from synthetic records with known answers."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import pytest

from shadowlab.errors import ShadowLabError
from shadowlab.model.flow import FlowSpec, Path
from shadowlab.model.kpi import KPIS, SeriesTable
from shadowlab.monitor.indicators import link_table, path_counts, path_table, window_ends
from shadowlab.monitor.layout import FLAG_CLOSED, FLAG_FAILED, FLAG_IDLE
from shadowlab.monitor.raw_files import RawFiles
from shadowlab.monitor.raw_records import read_probes
from shadowlab.store.recorder import BlockFile
from shadowlab.store.records import RECORDS, RecordType
from shadowlab.wire.tcp_info import TCP_INFO_BYTES

MS = 1_000_000
SECOND = 1_000 * MS
AB = Path(source="a", target="b")
BA = Path(source="b", target="a")


def flow(name: str, path: Path = AB) -> FlowSpec:
    return FlowSpec(id=name, source=path.source, target=path.target, flow_class="greedy")


def info(
    *,
    acked: int = 0,
    sent: int = 0,
    again: int = 0,
    needless: int = 0,
    cwnd: int = 10,
    least_us: int = 40_000,
    reordered: int = 0,
) -> bytes:
    """struct tcp_info with the fields that indicators use."""
    content = bytearray(TCP_INFO_BYTES)
    content[0] = 1  # established
    for form, offset, value in (
        ("<I", 68, 40_000),
        ("<I", 80, cwnd),
        ("<I", 100, again),
        ("<Q", 120, acked),
        ("<I", 156, sent),
        ("<I", 148, least_us),
        ("<I", 216, needless),
        ("<I", 220, reordered),
    ):
        struct.pack_into(form, content, offset, value)
    return bytes(content)


Row = tuple[Any, ...]


def sample(at_s: float, index: int, tcp_info: bytes = b"", *, flags: int = 0, attempt: int = 0) -> Row:
    return (int(at_s * SECOND), index, flags, attempt, 0, 0, tcp_info)


def queue(
    at_s: float, index: int, *, drops: int = 0, sent: int = 0, held: int = 0, marks: int = 0, losses: int = 0
) -> Row:
    return (
        int(at_s * SECOND),
        index,
        drops,
        sent * 1_000,
        sent,
        0,
        held,
        held * 1_000,
        sent + drops + held,
        marks,
        0,
        0,
        losses,
    )


def recorded(
    folder: FilePath, *, probes: Sequence[Row] = (), tcp: Sequence[Row] = (), queues: Sequence[Row] = ()
) -> FilePath:
    with RawFiles(str(folder)) as files:
        for name, rows in (("probes", probes), ("tcp", tcp), ("queues", queues)):
            for row in rows:
                files.rows(name).append(*row)
    return folder


def test_every_indicator_of_the_registry_is_there(tmp_path: FilePath) -> None:
    recorded(tmp_path)

    paths = path_table(tmp_path, [AB], [], SECOND, SECOND)
    links = link_table(tmp_path, ["x>y"], [None], SECOND, SECOND)

    assert set(paths.values) == {name for name, one in KPIS.items() if one.subject == "path"}
    assert set(links.values) == {name for name, one in KPIS.items() if one.subject == "link"}


def test_where_nothing_was_observed_nothing_is_said(tmp_path: FilePath) -> None:
    recorded(tmp_path)

    paths = path_table(tmp_path, [AB, BA], [flow("f")], 3 * SECOND, SECOND)
    links = link_table(tmp_path, ["x>y"], [1_000_000], 3 * SECOND, SECOND)

    assert paths.times_ns.tolist() == [SECOND, 2 * SECOND, 3 * SECOND]
    assert paths.subjects == ("a→b", "b→a")
    for values in (*paths.values.values(), *links.values.values()):
        assert np.all(np.isnan(values))


def test_probes_become_latency_jitter_and_loss_of_the_window_they_were_sent_in(tmp_path: FilePath) -> None:
    trips = [40, 44, 41, -1, 60]
    probes = [(number * 200 * MS, 1, number, trip * MS if trip >= 0 else -1, -1) for number, trip in enumerate(trips)]
    probes.append((1_000 * MS, 1, 5, 50 * MS, -1))
    recorded(tmp_path, probes=probes[::-1])

    table = path_table(tmp_path, [BA, AB], [], 2 * SECOND, SECOND)

    assert table.column("latency_ms", "a→b").tolist() == [42.5, 50.0]
    assert table.column("latency_p95_ms", "a→b")[0] == pytest.approx(np.percentile([40, 44, 41, 60], 95))
    assert table.column("jitter_ms", "a→b").tolist() == [3.5, 10.0]
    assert table.column("loss", "a→b").tolist() == [0.2, 0.0]
    assert np.all(np.isnan(table.column("latency_ms", "b→a")))


def test_a_window_of_lost_probes_has_loss_one_and_no_latency(tmp_path: FilePath) -> None:
    recorded(tmp_path, probes=[(0, 0, 0, -1, -1), (200 * MS, 0, 1, -1, -1)])

    table = path_table(tmp_path, [AB], [], SECOND, SECOND)

    assert table.column("loss", "a→b").tolist() == [1.0]
    assert np.isnan(table.column("latency_ms", "a→b")[0])


def test_throughput_adds_the_flows_of_the_path(tmp_path: FilePath) -> None:
    flows = [flow("one"), flow("other way", BA), flow("two")]
    tcp = []
    for second in range(3):
        for index, rate in enumerate((1_000_000, 7_000_000, 500_000)):
            tcp.append(sample(second, index, info(acked=rate // 8 * second)))
    recorded(tmp_path, tcp=tcp)

    table = path_table(tmp_path, [AB, BA], flows, 2 * SECOND, SECOND)

    np.testing.assert_allclose(table.column("throughput_mbps", "a→b"), [1.5, 1.5])
    np.testing.assert_allclose(table.column("throughput_mbps", "b→a"), [7.0, 7.0])


def test_a_late_sample_does_not_move_its_bytes_into_the_next_window(tmp_path: FilePath) -> None:
    tcp = [sample(at, 0, info(acked=int(at * 125_000))) for at in (0, 1.004, 2.0)]
    recorded(tmp_path, tcp=tcp)

    table = path_table(tmp_path, [AB], [flow("f")], 2 * SECOND, SECOND)

    np.testing.assert_allclose(table.column("throughput_mbps", "a→b"), [1.0, 1.0], rtol=1e-4)


def test_a_window_holds_several_samples(tmp_path: FilePath) -> None:
    tcp = [sample(at, 0, info(acked=at * 125_000, cwnd=10 * at)) for at in range(5)]
    recorded(tmp_path, tcp=tcp)

    table = path_table(tmp_path, [AB], [flow("f")], 4 * SECOND, 2 * SECOND)

    np.testing.assert_allclose(table.column("throughput_mbps", "a→b"), [1.0, 1.0])
    assert table.column("cwnd_segments", "a→b").tolist() == [15.0, 35.0]
    assert table.column("srtt_ms", "a→b").tolist() == [40.0, 40.0]


def test_counters_of_a_new_connection_begin_anew(tmp_path: FilePath) -> None:
    recorded(
        tmp_path,
        tcp=[
            sample(0, 0, info(acked=100_000)),
            sample(1, 0, flags=FLAG_FAILED, attempt=1),
            sample(2, 0, info(acked=125_000, sent=100, again=10), attempt=1),
            sample(3, 0, info(acked=375_000, sent=200, again=10), attempt=2),
        ],
    )

    table = path_table(tmp_path, [AB], [flow("f")], 3 * SECOND, SECOND)

    np.testing.assert_allclose(table.column("throughput_mbps", "a→b"), [0.0, 1.0, 3.0])
    assert table.column("retransmission_share", "a→b").tolist()[1] == pytest.approx(0.1)
    assert np.isnan(table.column("retransmission_share", "a→b")[0])


def test_a_flow_counts_from_its_beginning_to_its_end(tmp_path: FilePath) -> None:
    recorded(
        tmp_path,
        tcp=[
            sample(0, 0, flags=FLAG_IDLE),
            sample(1, 0, flags=FLAG_IDLE),
            sample(2, 0, info(acked=125_000)),
            sample(3, 0, info(acked=250_000), flags=FLAG_CLOSED),
            sample(4, 0, info(acked=250_000), flags=FLAG_CLOSED),
        ],
    )

    table = path_table(tmp_path, [AB], [flow("f")], 4 * SECOND, SECOND)

    np.testing.assert_allclose(table.column("throughput_mbps", "a→b"), [np.nan, 1.0, 1.0, np.nan])
    np.testing.assert_allclose(table.column("srtt_ms", "a→b"), [np.nan, 40.0, np.nan, np.nan])


def test_the_counts_for_the_localiser(tmp_path: FilePath) -> None:
    recorded(
        tmp_path,
        probes=[(0, 0, 0, 5, -1), (1, 0, 1, -1, -1), (SECOND, 0, 2, 5, -1)],
        tcp=[sample(0, 0, info()), sample(1, 0, info(sent=100, again=3)), sample(2, 0, info(sent=150, again=3))],
    )

    counts = path_counts(tmp_path, [AB], [flow("f")], 2 * SECOND, SECOND)

    assert counts.paths == ("a→b",)
    assert counts.probes_sent[:, 0].tolist() == [2, 1]
    assert counts.probes_lost[:, 0].tolist() == [1, 0]
    assert counts.segments_sent[:, 0].tolist() == [100, 50]
    assert counts.segments_retransmitted[:, 0].tolist() == [3, 0]


def test_retransmissions_reported_needless_are_left_out_and_never_count_below_zero(tmp_path: FilePath) -> None:
    recorded(
        tmp_path,
        tcp=[
            sample(0, 0, info()),
            sample(1, 0, info(sent=100, again=2)),
            sample(2, 0, info(sent=200, again=5, needless=4)),
            sample(3, 0, info(sent=300, again=9, needless=4)),
        ],
    )

    counts = path_counts(tmp_path, [AB], [flow("f")], 3 * SECOND, SECOND)

    assert counts.segments_retransmitted[:, 0].tolist() == [2, 0, 3]


def test_queues_become_throughput_utilisation_loss_and_queue(tmp_path: FilePath) -> None:
    recorded(
        tmp_path,
        queues=[
            *(queue(0, 0), queue(0, 1)),
            *(queue(1, 0, sent=125, drops=0, held=4), queue(1, 1)),
            *(queue(2, 0, sent=200, drops=25, held=8), queue(2, 1)),
        ],
    )

    table = link_table(tmp_path, ["x>y", "y>x"], [2_000_000, None], 2 * SECOND, SECOND)

    np.testing.assert_allclose(table.column("link_throughput_mbps", "x>y"), [1.0, 0.6])
    np.testing.assert_allclose(table.column("link_utilisation", "x>y"), [0.5, 0.3])
    np.testing.assert_allclose(table.column("link_loss", "x>y"), [0.0, 0.25])
    np.testing.assert_allclose(table.column("link_queue_packets", "x>y"), [4.0, 8.0])
    assert table.column("link_loss", "y>x").tolist() == [0.0, 0.0]
    assert np.all(np.isnan(table.column("link_utilisation", "y>x")))


def test_losses_behind_the_wire_are_told_from_a_full_queue_and_take_their_time(tmp_path: FilePath) -> None:
    recorded(
        tmp_path,
        queues=[
            *(queue(0, 0), queue(0, 1)),
            *(queue(1, 0, sent=80, drops=40, losses=20), queue(1, 1, sent=80, drops=20)),
        ],
    )

    table = link_table(tmp_path, ["x>y", "y>x"], [1_000_000] * 2, SECOND, SECOND)

    np.testing.assert_allclose(table.values["link_loss"], [[40 / 120, 0.2]])
    np.testing.assert_allclose(table.values["link_line_loss"], [[20 / 100, np.nan]])
    np.testing.assert_allclose(table.values["link_utilisation"], [[0.8, 0.64]])


def test_losses_of_the_delay_line_count_with_those_of_the_queue_and_alone(tmp_path: FilePath) -> None:
    recorded(
        tmp_path,
        queues=[
            *(queue(0, 0), queue(0, 1), queue(0, 2), queue(0, 3), queue(0, 4)),
            # The first direction's line is behind its queue, the second's before it; the third has none.
            *(queue(1, 0, sent=90, drops=10), queue(1, 1, sent=80, drops=10), queue(1, 2, sent=50)),
            *(queue(1, 3, sent=60, drops=30), queue(1, 4, sent=90, drops=10)),
        ],
    )

    table = link_table(tmp_path, ["x>y", "h>x", "y>x"], [None] * 3, SECOND, SECOND, lines=[(0, False), (1, True)])

    np.testing.assert_allclose(table.values["link_loss"], [[0.4, 0.2, 0.0]])
    np.testing.assert_allclose(table.values["link_line_loss"], [[30 / 90, 0.1, np.nan]])


def test_a_delay_line_that_comes_later_counts_from_then_on(tmp_path: FilePath) -> None:
    absent = (int(SECOND), 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    recorded(
        tmp_path,
        queues=[
            *(queue(0, 0), queue(0, 1)),
            *(queue(1, 0, sent=100), absent),
            *(queue(2, 0, sent=200), queue(2, 1, sent=95, drops=5)),
        ],
    )

    table = link_table(tmp_path, ["x>y"], [None], 2 * SECOND, SECOND, lines=[(0, False)])

    np.testing.assert_allclose(table.column("link_loss", "x>y"), [0.0, 0.05])


def test_marks_are_a_share_of_what_was_sent(tmp_path: FilePath) -> None:
    recorded(tmp_path, queues=[queue(0, 0, marks=7), queue(1, 0, sent=50, marks=12), queue(2, 0, sent=50, marks=12)])

    table = link_table(tmp_path, ["x>y"], [None], 2 * SECOND, SECOND)

    np.testing.assert_allclose(table.column("link_marks", "x>y"), [0.1, 0.0])


def test_an_interface_that_was_made_anew_counts_from_zero(tmp_path: FilePath) -> None:
    recorded(tmp_path, queues=[queue(0, 0, sent=500, drops=9), queue(1, 0, sent=125)])

    table = link_table(tmp_path, ["x>y"], [None], SECOND, SECOND)

    np.testing.assert_allclose(table.column("link_throughput_mbps", "x>y"), [1.0])
    assert table.column("link_loss", "x>y").tolist() == [0.0]


def test_an_unfinished_last_sample_is_left_out(tmp_path: FilePath) -> None:
    tcp = [sample(at, index, info(acked=at * 125_000)) for at in range(2) for index in range(2)]
    recorded(tmp_path, tcp=[*tcp, sample(2, 0, info(acked=10**9))])

    table = path_table(tmp_path, [AB], [flow("f"), flow("g")], 2 * SECOND, SECOND)

    np.testing.assert_allclose(table.column("throughput_mbps", "a→b"), [2.0, np.nan])


def test_a_folder_without_records_is_refused_with_its_name(tmp_path: FilePath) -> None:
    with pytest.raises(ShadowLabError, match=r"cannot read the records .*probes.blocks: No such file"):
        path_table(tmp_path, [AB], [], SECOND, SECOND)


def test_windows_are_whole() -> None:
    assert window_ends(3_500 * MS, SECOND).tolist() == [SECOND, 2 * SECOND, 3 * SECOND]
    with pytest.raises(ValueError, match="a window must be longer than nothing"):
        window_ends(SECOND, 0)


def test_a_file_from_before_a_column_has_it_unknown(tmp_path: FilePath) -> None:
    recorded(tmp_path)
    now = RECORDS["probes"]
    past = RecordType(name="probes", meaning="", columns=now.columns[:4])
    with BlockFile(str(tmp_path / "probes.blocks"), past) as file:
        file.rows.append(1, 0, 0, 40)

    (probe,) = read_probes(tmp_path)

    assert (probe["round_trip_ns"], probe["one_way_ns"]) == (40, -1)


def path_values(folder: FilePath, tcp: Sequence[Row], flows: int, seconds: int = 2) -> SeriesTable:
    recorded(folder, tcp=tcp)
    return path_table(folder, [AB], [flow(str(number)) for number in range(flows)], seconds * SECOND, SECOND)


def test_queueing_is_what_the_smoothed_rtt_lies_above_the_least_one(tmp_path: FilePath) -> None:
    two = [
        sample(at, index, info(least_us=least)) for at in range(3) for index, least in enumerate((30_000, 0xFFFFFFFF))
    ]

    table = path_values(tmp_path, two, 2)

    assert table.column("queueing_ms", "a→b").tolist() == [10.0, 10.0]  # the second flow has measured no least RTT yet


def test_reorderings_are_a_share_of_the_data_segments(tmp_path: FilePath) -> None:
    one = [sample(at, 0, info(sent=100 * at, reordered=at * at)) for at in range(3)]

    np.testing.assert_allclose(path_values(tmp_path, one, 1).column("reordering", "a→b"), [0.01, 0.03])


def test_fairness_is_jains_index_of_what_the_flows_delivered_and_needs_two(tmp_path: FilePath) -> None:
    alike = [sample(at, index, info(acked=at * 1_000)) for at in range(3) for index in range(4)]
    one_has_all = [sample(at, index, info(acked=at * 1_000 * (index == 0))) for at in range(3) for index in range(4)]
    alone = [sample(at, 0, info(acked=at * 1_000)) for at in range(3)]
    found = []
    for name, rows, flows in (("a", alike, 4), ("b", one_has_all, 4), ("c", alone, 1)):
        (tmp_path / name).mkdir()
        found.append(path_values(tmp_path / name, rows, flows).column("flow_fairness", "a→b").tolist())

    assert found[:2] == [[1.0, 1.0], [0.25, 0.25]]
    assert np.isnan(found[2]).all()


def test_goodput_is_what_applications_received_and_failures_are_connections_lost(tmp_path: FilePath) -> None:
    rows = [
        (at * SECOND, 0, 0, attempt, received, 0, info())
        for at, attempt, received in ((0, 0, 0), (1, 0, 125_000), (2, 2, 250_000))
    ]

    table = path_values(tmp_path, rows, 1)

    assert table.column("flow_goodput_mbps", "a→b").tolist() == [1.0, 1.0]
    assert table.column("flow_failures", "a→b").tolist() == [0.0, 2.0]


def test_what_a_direction_holds_takes_its_time_at_the_rate(tmp_path: FilePath) -> None:
    recorded(tmp_path, queues=[queue(0, 0), queue(0, 1), queue(1, 0, sent=100, held=5), queue(1, 1, held=1)])

    table = link_table(tmp_path, ["x>y", "y>x"], [1_000_000, None], SECOND, SECOND)

    assert table.values["link_backlog_bytes"].tolist() == [[5_000.0, 1_000.0]]
    assert table.column("link_backlog_ms", "x>y")[0] == pytest.approx(40)
    assert np.isnan(table.column("link_backlog_ms", "y>x")[0])
