"""The kernel's own bytes become the same records that ss prints of them; damage costs only what is damaged."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telemetry_reading import CAPTURES, read

from shadowlab.model.telemetry import TcpRecord
from shadowlab.telemetry.sources.sock_diag import dump_header, recognise
from shadowlab.telemetry.tcp_info import fields_of_bytes
from shadowlab.wire.inet_diag import INFO
from shadowlab.wire.tcp_info import TCP_INFO_FIELDS

DUMP = (CAPTURES / "loopback.nl").read_bytes()
GREW_BETWEEN = ("busy_ns", "rwnd_limited_ns", "rto_ns", "srtt_ns", "rttvar_ns")
ZERO_TO_SS = ("timeouts", "out_of_order_segments", "send_window_bytes", "receive_window_bytes", "app_limited")


WITH_O_ONLY = ("timestamps", "sack", "ecn")
"""What ``ss`` prints with ``-o``."""


def attribute(kind: int, payload: bytes, order: str) -> bytes:
    return struct.pack(order + "HH", 4 + len(payload), kind) + payload + b"\0" * (-len(payload) % 4)


def message(order: str = "<", state: int = 1, **values: int) -> bytes:
    """A message with a tcp_info of all fields, zero but for those given."""
    info = b"".join(struct.pack(order + form, values.get(name, 0)) for name, _, form in TCP_INFO_FIELDS)
    ends = struct.pack("!HH", 80, 40000) + bytes([10, 0, 0, 1]) + bytes(12) + bytes([10, 0, 0, 2]) + bytes(12)
    body = bytes([2, state, 0, 0]) + ends + bytes(32) + attribute(INFO, info, order)
    return struct.pack(order + "IHHII", 16 + len(body), 20, 2, 1, 1) + body


def test_the_recorded_bytes_and_the_recorded_text_of_the_same_sockets_agree() -> None:
    text = read("ss", (CAPTURES / "loopback-one-line.txt").read_bytes(), instance="web", at_ns=5)
    raw = read("sock_diag", DUMP, instance="web", at_ns=5)

    assert {one.connection for one in raw.records} == {one.connection for one in text.records}
    by_ends = {one.connection: one for one in raw.records}
    for printed in text.records:
        exact = by_ends[printed.connection]
        for name in printed.known:
            if name not in GREW_BETWEEN:
                assert getattr(printed, name) == getattr(exact, name), name
        assert set(exact.known) - set(printed.known) <= {*ZERO_TO_SS, *WITH_O_ONLY}


def test_the_kernels_words_for_unknown_are_unknown() -> None:
    nothing = 2**32 - 1

    (one,) = read(
        "sock_diag", message(min_rtt=nothing, pacing_rate=2**64 - 1, snd_ssthresh=0x7FFFFFFF), at_ns=1
    ).records

    assert one.min_rtt_ns is one.pacing_rate_bps is one.delivery_rate_bps is None
    assert one.ssthresh_segments is one.srtt_ns is None
    assert (one.bytes_acked, one.retransmits_total) == (0, 0)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_recording_of_either_byte_order_is_read(order: str) -> None:
    first_bit = 1 if order == "<" else 0x80

    (one,) = read(
        "sock_diag", message(order, rtt=1500, rttvar=7, bytes_acked=9, delivery_rate=125, flags=first_bit), at_ns=1
    ).records

    assert (one.srtt_ns, one.rttvar_ns, one.bytes_acked, one.delivery_rate_bps) == (1_500_000, 7000, 9, 1000)
    assert (one.app_limited, one.local_address, one.local_port) == (True, "10.0.0.1", 80)


def test_an_old_kernels_shorter_structure_leaves_the_rest_unknown() -> None:
    whole = message(bytes_acked=7)
    body = bytearray(whole[16 : 16 + 72 + 4 + 104])
    struct.pack_into("<H", body, 72, 4 + 104)

    (one,) = read("sock_diag", struct.pack("<IHHII", 16 + len(body), 20, 2, 1, 1), bytes(body), at_ns=1).records

    assert one.retransmits_total == 0
    assert one.bytes_acked is one.min_rtt_ns is one.app_limited is one.busy_ns is None


def test_a_destroyed_socket_keeps_its_last_counters_and_its_end() -> None:
    (one,) = read("sock_diag", message(state=7, bytes_acked=3), at_ns=99).records

    assert (one.state, one.closed_ns, one.bytes_acked) == ("CLOSED", 99, 3)


@pytest.mark.parametrize(
    ("acked", "severed"),
    [(1002, False), (1001, None), (1000, True), (900, None), (1900, None)],
    ids=["SYN and FIN", "one of them", "neither", "payload lost", "more than was sent"],
)
def test_what_was_acknowledged_tells_whether_a_connection_was_severed(acked: int, severed: bool | None) -> None:
    counters = {"bytes_acked": acked, "bytes_sent": 1100, "bytes_retrans": 100, "min_rtt": 40}

    (ended,) = read("sock_diag", message(state=7, **counters), at_ns=99).records
    (open_,) = read("sock_diag", message(**counters), at_ns=99).records
    (refused,) = read("sock_diag", message(state=7, **{**counters, "min_rtt": 2**32 - 1}), at_ns=99).records

    assert (ended.severed, open_.severed, refused.severed) == (severed, None, None)


def test_dumps_with_our_header_know_where_and_when() -> None:
    reading = read(
        "sock_diag", dump_header("web", "2026-11-22T09:00:00Z"), message(), dump_header("db", "1795338001"), message()
    )

    assert [(one.instance, one.at_ns) for one in reading.records] == [
        ("web", 1_795_338_000_000_000_000),
        ("db", 1_795_338_001_000_000_000),
    ]
    assert reading.tally.dumps == 2


def test_a_dump_of_unknown_time_is_not_guessed_at() -> None:
    reading = read("sock_diag", message())

    assert reading.records == ()
    assert "give --instance NAME --at TIME" in reading.messages[0]


def test_damage_in_the_middle_costs_what_is_damaged() -> None:
    whole = message(bytes_acked=1)
    cut_short = message()[:100]

    reading = read("sock_diag", whole, cut_short, whole * 3, at_ns=1)

    assert len(reading.records) == 4
    assert reading.places == [f"x:byte {len(whole)}"]
    assert {one.bytes_acked for one in reading.records} == {1}


def test_a_recording_that_breaks_off_gives_its_good_part_and_the_offset() -> None:
    reading = read("sock_diag", message() * 2, message()[:50], at_ns=1)

    assert len(reading.records) == 2
    assert (reading.places, "breaks off" in reading.messages[0]) == ([f"x:byte {2 * len(message())}"], True)


def test_only_sock_diag_is_recognised() -> None:
    assert all(recognise(head) for head in (DUMP, message(">")))
    assert not any(recognise(head) for head in (b"ESTAB 0 0", b"", b"\0" * 100))


@given(st.lists(st.one_of(st.binary(max_size=60), st.just(message()), st.just(message(">"))), max_size=6))
def test_arbitrary_bytes_raise_nothing(parts: list[bytes]) -> None:
    for one in read("sock_diag", *parts, at_ns=1).records:
        assert isinstance(one, TcpRecord)


def test_what_the_ends_agreed_on_and_the_class_of_service_are_read() -> None:
    (one,) = read("sock_diag", message(options=1 | 2 | 8, reordering=9, max_pacing_rate=125_000), at_ns=1).records

    assert (one.timestamps, one.sack, one.window_scaling, one.ecn) == (True, True, False, True)
    assert (one.reordering_segments, one.max_pacing_rate_bps, one.send_queue_bytes) == (9, 1_000_000, 0)


def test_ends_that_have_not_met_have_agreed_on_nothing() -> None:
    assert "ecn" not in fields_of_bytes(struct.pack("=8B", 2, *bytes(7)))
    assert fields_of_bytes(struct.pack("=8B", 1, *bytes(7)))["ecn"] is False


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_class_of_service_is_the_upper_six_bits(order: str) -> None:
    tos = attribute(5, bytes([46 << 2 | 1]), order)
    plain = message(order)
    length = len(plain) + len(tos)

    (one,) = read("sock_diag", struct.pack(order + "I", length) + plain[4:] + tos, at_ns=1).records

    assert one.dscp == 46
