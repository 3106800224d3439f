"""Text that ss prints becomes records; everything else is counted, located, and never fatal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telemetry_reading import CAPTURES, Read
from telemetry_reading import read as read_format

from shadowlab.model.telemetry import TcpRecord
from shadowlab.telemetry.addresses import parse_endpoint, parse_moment
from shadowlab.telemetry.blocks import LONGEST_LINE_BYTES
from shadowlab.telemetry.sources.ss import socket_fields
from shadowlab.telemetry.sources.ss_shape import Shapes
from shadowlab.telemetry.sources.ss_socket import read_details
from shadowlab.telemetry.tally import PLACES_KEPT

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


def read(*lines: bytes) -> Read:
    return read_format("ss", *lines)


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
        delivered_ce_segments=0,
        delivery_rate_bps=60_200_000,
        pacing_rate_bps=42_900_000,
        app_limited=False,
        busy_ns=2_912_000_000,
        rwnd_limited_ns=220_000_000,
        sndbuf_limited_ns=0,
        receive_window_bytes=65_536,
        send_window_bytes=1_166_336,
        receive_buffer_bytes=131_072,
        send_buffer_bytes=2_889_216,
        send_queue_bytes=2_684_803,
        not_sent_bytes=2_422_871,
        reordering_segments=5,
        ecn=False,
        sack=True,
        timestamps=True,
        window_scaling=True,
        max_pacing_rate_bps=10_000_000_000,
        source="x",
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
    reading = read((CAPTURES / "loopback.ss").read_bytes())

    assert (len(reading.records), reading.tally.dumps, reading.tally.unreadable) == (20, 2, 0)
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

    assert (len(reading.records), reading.tally.unreadable) == (1, 3)
    assert reading.places == ["x:2", "x:4", "x:5"]
    assert reading.messages[1] == "port 'http' is not a number; record with -n"


@pytest.mark.parametrize(
    "bad", [b"rtt:abc", b"cwnd:-5", b"mss:1e9", b"rtt:nan/1", b"rto:inf", b"busy:3", b"cwnd:" + b"9" * 25]
)
def test_a_damaged_number_makes_its_line_unreadable(bad: bytes) -> None:
    reading = read(HEADER, MODERN, b"ESTAB 0 0 10.0.0.1:1 10.0.0.2:2 cubic " + bad + b"\n")

    assert (len(reading.records), reading.tally.unreadable) == (1, 1)


def test_a_record_before_any_header_is_not_put_down_to_anyone() -> None:
    reading = read(MODERN, HEADER, MODERN)

    assert (len(reading.records), reading.tally.unreadable) == (1, 1)
    assert "before any header" in reading.messages[0]


def test_records_under_a_damaged_header_are_not_put_down_to_the_instance_before() -> None:
    reading = read(HEADER, MODERN, b"# instance db at yesterday\n", MODERN)

    assert (len(reading.records), reading.tally.unreadable) == (1, 2)
    assert reading.messages == [
        "the header cannot be read: 'yesterday' is no time; write 2026-11-22T09:00:00Z (with its zone) or seconds "
        "since 1970",
        "a record under the unreadable header of line 3",
    ]


def test_titles_comments_and_blank_lines_are_no_fault() -> None:
    reading = read(HEADER, b"State Recv-Q Send-Q Local Address:Port Peer Address:Port\n", b"\n", b"# a note\n", MODERN)

    assert (len(reading.records), reading.tally.unreadable) == (1, 0)


def test_a_line_without_an_end_is_dropped_and_the_next_one_read() -> None:
    reading = read(HEADER, b"x" * (5 * LONGEST_LINE_BYTES), b"\n", MODERN)

    assert (len(reading.records), reading.tally.unreadable, reading.places) == (1, 1, ["x:2"])


def test_a_dump_without_a_header_is_read_when_the_caller_knows_whose_it_is() -> None:
    reading = read_format("ss", MODERN, instance="web", at_ns=5)

    assert [(one.instance, one.at_ns) for one in reading.records] == [("web", 5)]


def test_garbage_leaves_only_a_few_places_behind() -> None:
    reading = read(HEADER, MODERN, *[b"garbage\n"] * 5000)

    assert (reading.tally.unreadable, len(reading.places)) == (5000, PLACES_KEPT)


@given(st.lists(st.one_of(st.binary(max_size=200), st.just(HEADER), st.just(MODERN), st.just(OLD))))
def test_arbitrary_bytes_raise_nothing(lines: list[bytes]) -> None:
    reading = read(*lines)

    assert len(reading.records) <= sum(line in (MODERN, OLD) for line in lines) + 1


_TEXT = (
    "ESTAB 0 10.0.0.1:1 [::1]:2 rtt:1/2 rtt:/ rtt:1. retrans:/ retrans:0/3 busy:ms busy:5ms delivery_rate bps Kbps "
    "7bps skmem:( skmem:(r0,rb7,t0) skmem:(r0,rb users:(( cwnd: cwnd:10 cwnd:11 cubic bbr2 bbr3 send app_limited # "
    "instance at -1 pacing_rate 1.5Mbps/ 147573952589676412928bps rto:1e999 rto:2.5 timer:(on,1sec,0) "
    "mss:9999999999999999999999"
)
_WORDS = st.sampled_from(_TEXT.split())


@given(st.lists(st.lists(_WORDS, max_size=20), max_size=6))
def test_the_fast_way_reads_what_the_slow_way_reads(sockets: list[list[str]]) -> None:
    shapes = Shapes()

    for words in sockets * 2:  # the second time every shape is known
        try:
            slow: dict[str, object] | str = read_details(words).fields
        except ValueError as error:
            slow = str(error)
        try:
            fast: dict[str, object] | str = shapes.fields(" ".join(words).encode())
        except ValueError as error:
            fast = str(error)
        assert fast == slow


def test_a_number_that_changes_its_size_is_refused_in_a_known_shape() -> None:
    shapes = Shapes()
    shapes.fields(b"cubic cwnd:10")

    with pytest.raises(ValueError, match="out of range"):
        shapes.fields(b"cubic cwnd:9999999999999999999")


def test_a_pacing_rate_without_a_limit_is_unknown() -> None:
    fields = socket_fields(
        b"ESTAB 0 0 1.1.1.1:1 1.1.1.2:2 cubic cwnd:10 pacing_rate 147573952589676412928bps", Shapes()
    )

    assert "pacing_rate_bps" not in fields
