"""The JSON formats: our own lines, M-Lab's archive, ndt7; and Parquet, which holds what our lines hold."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from telemetry_reading import CAPTURES, read

from shadowlab.errors import CannotRunError, InputError
from shadowlab.model.telemetry import COUNTERS, MEASURED, TcpRecord, field_kinds, record_of
from shadowlab.telemetry.checked import checked_record
from shadowlab.telemetry.sources.jsonl import header_line, line_of
from shadowlab.telemetry.sources.parquet import ParquetWriter

DUMP = read("ss", (CAPTURES / "loopback.ss").read_bytes()).records
_COUNTS = [name for name in MEASURED if field_kinds()[name] is int and name != "from_ns"]
RECORDS = st.builds(
    lambda counts, rest: checked_record({**counts, **rest}),
    st.dictionaries(st.sampled_from(_COUNTS), st.integers(0, 2**63 - 1), max_size=5),
    st.fixed_dictionaries(
        {"at_ns": st.integers(10, 2**63 - 1), "local_port": st.integers(0, 65_535)},
        optional={
            "from_ns": st.integers(0, 10),
            "local_address": st.sampled_from(["", "*", "10.0.0.1", "fe80::1"]),
            "instance": st.text(st.characters(codec="utf-8"), max_size=20),
            "app_limited": st.booleans(),
            "host_cpu_share": st.floats(0, 1),
        },
    ),
)


def lines(*values: object) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


@given(st.lists(RECORDS, max_size=4))
def test_what_is_written_is_what_is_read_back(records: list[TcpRecord]) -> None:
    text = "\n".join([header_line(), *map(line_of, records)])

    reading = read("jsonl", text.encode())

    assert list(reading.records) == records
    assert reading.tally.unreadable == 0


def test_a_record_made_the_fast_way_is_equal_to_one_made_by_its_constructor() -> None:
    known = {name: getattr(DUMP[0], name) for name in TcpRecord.__dataclass_fields__}

    again = TcpRecord(**known)

    assert (record_of(dict(known)), hash(DUMP[0]), repr(DUMP[0])) == (again, hash(again), repr(again))
    assert DUMP[0].known == again.known
    assert set(COUNTERS) < set(MEASURED)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({"instance": "web"}, "at_ns is missing"),
        ({"at_ns": "now"}, "at_ns is 'now', which is no whole number"),
        ({"at_ns": True}, "at_ns is 'True', which is no whole number"),
        ({"at_ns": -1}, "from 0 to 2"),
        ({"at_ns": 2**63}, "from 0 to 2"),
        ({"at_ns": 1, "bytes_acked": -5}, "bytes_acked is -5"),
        ({"at_ns": 1, "byte_acked": 5}, "'byte_acked' is no field"),
        ({"at_ns": 1, "from_ns": 2}, "from_ns lies after at_ns"),
        ({"at_ns": 1, "local_port": 65_536}, "local_port is 65536"),
        ({"at_ns": 1, "local_address": "web"}, "'web' is not an IP address"),
        ({"at_ns": 1, "scope": "galaxy"}, "one of connection, pair, host"),
        ({"at_ns": 1, "host_cpu_share": 1.5}, "a share is from 0 to 1"),
        ({"at_ns": 1, "host_run_queue": float("nan")}, "it must be 0 or more"),
        ({"at_ns": 1, "service": "x" * 2000}, "longer than 1000"),
        ({"shadowlab": "telemetry/9"}, "version 'telemetry/9'"),
        ([1], "a JSON object was expected, not list"),
    ],
)
def test_a_wrong_line_is_located_and_the_next_one_read(value: Any, why: str) -> None:
    reading = read("jsonl", lines(value, {"at_ns": 1}))

    assert (len(reading.records), reading.places) == (1, ["x:1"])
    assert why in reading.messages[0]


@pytest.mark.parametrize("bad", [b"{", b"\xff\xfe", b"nope", b"[" * 100_000, b"1" * 5000, b'{"at_ns": 1e400}'])
def test_what_is_no_json_is_a_fault(bad: bytes) -> None:
    reading = read("jsonl", bad, b"\n", lines({"at_ns": 1}))

    assert (len(reading.records), reading.places) == (1, ["x:1"])


def test_an_ipv4_address_mapped_into_ipv6_is_the_ipv4_address() -> None:
    (one,) = read("jsonl", lines({"at_ns": 1, "local_address": "::ffff:10.0.0.1"})).records

    assert one.local_address == "10.0.0.1"


@settings(max_examples=20, deadline=None)
@given(st.lists(RECORDS, max_size=4))
def test_parquet_holds_what_json_lines_hold(tmp_path_factory: pytest.TempPathFactory, records: list[TcpRecord]) -> None:
    path = tmp_path_factory.mktemp("parquet") / "x.parquet"
    with ParquetWriter(path) as writer:
        for one in records:
            writer.write(one)

    assert list(read("parquet", path=path).records) == records


def test_a_damaged_parquet_file_is_a_fault_and_a_foreign_one_an_error(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    damaged, foreign = tmp_path / "damaged", tmp_path / "foreign"
    damaged.write_bytes(b"PAR1" + b"\0" * 100 + b"PAR1")
    pyarrow.parquet.write_table(pyarrow.table({"x": [1]}), foreign)

    assert "damaged" in read("parquet", path=damaged).messages[0]
    with pytest.raises(InputError, match="no column at_ns"):
        read("parquet", path=foreign)
    with pytest.raises(InputError, match="unpack it"):
        read("parquet", b"PAR1")


def test_parquet_without_its_library_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(CannotRunError, match=r"shadowlab\[parquet\]"):
        read("parquet", path=tmp_path / "any")


def archive_line(**changed: object) -> dict[str, object]:
    """An M-Lab line of one socket of our own recording."""
    raw = (CAPTURES / "loopback.nl").read_bytes()
    length = int.from_bytes(raw[:4], "little")
    attributes: list[str | None] = [None] * 8
    at = 88
    while at + 4 <= length:
        size, kind = int.from_bytes(raw[at : at + 2], "little"), int.from_bytes(raw[at + 2 : at + 4], "little")
        if kind < len(attributes):
            attributes[kind] = base64.b64encode(raw[at + 4 : at + size]).decode()
        at += (size + 3) & ~3
    message = base64.b64encode(raw[16:88]).decode()
    return {"Timestamp": "2019-04-02T14:13:37.25Z", "RawIDM": message, "Attributes": attributes} | changed


METADATA = {"Timestamp": "2019-04-02T14:13:37.25Z", "Metadata": {"UUID": "ndt-x", "Sequence": 3}}


def test_an_archived_line_is_the_record_that_the_bytes_are() -> None:
    raw = read("sock_diag", (CAPTURES / "loopback.nl").read_bytes(), at_ns=1_554_214_417_250_000_000).records[0]

    reading = read("mlab", lines(METADATA, archive_line()))

    assert reading.records == (raw,)
    assert (reading.tally.dumps, reading.tally.unreadable) == (1, 0)


def test_an_archive_that_does_not_know_its_time_must_be_told() -> None:
    timeless = archive_line(Timestamp="0001-01-01T00:00:00Z")

    assert "give --at TIME" in read("mlab", lines(timeless)).messages[0]
    assert [one.at_ns for one in read("mlab", lines(timeless), at_ns=7).records] == [7]


@pytest.mark.parametrize(
    "damage",
    [
        *({"RawIDM": value} for value in (None, 5, "%%%", "AAAA")),
        *({"Attributes": value} for value in ("x", [5], ["%"], [None] * 100)),
        {"Timestamp": "yesterday"},
    ],
)
def test_a_damaged_archive_line_is_located_and_the_next_one_read(damage: dict[str, object]) -> None:
    reading = read("mlab", lines(archive_line(**damage), archive_line()))

    assert (len(reading.records), reading.places) == (1, ["x:1"])


INFO = {"ElapsedTime": 250_000, "RTT": 20_000, "RTTVar": 500, "MinRTT": 18_000, "BytesAcked": 5, "MaxPacingRate": -1}
INFO |= {"PacingRate": -1, "SndSsThresh": 2147483647, "AppLimited": 1, "DeliveryRate": 1000, "Retransmits": 0}
ENDS = {"ServerIP": "::ffff:10.0.0.1", "ServerPort": 443, "ClientIP": "192.0.2.7", "ClientPort": 5000}
RESULT = {
    **ENDS,
    "StartTime": "2026-11-22T09:00:00Z",
    "Download": {
        "StartTime": "2026-11-22T09:00:01.5Z",
        "ServerMeasurements": [{"TCPInfo": INFO}, {"BBRInfo": {}}, {"TCPInfo": INFO | {"ElapsedTime": -1}}],
        "ClientMeasurements": [{"AppInfo": {}}],
    },
}


@pytest.mark.parametrize("indent", [None, 2])
def test_an_ndt7_result_gives_the_servers_view_over_time(indent: int | None) -> None:
    reading = read("ndt7", json.dumps(RESULT, indent=indent).encode())

    (one,) = reading.records
    assert one.connection == ("10.0.0.1", 443, "192.0.2.7", 5000)
    assert one.at_ns == 1_795_338_001_750_000_000
    assert (one.srtt_ns, one.rttvar_ns, one.min_rtt_ns, one.bytes_acked) == (20_000_000, 500_000, 18_000_000, 5)
    assert (one.delivery_rate_bps, one.app_limited) == (8000, True)
    assert one.pacing_rate_bps is one.ssthresh_segments is one.busy_ns is None
    assert (reading.tally.unreadable, sum(reading.tally.passed_over.values())) == (1, 2)


def test_ndt7_messages_belong_to_the_connection_that_the_first_one_named() -> None:
    ends = {"Client": "192.0.2.7:5000", "Server": "[2001:db8::1]:443", "StartTime": "2026-11-22T09:00:00Z"}
    reading = read("ndt7", lines({"ConnectionInfo": ends, "TCPInfo": INFO}, {"TCPInfo": INFO}, {"AppInfo": {}}))

    assert [one.local_address for one in reading.records] == ["2001:db8::1"] * 2
    assert sum(reading.tally.passed_over.values()) == 1


def test_ndt7_measurements_of_nobody_are_not_put_down_to_anyone() -> None:
    assert "before any ConnectionInfo" in read("ndt7", lines({"TCPInfo": INFO})).messages[0]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*RESULT, *INFO, *METADATA]), inner),
    max_leaves=10,
)


@pytest.mark.parametrize("kind", ["jsonl", "mlab", "ndt7"])
@given(values=st.lists(_JSON | st.just(RESULT) | st.just(archive_line()), max_size=4), cut=st.integers(0, 200))
def test_arbitrary_json_raises_nothing(kind: str, values: list[object], cut: int) -> None:
    text = lines(*values)

    for one in read(kind, text[: max(len(text) - cut, 0)]).records:
        assert one.at_ns >= 0
