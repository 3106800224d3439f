"""Sockets of exchanges: addresses, ports and options, the same in every run.

In: where, and which options.  Out: an open socket, or an error that names the workload.  Never: a byte of payload.
Imported inside the guest: standard library only.

Ports follow from the order of things, never from the kernel's choice.  At each node the workloads in their order
listen on 2001, 2002, …, and connections leave from 10001 to 19999 in turn, then from 10001 again: by then an earlier
connection has long ended, is in TIME-WAIT (``tcp_tw_reuse`` lets a new one take its place when a second has passed),
or goes to another target.  Replicated flows have the ports from 5001 and from 20000 on, probes those from 4001 on.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Container, Mapping
from contextlib import nullcontext

from shadowlab.errors import KernelRefusedError, ShadowFailedError
from shadowlab.kernel.syscalls import refusing
from shadowlab.model.traffic.completion import USED_UP
from shadowlab.model.traffic.tcp_options import TcpOptions
from shadowlab.traffic.handshake import Handshakes, wishes
from shadowlab.traffic.socket_options import (
    SO_RCVBUFFORCE,
    SO_SNDBUFFORCE,
    force_buffer,
    set_at_both_ends,
    set_at_sender,
    set_option,
)
from shadowlab.traffic.tcp_socket import (
    NOT_SENT_BYTES,
    RECEIVE_BUFFER_BYTES,
    SEND_BUFFER_BYTES,
    TCP_NOTSENT_LOWAT,
    WINDOW_BYTES,
    SocketDoor,
    check_congestion_control,
)

FIRST_LISTENER_PORT = 2001
MOST_LISTENERS = 1_999
FIRST_SOURCE_PORT = 10_001
SOURCE_PORTS = 9_999
BACKLOG = 4_096
SPARE_FILES = 64
"""Descriptors that exchanges leave to the rest of the program: what reads routes or starts a script opens files too."""
SMALL_BYTES = 24_000
"""What fits the send buffer that a fresh connection has by itself: enough for 16 segments and their overhead."""

_TW_REUSE = ("net/ipv4/tcp_tw_reuse", "1")


def used_up(error: KernelRefusedError) -> int:
    """The system's number if a connection was refused because ports, descriptors or memory are used up, else 0."""
    return int(getattr(errno, error.errno_name)) if error.errno_name in USED_UP else 0


class Ports:
    """Who has which port at which node."""

    def __init__(self) -> None:
        self._listeners: dict[str, int] = {}
        self._sources: dict[str, int] = {}

    def listener(self, node: str) -> int:
        """The next port to listen on.  Raises ShadowFailedError when there is none left."""
        number = self._listeners.get(node, 0)
        if number >= MOST_LISTENERS:
            raise ShadowFailedError(f"{node} serves more than {MOST_LISTENERS} workloads")
        self._listeners[node] = number + 1
        return FIRST_LISTENER_PORT + number

    def source(self, node: str) -> int:
        """The next port to connect from."""
        number = self._sources.get(node, 0)
        self._sources[node] = (number + 1) % SOURCE_PORTS
        return FIRST_SOURCE_PORT + number


