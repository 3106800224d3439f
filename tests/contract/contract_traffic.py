"""Numbered packets from ``a`` to ``b`` over ``r``, with the moments at which they left and arrived."""

from __future__ import annotations

import socket
import struct
import time
from typing import NamedTuple

from contract_clock import is_real

from shadowlab.kernel.ports import Segment

HEADER_BYTES = 8 + 20 + 14
"""UDP, IP, Ethernet: what a payload weighs more in a socket buffer."""
WIRE_BYTES = HEADER_BYTES + 24
_SO_RCVBUFFORCE, _SO_SNDBUFFORCE, _SO_TIMESTAMPNS, _IP_RECVTOS = 33, 32, 35, 13
_BUFFER_BYTES = 256 << 20
_NUMBER = struct.Struct("=q")


class Arrival(NamedTuple):
    """``moment_ns`` is the kernel's own timestamp."""

    number: int
    moment_ns: int
    tos: int


class Exchange(NamedTuple):
    """``left_ns`` by number; arrivals in their order."""

    left_ns: list[int]
    arrivals: list[Arrival]

    @property
    def delays_ns(self) -> list[int]:
        """One-way delays in the order of arrival."""
        return [one.moment_ns - self.left_ns[one.number] for one in self.arrivals]

    @property
    def since_first_ns(self) -> list[int]:
        """Moments of arrival, counted from when the first packet left."""
        return [one.moment_ns - self.left_ns[0] for one in self.arrivals]

    @property
    def lost(self) -> list[bool]:
        """By number: whether it never arrived."""
        came = {one.number for one in self.arrivals}
        return [number not in came for number in range(len(self.left_ns))]


def exchange(
    segment: Segment,
    count: int,
    *,
    payload_bytes: int = 100,
    gap_ns: int = 0,
    wait_ns: int | None = None,
    tos: int = 0,
    backward: bool = False,
) -> Exchange:
    """Send ``count`` packets, a gap after each, and take what has arrived ``wait_ns`` after the last.

    Without it a second of the virtual clock, half a one of the real.
    """
    if wait_ns is None:
        wait_ns = 500_000_000 if is_real() else 10**9
    source, target, address = ("b", "a", "192.0.2.1") if backward else ("a", "b", "192.0.2.2")
    with (
        segment.open_socket(source, socket.AF_INET, socket.SOCK_DGRAM) as sender,
        segment.open_socket(target, socket.AF_INET, socket.SOCK_DGRAM) as receiver,
    ):
        receiver.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        receiver.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        receiver.setsockopt(socket.IPPROTO_IP, _IP_RECVTOS, 1)
        receiver.bind((address, 7000))
        sender.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _BUFFER_BYTES)
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
        sender.connect((address, 7000))
        time.sleep(0.001)  # timestamping has begun
        left_ns = []
        for number in range(count):
            left_ns.append(time.clock_gettime_ns(time.CLOCK_REALTIME))
            sender.send(_NUMBER.pack(number).ljust(payload_bytes, b"x"))
            if gap_ns:
                _pause(gap_ns, left_ns[0] + (number + 1) * gap_ns)
        time.sleep(wait_ns * 1e-9)
        return Exchange(left_ns, list(_drain(receiver, payload_bytes)))


def _pause(gap_ns: int, next_ns: int) -> None:
    """On the real clock until the next moment: late once is not late ever after."""
    if is_real():
        gap_ns = max(0, next_ns - time.clock_gettime_ns(time.CLOCK_REALTIME))
    time.sleep(gap_ns * 1e-9)


def _drain(receiver: socket.socket, payload_bytes: int) -> list[Arrival]:
    arrivals = []
    while True:
        try:
            payload, notes, _, _ = receiver.recvmsg(payload_bytes, 256)
        except BlockingIOError:
            return arrivals
        moment_ns = tos = 0
        for level, kind, note in notes:
            if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS):
                seconds, rest = struct.unpack("=qq", note[:16])
                moment_ns = seconds * 10**9 + rest
            elif level == socket.IPPROTO_IP:
                tos = note[0]
        arrivals.append(Arrival(_NUMBER.unpack_from(payload)[0], moment_ns, tos))
