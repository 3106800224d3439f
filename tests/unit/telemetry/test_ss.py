"""Text that ss prints becomes records; everything else is counted, located, and never fatal."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowlab.errors import InputError
from shadowlab.model.telemetry import TcpRecord
from shadowlab.telemetry.ss import LONGEST_LINE_BYTES, PLACES_KEPT, SsReading, bounded_lines, parse_moment, read_ss
from shadowlab.telemetry.ss_socket import parse_endpoint, parse_socket

HEADER = b"# instance web at 2026-11-22T09:00:00Z\n"
MODERN = (
    b"ESTAB 0 2684803 10.7.0.1:50065 10.7.0.2:5001 skmem:(r0,rb131072,t66315,tb2889216,f1661,w2718083,o0,bl0,d0) ts "
    b"sack cubic wscale:10,10 rto:260 rtt:58.641/13.761 mss:1448 pmtu:1500 rcvmss:536 advmss:1448 cwnd:4 ssthresh:4 "
    b"bytes_sent:19007603 bytes_retrans:2896 bytes_acked:16126352 segs_out:300 segs_in:140 data_segs_out:298 "
    b"send 35733633bps lastsnd:32 lastrcv:2912 lastack:32 pacing_rate 42.9Mbps/10Gbps delivery_rate 60.2Mbps "
    b"delivered:255 busy:2912ms rwnd_limited:220ms(7.6%) unacked:4 retrans:1/12 lost:2 sacked:3 dsack_dups:1 "
    b"reordering:5 reord_seen:7 rcv_space:65495 rcv_ssthresh:65495 notsent:2422871 minrtt:0.03 snd_wnd:1166336 "
    b"rcv_wnd:65536\n"
)
OLD = (
    b"ESTAB      0      0      192.168.1.2:22   192.168.1.9:51234 cubic wscale:7,7 rto:204 rtt:3.5/1.75 ato:40 "
    b"mss:1448 cwnd:10 send 33.1Mbps lastsnd:12 lastrcv:12 lastack:12 rcv_space:29200\n"
)
CAPTURE = Path(__file__).parent / "loopback.ss"


def read(*lines: bytes, limit: int = 1000) -> SsReading:
    return read_ss(lines, name="x.ss", limit=limit)


def only(*lines: bytes) -> TcpRecord:
    (record,) = read(*lines).records
    return record


def test_every_field_of_a_modern_line_is_read_in_its_unit() -> None:
    record = only(HEADER, MODERN)

    assert record == TcpRecord(
        at_ns=1_795_338_000_000_000_000,
        instance="web",
        local_address="10.7.0.1",
        local_port=50065,
        peer_address="10.7.0.2",
        peer_port=5001,
        congestion_control="cubic",
        mss=1448,
        pmtu=1500,
        cwnd_segments=4,
        ssthresh_segments=4,
        srtt_ns=58_641_000,
        rttvar_ns=13_761_000,
        min_rtt_ns=30_000,
        rto_ns=260_000_000,
        bytes_sent=19_007_603,
        bytes_acked=16_126_352,
        bytes_received=0,
        bytes_retransmitted=2896,
        segments_out=300,
        segments_in=140,
        data_segments_out=298,
        data_segments_in=0,
        retransmits_total=12,
        lost_segments=2,
        dsack_duplicates=1,
        reordering_seen=7,
        delivered_segments=255,
        delivery_rate_bps=60_200_000,
        pacing_rate_bps=42_900_000,
        app_limited=False,
        busy_ns=2_912_000_000,
        rwnd_limited_ns=220_000_000,
        sndbuf_limited_ns=0,
        receive_window_bytes=65_536,
        send_window_bytes=1_166_336,
        receive_buffer_bytes=131_072,
        not_sent_bytes=2_422_871,
        source="x.ss",
    )


def test_a_record_made_the_fast_way_compares_hashes_and_prints_like_any_other() -> None:
    record = only(HEADER, OLD)

    again = TcpRecord(**{name: getattr(record, name) for name in TcpRecord.__dataclass_fields__})

    assert (record, hash(record), repr(record)) == (again, hash(again), repr(again))


def test_an_old_ss_leaves_what_it_cannot_know_unknown() -> None:
    record = only(HEADER, OLD)

    assert record.congestion_control == "cubic"
    assert (record.retransmits_total, record.lost_segments) == (0, 0)
    assert record.bytes_sent is record.bytes_acked is record.busy_ns is record.app_limited is None
    assert record.data_segments_out is record.bytes_retransmitted is record.delivery_rate_bps is None


def test_counters_omitted_by_a_modern_ss_are_zero() -> None:
    record = only(HEADER, b"ESTAB 0 0 10.0.0.1:1 10.0.0.2:2 reno mss:1448 cwnd:10 segs_in:2 delivered:1 minrtt:0.02\n")

    assert (record.bytes_sent, record.bytes_acked, record.bytes_retransmitted, record.data_segments_out) == (0, 0, 0, 0)
    assert (record.busy_ns, record.rwnd_limited_ns, record.not_sent_bytes) == (0, 0, 0)
    assert record.app_limited is None


def test_a_kernel_without_bytes_sent_does_not_claim_to_have_sent_nothing() -> None:
    record = only(HEADER, b"ESTAB 0 0 10.0.0.1:1 10.0.0.2:2 reno cwnd:10 segs_out:9 data_segs_out:7 delivered:7\n")

    assert record.bytes_sent is None
    assert record.bytes_retransmitted is None
    assert record.bytes_acked == 0


def test_two_lines_per_socket_read_like_one() -> None:
    head, details = MODERN.split(b" skmem", 1)

    record = only(HEADER, head + b"\n", b"\t skmem" + details)

    assert record == only(HEADER, MODERN)


def test_the_recorded_capture_is_read_whole() -> None:
    with CAPTURE.open("rb") as stream:
        reading = read_ss(bounded_lines(stream), name="loopback.ss")

    assert (len(reading.records), reading.dumps, reading.unreadable) == (20, 2, 0)
    assert {record.congestion_control for record in reading.records} == {"cubic", "bbr"}
    assert "::1" in {record.local_address for record in reading.records}
    assert all(record.srtt_ns for record in reading.records)
    held = [record for record in reading.records if record.peer_port == 5003]
    assert [record.rwnd_limited_ns == record.busy_ns for record in held] == [True, True]


@pytest.mark.parametrize(
    ("text", "address", "port"),
    [
        ("10.0.0.1:80", "10.0.0.1", 80),
        ("[::1]:80", "::1", 80),
        ("::1:80", "::1", 80),
        ("[::ffff:10.0.0.1]:80", "10.0.0.1", 80),
        ("::ffff:10.0.0.1:80", "10.0.0.1", 80),
        ("[fe80::1]%eth0:80", "fe80::1", 80),
        ("[fe80::1%eth0]:80", "fe80::1", 80),
        ("10.0.0.1%eth0:80", "10.0.0.1", 80),
        ("[2001:DB8::0:1]:80", "2001:db8::1", 80),
        ("*:*", "*", 0),
        ("0.0.0.0:*", "0.0.0.0", 0),
    ],
)
def test_every_form_of_address_is_understood(text: str, address: str, port: int) -> None:
    assert parse_endpoint(text) == (address, port)


@pytest.mark.parametrize("text", ["10.0.0.1", "10.0.0.1:http", "web.example:80", "10.0.0.1:70000", ":", "10.0.0.1:"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"record with -n|ADDRESS:PORT"):
        parse_endpoint(text)


@pytest.mark.parametrize(
    ("text", "at_ns"),
    [
        ("0", 0),
        ("1795338000.123456789", 1_795_338_000_123_456_789),
        ("2026-11-22T09:00:00Z", 1_795_338_000_000_000_000),
        ("2026-11-22T09:00:00.000000001Z", 1_795_338_000_000_000_001),
        ("2026-11-22T10:00:00.5+01:00", 1_795_338_000_500_000_000),
        ("2026-11-22T10:00:00+0100", 1_795_338_000_000_000_000),
    ],
)
def test_a_moment_is_read_to_the_nanosecond(text: str, at_ns: int) -> None:
    assert parse_moment(text) == at_ns


def test_a_program_cannot_smuggle_fields_in_by_its_name() -> None:
    line = b'ESTAB 0 0 10.0.0.1:1 10.0.0.2:2 users:(("x cwnd:99 reno",pid=1,fd=2)) uid:7 ino:5 sk:1 cubic cwnd:10\n'

    record = only(HEADER, line)

    assert (record.cwnd_segments, record.congestion_control) == (10, "cubic")


def test_unreadable_lines_are_counted_and_the_first_located() -> None:
    reading = read(HEADER, b"nonsense\n", MODERN, b"ESTAB 0 0 10.0.0.1:http 10.0.0.2:2 cwnd:1\n", b"ESTAB 0 0\n")

    assert (len(reading.records), reading.unreadable, reading.lines) == (1, 3, 5)
    assert [fault.place for fault in reading.first_unreadable] == ["x.ss:2", "x.ss:4", "x.ss:5"]
    assert reading.first_unreadable[1].message == "port 'http' is not a number; record with -n"


@pytest.mark.parametrize(
    "bad", [b"rtt:abc", b"cwnd:-5", b"mss:1e9", b"rtt:nan/1", b"rto:inf", b"busy:3", b"cwnd:" + b"9" * 25]
)
def test_a_damaged_number_makes_its_line_unreadable(bad: bytes) -> None:
    reading = read(HEADER, MODERN, b"ESTAB 0 0 10.0.0.1:1 10.0.0.2:2 cubic " + bad + b"\n")

    assert (len(reading.records), reading.unreadable) == (1, 1)


def test_a_record_before_any_header_is_not_put_down_to_anyone() -> None:
    reading = read(MODERN, HEADER, MODERN)

    assert (len(reading.records), reading.unreadable) == (1, 1)
    assert "before any header" in reading.first_unreadable[0].message


def test_records_under_a_damaged_header_are_not_put_down_to_the_instance_before() -> None:
    reading = read(HEADER, MODERN, b"# instance db at yesterday\n", MODERN)

    assert (len(reading.records), reading.unreadable) == (1, 2)
    assert [fault.message for fault in reading.first_unreadable] == [
        "the header cannot be read: 'yesterday' is no time; write 2026-11-22T09:00:00Z (with its zone) or seconds "
        "since 1970",
        "a record under the unreadable header of line 3",
    ]


def test_titles_comments_and_blank_lines_are_no_fault() -> None:
    reading = read(HEADER, b"State Recv-Q Send-Q Local Address:Port Peer Address:Port\n", b"\n", b"# a note\n", MODERN)

    assert (len(reading.records), reading.unreadable) == (1, 0)


def test_records_beyond_the_bound_are_counted_not_kept() -> None:
    reading = read(HEADER, MODERN, MODERN, MODERN, limit=2)

    assert (len(reading.records), reading.beyond_limit) == (2, 1)


@pytest.mark.parametrize("lines", [(), (b"\x00\xff\x00" * 100, b"\n", b"GIF89a"), (HEADER,)])
def test_a_file_without_a_record_says_what_is_expected_and_what_records_it(lines: tuple[bytes, ...]) -> None:
    with pytest.raises(InputError, match="ss -tinOHm"):
        read(*lines)


def test_a_line_without_an_end_is_dropped_in_bounded_pieces() -> None:
    stream = io.BytesIO(HEADER + b"x" * (5 * LONGEST_LINE_BYTES) + b"\n" + MODERN)

    longest = 0

    def watched() -> Iterator[bytes]:
        nonlocal longest
        for line in bounded_lines(stream):
            longest = max(longest, len(line))
            yield line

    reading = read_ss(watched(), name="x.ss")

    assert (len(reading.records), reading.overlong, reading.unreadable, reading.lines) == (1, 1, 1, 3)
    assert longest == LONGEST_LINE_BYTES + 1


def test_garbage_leaves_only_a_few_places_behind() -> None:
    reading = read_ss((line for line in (HEADER, MODERN, *[b"garbage\n"] * 5000)), name="x.ss")

    assert (reading.unreadable, len(reading.first_unreadable)) == (5000, PLACES_KEPT)


@given(st.lists(st.one_of(st.binary(max_size=200), st.just(HEADER), st.just(MODERN), st.just(OLD))))
def test_arbitrary_bytes_raise_nothing_but_an_input_error(lines: list[bytes]) -> None:
    try:
        reading = read_ss(lines, name="x.ss")
    except InputError:
        return
    assert reading.records


_TEXT = (
    "ESTAB 0 10.0.0.1:1 [::1]:2 rtt:1/2 rtt:/ retrans:/ busy:ms delivery_rate bps Kbps skmem:( skmem:(r0,rb users:(( "
    "cwnd: cwnd:10 cubic send app_limited # instance at -1 pacing_rate 1Mbps/ rto:1e999 timer:(on,1sec,0)"
)
_WORDS = st.sampled_from(_TEXT.split())


@given(st.lists(_WORDS, max_size=20))
def test_damaged_lines_raise_nothing_but_a_value_error(words: list[str]) -> None:
    line = " ".join(["ESTAB", "0", "0", "10.0.0.1:1", "10.0.0.2:2", *words])

    try:
        record = parse_socket(line, instance="a", at_ns=0, source="")
    except ValueError as error:
        assert str(error)  # it says why
    else:
        assert record.connection == ("10.0.0.1", 1, "10.0.0.2", 2)
