"""Options of real sockets of this machine, unconnected: set and read back."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from shadowlab.model.traffic.tcp_options import TcpOptions
from shadowlab.traffic.send_buffer import SendBuffer
from shadowlab.traffic.socket_options import accounted_bytes, held_payload, set_at_both_ends, set_at_sender, set_option


@pytest.fixture(params=[socket.AF_INET, socket.AF_INET6])
def sock(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    try:
        opened = socket.socket(request.param, socket.SOCK_STREAM)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with opened:
        yield opened


def allowed(sock: socket.socket) -> str:
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).split(b"\0")[0].decode()


def test_the_class_of_service_is_set_in_either_family(sock: socket.socket) -> None:
    set_at_both_ends(sock, TcpOptions(congestion_control=allowed(sock), dscp=46))

    if sock.family == socket.AF_INET6:
        assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS) == 46 << 2
    else:
        assert sock.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 46 << 2


def test_what_a_sender_alone_has_is_set(sock: socket.socket) -> None:
    set_at_sender(sock, TcpOptions(pacing_bps=8_000_000, no_delay=True, keepalive_ns=30 * 10**9, mss=1000))

    assert sock.getsockopt(socket.SOL_SOCKET, 47) == 1_000_000
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30


def test_a_congestion_control_that_is_not_there_is_refused(sock: socket.socket) -> None:
    with pytest.raises(OSError, match=r"No such file|not permitted"):
        set_at_both_ends(sock, TcpOptions(congestion_control="nobody"))


def test_an_option_that_does_not_hold_is_told(sock: socket.socket) -> None:
    with pytest.raises(OSError, match="the kernel holds"):
        set_option(sock, socket.SOL_SOCKET, socket.SO_RCVBUF, 1)


def test_a_send_buffer_begins_at_its_guess_and_holds_nothing(sock: socket.socket) -> None:
    buffer = SendBuffer(50_000)

    buffer.open(sock)

    assert accounted_bytes(sock) == (0, 100_000)
    assert held_payload(sock) == 0
    buffer.written(sock)
    assert accounted_bytes(sock) == (0, 100_000)
