"""Indicators in blocks, and the forms they are given out in."""

from __future__ import annotations

import io
import json
import math
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowlab.model.kpi import KPIS, SeriesTable
from shadowlab.store import tables
from shadowlab.store.parquet import write_parquet
from shadowlab.store.prometheus import metric_name, prometheus_text
from shadowlab.store.reader import BlockReader
from shadowlab.store.recorder import BlockFile
from shadowlab.store.records import RECORDS
from shadowlab.store.sheet import plain_rows, sheet_of_records, sheet_of_tables, write_csv
from shadowlab.store.tables import encode_table, rounded
from shadowlab.wire.tcp_info import decode_tcp_info

S = 1_000_000_000
NAN = math.nan
PATHS = SeriesTable(
    times_ns=np.array([S, 2 * S]),
    subjects=("web→db", "web→api"),
    values={"latency_ms": np.array([[11.05, NAN], [12.0, 9.0]]), "loss": np.array([[0.0, 1.0], [NAN, 0.25]])},
)
LINKS = SeriesTable(times_ns=np.array([2 * S]), subjects=("a>b",), values={"link_throughput_mbps": np.array([[8.0]])})


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300, allow_subnormal=False))
def test_rounding_keeps_nine_digits(value: float) -> None:
    (found,) = rounded(np.array([value])).tolist()

    assert abs(found - value) <= abs(value) * 2.0**-31
    assert struct.unpack("<Q", struct.pack("<d", found))[0] & (1 << 22) - 1 == 0


def test_rounding_keeps_what_is_no_number_and_whole_numbers() -> None:
    found = rounded(np.array([NAN, np.inf, -np.inf, 0.0, -1.0, 2.0**30 - 1]))

    assert found[1:].tolist() == [np.inf, -np.inf, 0.0, -1.0, 2.0**30 - 1]
    assert found[:1].tobytes() == np.array([np.nan]).tobytes()


def test_a_table_is_read_back_and_the_same_table_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "BLOCK_ROWS", 2)  # one moment per block
    (tmp_path / "paths.blocks").write_bytes(encode_table("path", PATHS))

    with BlockReader(tmp_path / "paths.blocks") as reader:
        found = reader.read()
        assert [one.head.from_ns for one in reader.blocks] == [S, 2 * S]
        assert (reader.names["subject"], reader.kind and reader.kind.name) == (PATHS.subjects, "paths")
    assert found["at_ns"].tolist() == [S, S, 2 * S, 2 * S]
    assert found["subject"].tolist() == [0, 1, 0, 1]
    np.testing.assert_allclose(found["latency_ms"], PATHS.values["latency_ms"].reshape(-1), rtol=2**-31)
    assert encode_table("path", PATHS) == (tmp_path / "paths.blocks").read_bytes()


def test_a_table_without_rows_or_subjects_is_one_too(tmp_path: Path) -> None:
    nothing = SeriesTable(times_ns=np.zeros(0, dtype=np.int64), subjects=(), values={"loss": np.zeros((0, 0))})
    (tmp_path / "t").write_bytes(encode_table("path", nothing))

    with BlockReader(tmp_path / "t") as reader:
        assert len(reader.read()) == 0


def test_an_unknown_value_is_an_empty_cell() -> None:
    text = io.StringIO()

    write_csv(sheet_of_tables([PATHS, LINKS]), text)

    assert text.getvalue().splitlines() == [
        "time_s,subject,latency_ms,loss,link_throughput_mbps",
        "1,web→db,11.05,0,",
        "1,web→api,,1,",
        "2,web→db,12,,",
        "2,web→api,9,0.25,",
        "2,a>b,,,8",
    ]


def test_an_unknown_value_is_null_in_json() -> None:
    first = plain_rows(sheet_of_tables([PATHS]))[1]

    assert json.loads(json.dumps(first, allow_nan=False)) == {
        "time_s": 1.0,
        "subject": "web→api",
        "latency_ms": None,
        "loss": 1.0,
    }


