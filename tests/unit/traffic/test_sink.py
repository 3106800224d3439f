"""The reader inside the kernel, over the loopback of this machine: where it may not be had, reading is lazy anyway."""

from __future__ import annotations

import array
import fcntl
import select
import socket
import termios
from collections.abc import Iterator

import pytest

from shadowlab.errors import KernelRefusedError
from shadowlab.kernel.sockets.sink import Sink
from shadowlab.traffic.tcp_socket import read_received_bytes

SENT_BYTES = 3_000_000


@pytest.fixture
def sink() -> Iterator[Sink]:
    try:
        opened = Sink().__enter__()
    except KernelRefusedError as error:
        pytest.skip(str(error))
    with opened:
        yield opened


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sender = socket.create_connection(listener.getsockname())
        receiver, _ = listener.accept()
    receiver.setblocking(False)
    with sender, receiver:
        yield sender, receiver


def unread(receiver: socket.socket) -> int:
    found = array.array("i", [0])
    fcntl.ioctl(receiver, termios.FIONREAD, found)
    return found[0]


def test_the_kernel_reads_all_that_comes_before_and_after(
    sink: Sink, pair: tuple[socket.socket, socket.socket]
) -> None:
    sender, receiver = pair
    sender.sendall(bytes(1000))

    sink.take(receiver)
    sender.sendall(bytes(SENT_BYTES))  # far more than the buffers hold: it returns only if somebody reads
    sender.shutdown(socket.SHUT_WR)
    with select.epoll() as poll:
        poll.register(receiver, select.EPOLLRDHUP)
        assert poll.poll(10)

    assert read_received_bytes(receiver) == SENT_BYTES + 1000
    assert unread(receiver) == 0
    assert receiver.recv(1) == b""


def test_what_is_not_handed_over_is_left_alone(sink: Sink, pair: tuple[socket.socket, socket.socket]) -> None:
    sender, receiver = pair

    sender.sendall(b"kept")

    assert select.select([receiver], [], [], 10)[0]
    assert receiver.recv(10) == b"kept"
