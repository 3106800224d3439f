"""tcp_info of every age: by length, and what is beyond the length is unknown."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowlab.wire.tcp_info import TCP_INFO_BYTES, TCP_INFO_FIELDS, TcpInfo, decode_tcp_info

SIZES = {"B": 1, "H": 2, "I": 4, "Q": 8}
BIT_FIELDS = {"wscales", "flags"}


def test_the_fields_lie_one_after_the_other_without_a_gap() -> None:
    offset = 0
    for name, start, form in TCP_INFO_FIELDS:
        assert start == offset, name
        offset += SIZES[form]

    assert offset == TCP_INFO_BYTES == 280


@pytest.mark.parametrize(
    ("name", "offset"),
    [
        *[("rto", 8), ("pmtu", 60), ("total_retrans", 100), ("pacing_rate", 104), ("segs_out", 136)],
        *[("delivery_rate", 160), ("delivered", 192), ("bytes_sent", 200), ("rcv_ooopack", 224), ("rehash", 236)],
        *[("total_rto", 240), ("received_ce", 248)],
    ],
)
def test_offsets_are_those_of_the_kernels_header(name: str, offset: int) -> None:
    assert {field: start for field, start, _ in TCP_INFO_FIELDS}[name] == offset


@pytest.mark.parametrize(
    ("length", "known", "unknown"),
    [
        *[(104, "total_retrans", "pacing_rate"), (192, "sndbuf_limited", "delivered"), (232, "snd_wnd", "rcv_wnd")],
        *[(240, "rehash", "total_rto"), (248, "total_rto_time", "received_ce"), (0, "", "state")],
    ],
)
def test_a_field_beyond_the_length_is_unknown_and_never_zero(length: int, known: str, unknown: str) -> None:
    info = decode_tcp_info(bytes(length))

    assert getattr(info, unknown) is None
    if known:
        assert getattr(info, known) == 0


@given(st.binary(max_size=400))
def test_any_bytes_decode_to_what_lies_within_them(payload: bytes) -> None:
    info = decode_tcp_info(payload)._asdict()

    for name, offset, form in TCP_INFO_FIELDS:
        if name in BIT_FIELDS:
            continue
        inside = offset + SIZES[form] <= len(payload)
        assert info[name] == (struct.unpack_from("=" + form, payload, offset)[0] if inside else None)


def test_bit_fields_are_taken_apart() -> None:
    payload = bytearray(280)
    payload[6], payload[7] = 0x97, 0x05

    info = decode_tcp_info(bytes(payload))

    assert (info.snd_wscale, info.rcv_wscale) == (7, 9)
    assert (info.delivery_rate_app_limited, info.fastopen_client_fail) == (True, 2)


def test_a_flag_older_than_its_meaning_is_unknown() -> None:
    info = decode_tcp_info(bytes(104))

    assert info.delivery_rate_app_limited is None
    assert info.fastopen_client_fail is None


def test_this_kernels_own_connection_is_read() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as client,
    ):
        info = decode_tcp_info(client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 512))

    assert info.state == 1
    assert info.snd_mss is not None
    assert info.snd_mss > 500
    assert isinstance(info, TcpInfo)