def test_an_unknown_value_is_null_in_parquet_and_units_stand_in_the_fields(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")

    write_parquet(sheet_of_tables([PATHS]), tmp_path / "x.parquet")

    table = parquet.read_table(tmp_path / "x.parquet")
    assert table.column("latency_ms").to_pylist() == [11.05, None, 12.0, 9.0]
    assert table.column("subject").to_pylist()[:2] == ["web→db", "web→api"]
    assert table.column("time_s").to_pylist() == [1.0, 1.0, 2.0, 2.0]
    assert table.schema.field("latency_ms").metadata == {b"unit": b"ms"}
    assert [one.name for one in tmp_path.iterdir()] == ["x.parquet"]


def test_prometheus_text_has_base_units_labels_and_milliseconds() -> None:
    lines = "".join(prometheus_text({"path": PATHS, "link": LINKS}, zero_ns=1_000 * S)).splitlines()

    assert lines[0].startswith("# HELP shadowlab_path_latency_seconds median")
    assert lines[1:5] == [
        "# TYPE shadowlab_path_latency_seconds gauge",
        'shadowlab_path_latency_seconds{source="web",target="db"} 0.01105 1001000',
        'shadowlab_path_latency_seconds{source="web",target="db"} 0.012 1002000',
        'shadowlab_path_latency_seconds{source="web",target="api"} 0.009 1002000',
    ]
    assert lines[-1] == 'shadowlab_link_throughput_bytes_per_second{direction="a>b"} 1000000 1002000'


def test_a_label_is_escaped() -> None:
    odd = SeriesTable(times_ns=np.array([S]), subjects=('a"\\\n>b',), values={"link_loss": np.array([[0.5]])})

    assert list(prometheus_text({"link": odd}))[-1] == (
        'shadowlab_link_loss_ratio{direction="a\\"\\\\\\n>b"} 0.5 1000\n'
    )


def test_every_indicator_has_a_metric_name_of_its_own_with_a_unit() -> None:
    names = [metric_name(one.name, one.subject)[0] for one in KPIS.values()]

    assert len(set(names)) == len(names)
    endings = (
        "_seconds",
        "_ratio",
        "_bytes_per_second",
        "_segments",
        "_packets",
        "_requests",
        "_bytes",
        "_connections",
    )
    assert [name for name in names if not name.endswith(endings)] == []


def test_raw_records_are_shown_with_names_and_tcp_info_by_its_length(tmp_path: Path) -> None:
    info = bytes(range(1, 249))
    with BlockFile(str(tmp_path / "tcp"), RECORDS["tcp"], {"flow": ["one"]}) as file:
        file.rows.append(5, 0, 0, 1, 10, 0, info)
        file.rows.append(6, 7, 2, 0, 0, 0, info[:104])
        file.rows.append(6, 0, 4, 0, 0, 0, b"")
    with BlockReader(tmp_path / "tcp") as reader:
        rows = plain_rows(sheet_of_records(reader, {}, None, None))
        some = plain_rows(sheet_of_records(reader, {"flow": [0]}, 6, None))

    assert [row["flow"] for row in rows] == ["one", "7", "one"]
    assert [row["info.length"] for row in rows] == [248, 104, 0]
    for row, raw in zip(rows, (info, info[:104], b""), strict=True):
        decoded = decode_tcp_info(raw)._asdict()
        shown = {name.removeprefix("info."): value for name, value in row.items() if name.startswith("info.")}
        del shown["length"]
        assert {name: decoded[name] for name in shown} == shown
    assert [row["flags"] for row in some] == [4]


def test_a_lost_probe_has_no_round_trip(tmp_path: Path) -> None:
    with BlockFile(str(tmp_path / "probes"), RECORDS["probes"], {"path": ["a→b"]}) as file:
        file.rows.append(1, 0, 0, -1, -1)

    with BlockReader(tmp_path / "probes") as reader:
        (row,) = plain_rows(sheet_of_records(reader, {}, None, None))

    assert row == {"sent_ns": 1, "path": "a→b", "sequence": 0, "round_trip_ns": None, "one_way_ns": None}
