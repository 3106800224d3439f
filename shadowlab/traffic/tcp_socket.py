"""TCP sockets as a flow needs them: every option set is read back.

In: where, and a flow specification.  Out: an open socket, or an error that names the flow.  Never: a byte of payload.
Imported inside the guest: standard library only.
"""

from __future__ import annotations

import errno
import socket
import struct
from contextlib import suppress
from typing import Protocol

from shadowlab.kernel.syscalls import refusal, refusing
from shadowlab.model.flow import FlowSpec
from shadowlab.traffic.slow_reader import reads_slowly
from shadowlab.traffic.socket_options import (
    SO_RCVBUFFORCE,
    SO_SNDBUFFORCE,
    force_buffer,
    set_at_both_ends,
    set_at_sender,
    set_congestion_control,
    set_option,
)

TCP_NOTSENT_LOWAT = 25

SEND_BUFFER_BYTES = 8 << 20
RECEIVE_BUFFER_BYTES = 16 << 20
SUNK_BUFFER_BYTES = 6 << 20
"""Of a connection that the kernel reads (:mod:`shadowlab.kernel.sockets.sink`): nothing is ever unread, and nobody
clamps its window again, so the buffer bounds it."""
WINDOW_BYTES = 6 << 20
"""The largest receive window: Linux's own default maximum (tcp_rmem)."""
NOT_SENT_BYTES = 131_072
"""Bytes a connection may hold that are not yet on the wire: enough for a write, too few to become a queue."""
NOT_SENT_TICKS = 8
"""The same for a paced writer, in ticks, where that is more: acknowledgements free room between its ticks."""


_CONTROLS = "net/ipv4/tcp_available_congestion_control"
_RECEIVED_AT = 128
"""Where tcpi_bytes_received stands in struct tcp_info."""
_FIN_SEEN = (6, 8, 9, 11)
"""TIME_WAIT, CLOSE_WAIT, LAST_ACK, CLOSING (kernel: net/tcp_states.h)."""


class SocketDoor(Protocol):
    """The part of :class:`~shadowlab.kernel.ports.Segment` that traffic uses."""

    def open_socket(self, node: str, family: int, kind: int, protocol: int = 0) -> socket.socket: ...
    def set_sysctl(self, node: str, key: str, value: str) -> None: ...
    def read_sysctl(self, node: str, key: str) -> str: ...


def open_listener(door: SocketDoor, spec: FlowSpec, address: str, port: int, *, sunk: bool = False) -> socket.socket:
    """The target's end, listening.  Its receive window is clamped; its buffer is much larger than its window, unless
    its connections are ``sunk``.

    With unread bytes always fewer than buffer minus window, the window Linux announces does not depend on *when* the
    application reads: that is what makes lazy reading neutral (kernel: ``__tcp_select_window``).  An application that
    reads slowly is to close its window: its buffer is no larger than that.
    """
    with refusing(f"flow {spec.id}: listen on {spec.target} {address}:{port}"):
        sock = door.open_socket(spec.target, _family(address), socket.SOCK_STREAM)
        try:
            set_at_both_ends(sock, spec.tcp)
            room = _window(spec) if reads_slowly(spec) else SUNK_BUFFER_BYTES if sunk else RECEIVE_BUFFER_BYTES
            force_buffer(sock, SO_RCVBUFFORCE, room)
            set_option(sock, socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP, _window(spec))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((address, port))
            sock.listen(4)
        except BaseException:
            sock.close()
            raise
    return sock


def clamp_window(receiver: socket.socket, spec: FlowSpec) -> None:
    """Clamp the window of an accepted connection again: kernels since 6.9 open it to the whole buffer when they
    re-estimate how much payload a buffer holds (``tcp_measure_rcv_mss``).

    Then every unread byte narrows the window, and a receiver whose window narrows delays its acknowledgements: lazy
    reading cost 4 % of the goodput of a full link with a short queue.
    """
    receiver.setsockopt(socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP, _window(spec))


def open_sender(door: SocketDoor, spec: FlowSpec, address: str, port: int, tick_ns: int) -> socket.socket:
    """The source's end, bound, not yet connected.  A sender-limited one waits for its buffer to be set."""
    with refusing(f"flow {spec.id}: open a connection from {spec.source} {address}:{port}"):
        sock = door.open_socket(spec.source, _family(address), socket.SOCK_STREAM)
        try:
            set_at_both_ends(sock, spec.tcp)
            set_at_sender(sock, spec.tcp)
            if spec.flow_class != "sender-limited":
                force_buffer(sock, SO_SNDBUFFORCE, SEND_BUFFER_BYTES)
                not_sent = max(NOT_SENT_BYTES, (spec.rate_bps or 0) * tick_ns * NOT_SENT_TICKS // 8_000_000_000)
                set_option(sock, socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, not_sent)
            # An earlier connection of the flow may have left this port in TIME-WAIT.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((address, port))
        except BaseException:
            sock.close()
            raise
    return sock


def close_at_once(sock: socket.socket) -> None:
    """Close it and forget the connection: no FIN, no TIME-WAIT, its port is free again."""
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def check_congestion_control(door: SocketDoor, node: str, control: str, *, whose: str) -> None:
    """Raise now, before anything runs, when a node cannot have a congestion control: KernelRefusedError that names
    those there are, and whose it is."""
    with door.open_socket(node, socket.AF_INET, socket.SOCK_STREAM) as sock:
        try:
            set_congestion_control(sock, control)
        except OSError as error:
            known = door.read_sysctl(node, _CONTROLS).strip()
            tried = f"{whose}: set congestion control {control} on {node}"
            if error.errno == errno.ENOENT:
                raise refusal(tried, errno.ENOENT, f"this kernel has none of that name, it has: {known}") from error
            cure = "see net.ipv4.tcp_allowed_congestion_control; the embedded kernel allows all that it has"
            raise refusal(f"{tried} ({cure})", error.errno or 0) from error


def read_tcp_info(sock: socket.socket, length: int) -> bytes:
    """The kernel's struct tcp_info, as long as this kernel's is, at most ``length`` bytes."""
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, length)


def read_received_bytes(receiver: socket.socket) -> int:
    """Bytes of the stream that have arrived in order."""
    info = read_tcp_info(receiver, _RECEIVED_AT + 8)
    (count,) = struct.unpack_from("=Q", info, _RECEIVED_AT)
    return int(count) - (info[0] in _FIN_SEEN)  # the end of the stream counts as a byte of it


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _window(spec: FlowSpec) -> int:
    return spec.tcp.window_bytes if spec.tcp.window_bytes is not None else WINDOW_BYTES