class Sockets:
    """Opens the sockets of one workload, as :mod:`~shadowlab.traffic.socket_options` sets and reads back."""

    def __init__(
        self,
        *,
        door: SocketDoor,
        ports: Ports,
        name: str,
        addresses: Mapping[str, str],
        tcp: TcpOptions | None = None,
        dscp: int = 0,
    ) -> None:
        self.addresses = addresses
        self.ports = ports
        self._door = door
        self._name = name
        self._tcp = tcp if tcp is not None else TcpOptions(dscp=dscp)
        self._family = socket.AF_INET6 if any(":" in one for one in addresses.values()) else socket.AF_INET
        self._plain = not self._tcp.dscp and all(
            one in (None, False)
            for one in (self._tcp.mss, self._tcp.pacing_bps, self._tcp.no_delay, self._tcp.keepalive_ns)
        )
        self._as_born: dict[str, bool] = {}
        self._most_files = 0
        self._handshakes = Handshakes(door) if wishes(self._tcp) else None

    def check_congestion_control(self, node: str) -> None:
        """Raises KernelRefusedError, naming those there are, when the node cannot have the workload's."""
        check_congestion_control(self._door, node, self._tcp.congestion_control, whose=self._name)

    def prepare(self, node: str) -> None:
        """Let a node connect again from a port whose last connection is in TIME-WAIT."""
        self._door.set_sysctl(node, *_TW_REUSE)

    def listen(self, node: str) -> tuple[socket.socket, int]:
        """A listening socket with every option that accepted connections are to have, and its port.

        As with replicated flows the receive window is clamped and the buffer much larger: then the window announced
        does not depend on when the bytes are read.
        """
        port = self.ports.listener(node)
        with refusing(f"{self._name}: listen on {node} {self.addresses[node]}:{port}"):
            sock = self._door.open_socket(node, self._family, socket.SOCK_STREAM)
            try:
                force_buffer(sock, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
                force_buffer(sock, SO_SNDBUFFORCE, self._tcp.send_buffer_bytes or SEND_BUFFER_BYTES)
                sock.setsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, NOT_SENT_BYTES)
                self._clamp(sock)
                set_at_both_ends(sock, self._tcp)
                set_at_sender(sock, self._tcp)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind((self.addresses[node], port))
                sock.listen(BACKLOG)
            except BaseException:
                sock.close()
                raise
        return sock, port

    def connecting(self, node: str, taken: Container[tuple[str, int]]) -> tuple[socket.socket, int]:
        """A socket bound to the node's next source port whose (address, port) is not ``taken``.

        Raises KernelRefusedError; :func:`used_up` tells whether for want of something.
        """
        with refusing(f"{self._name}: open a connection from {node} {self.addresses[node]}"):
            sock = self._door.open_socket(node, self._family, socket.SOCK_STREAM)
            try:
                if self.beyond_limit(sock):
                    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
                if node not in self._as_born:
                    # What a socket is born with need not be set: a call each for thousands of connections.
                    born = _congestion(sock) == self._tcp.congestion_control
                    self._as_born[node] = born and self._plain
                if not self._as_born[node]:
                    set_at_both_ends(sock, self._tcp)
                    set_at_sender(sock, self._tcp)
                if self._tcp.window_bytes is not None:
                    self._clamp(sock)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                return sock, self._bind(sock, node, taken)
            except BaseException:
                sock.close()
                raise

    def beyond_limit(self, sock: socket.socket) -> bool:
        """Whether it has one of the descriptors that are to be left to others."""
        if not self._most_files:
            self._most_files = os.sysconf("SC_OPEN_MAX") - SPARE_FILES
        return sock.fileno() >= self._most_files

    def connect(self, sock: socket.socket, node: str, target: tuple[str, int]) -> int:
        """Begin to connect; the system's number for what is wrong, if something is at once."""
        with nullcontext() if self._handshakes is None else self._handshakes.offering(node, self._tcp):
            return sock.connect_ex(target)

    def make_room(self, sock: socket.socket, size: int) -> None:
        """Before more than :data:`SMALL_BYTES` are written: what TCP cannot send yet is bounded, what it can is not."""
        force_buffer(sock, SO_SNDBUFFORCE, self._tcp.send_buffer_bytes or SEND_BUFFER_BYTES)
        if size > NOT_SENT_BYTES:
            sock.setsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, NOT_SENT_BYTES)

    def make_room_to_read(self, sock: socket.socket) -> None:
        """Before more than a few segments are awaited on a connecting socket, see :meth:`listen`."""
        force_buffer(sock, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
        self._clamp(sock)

    def clamp_again(self, sock: socket.socket) -> None:
        """Kernels since 6.9 open the window to the whole buffer when they re-estimate how much payload it holds."""
        self._clamp(sock)

    def datagrams(self, node: str, port: int) -> socket.socket:
        """A UDP socket bound to ``port`` with a large receive buffer."""
        with refusing(f"{self._name}: receive datagrams on {node} {self.addresses[node]}:{port}"):
            sock = self._door.open_socket(node, self._family, socket.SOCK_DGRAM)
            try:
                force_buffer(sock, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
                force_buffer(sock, SO_SNDBUFFORCE, SEND_BUFFER_BYTES)
                if self._tcp.dscp:
                    level, option = (
                        (socket.IPPROTO_IPV6, socket.IPV6_TCLASS)
                        if self._family == socket.AF_INET6
                        else (socket.IPPROTO_IP, socket.IP_TOS)
                    )
                    set_option(sock, level, option, self._tcp.dscp << 2)
                sock.bind((self.addresses[node], port))
            except BaseException:
                sock.close()
                raise
        return sock

    def _bind(self, sock: socket.socket, node: str, taken: Container[tuple[str, int]]) -> int:
        address = self.addresses[node]
        for _ in range(SOURCE_PORTS):
            port = self.ports.source(node)
            if (address, port) in taken:
                continue
            try:
                sock.bind((address, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                continue
            return port
        raise OSError(errno.EADDRINUSE, "no source port is free")

    def _clamp(self, sock: socket.socket) -> None:
        size = self._tcp.window_bytes if self._tcp.window_bytes is not None else WINDOW_BYTES
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP, size)


def _congestion(sock: socket.socket) -> str:
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).split(b"\0")[0].decode()
