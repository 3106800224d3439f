"""inet_diag messages: what we ask, what the kernel answers, what nobody sends."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowlab.wire.inet_diag import (
    AF_INET,
    CONG,
    INFO,
    MESSAGE_BYTES,
    SKMEMINFO,
    SOCK_DIAG_BY_FAMILY,
    STATES,
    decode_socket,
    pack_request,
)
from shadowlab.wire.netlink import NLM_F_DUMP, NLMSG_DONE, Request, pack_message, walk_messages

NATIVE = "<" if sys.byteorder == "little" else ">"


def message(family: int = AF_INET, state: int = 1, order: str = "=", attributes: bytes = b"") -> bytes:
    ends = struct.pack("!HH", 80, 40000) + bytes([10, 0, 0, 1]) + bytes(12) + bytes([10, 0, 0, 2]) + bytes(12)
    rest = struct.pack(order + "8I", 3, 0x11, 0x22, 7, 100, 200, 1000, 4711)
    return bytes([family, state, 0, 0]) + ends + rest + attributes


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_message_of_either_byte_order_is_read(order: str) -> None:
    memory = struct.pack(order + "HH9I", 40, SKMEMINFO, 1, 131072, *range(7))
    control = struct.pack(order + "HH", 10, CONG) + b"cubic\0\0\0"

    one = decode_socket(message(order=order, attributes=memory + control), order)

    assert (one.local, one.local_port, one.peer, one.peer_port) == (b"\x0a\0\0\1", 80, b"\x0a\0\0\2", 40000)
    assert (one.interface, one.cookie, one.receive_queue, one.send_queue) == (3, 0x22_0000_0011, 100, 200)
    assert (one.uid, one.inode, one.congestion_control) == (1000, 4711, "cubic")
    assert one.receive_buffer_bytes(order) == 131072


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (bytes(MESSAGE_BYTES - 1), "fewer than 72"),
        (message(family=1), "address family 1"),
        (message(state=13), "13 is no state"),
        (message(attributes=struct.pack("=HH", 3, INFO)), "claims 3 bytes"),
        (message(attributes=struct.pack("=HH", 400, INFO)), "claims 400 bytes"),
    ],
)
def test_what_no_kernel_sends_is_refused(body: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        decode_socket(body)


@given(st.binary(max_size=400))
def test_arbitrary_bytes_raise_nothing_but_a_value_error(body: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert decode_socket(body).state in STATES


def test_the_kernel_answers_our_request_with_our_own_sockets() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4) as diag,
    ):
        diag.send(pack_message(Request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, pack_request(AF_INET)), 1))
        found, done = {}, False
        while not done:
            for one in walk_messages(diag.recv(1 << 20)):
                done = one.kind == NLMSG_DONE
                if one.kind == SOCK_DIAG_BY_FAMILY:
                    sock = decode_socket(one.body)
                    found[sock.local_port, sock.peer_port] = sock
        own, far = client.getsockname()[1], server.getsockname()[1]

        assert found[own, far].local == bytes([127, 0, 0, 1])
        assert STATES[found[own, far].state] == "ESTAB"
        assert len(found[own, far].attributes[INFO]) >= 232
        assert found[own, far].congestion_control
        assert STATES[found[far, 0].state] == "LISTEN"
