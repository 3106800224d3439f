"""A socket whose packets the kernel stamps: when each one enters the first queue, and when it arrives.

In: an open, non-blocking datagram or raw socket.  Out: moments of CLOCK_REALTIME in ns; ICMP errors with who sent them.
Never: a moment read by this program where the kernel gave one.  Imported inside the guest: standard library only.

A sending costs two system calls: the kernel has put the stamp on the socket's error queue before ``sendto`` returns, so
it is read at once, and the queue is empty again before the loop sleeps.  The stamp is the one taken on the way *into*
the sender's own queue (SCHED): what a packet waits there belongs to its way.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from typing import NamedTuple

from shadowlab.wire import net_tstamp
from shadowlab.wire.net_tstamp import ExtendedError

_FLAGS = net_tstamp.RX_SOFTWARE | net_tstamp.SOFTWARE | net_tstamp.TX_SCHED | net_tstamp.OPT_ID | net_tstamp.OPT_TSONLY
_BOTH = net_tstamp.TX_SCHED | net_tstamp.TX_SOFTWARE
_IPV6_HOPLIMIT, _IPV6_TCLASS = 52, 67
_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER, _PMTUDISC_PROBE = 10, 23, 3
_SO_ATTACH_FILTER = 26
_QUOTED_BYTES = 576
"""Of the packet that an ICMP error is about: what IPv4 quotes at most."""


class Arrival(NamedTuple):
    """A packet that came in.  ``at_ns`` is None if the kernel did not stamp it."""

    payload: bytes
    at_ns: int | None
    sender: tuple[str, int]


class Trouble(NamedTuple):
    """An ICMP error, or the sender's own kernel's: when it came in, what it says, the beginning of what it is about."""

    at_ns: int | None
    error: ExtendedError
    quoted: bytes


class StampedSocket:
    """Wraps a socket; closing it closes that.

    ``driver``: stamp also when the packet has left the sender's queue (see :attr:`left_ns`).  ``errors``: keep ICMP
    errors for :meth:`read_trouble` (without it the kernel hands an unconnected socket none).  ``dscp``: 0 to 63.
    """

    def __init__(self, sock: socket.socket, *, driver: bool = False, errors: bool = False, dscp: int = 0) -> None:
        self._sock = sock
        self._sendto, self._recvmsg = sock.sendto, sock.recvmsg
        self.left_ns: dict[int, int] = {}
        """With ``driver``: number of the packet (from 0) to the moment it left the queue, as far as told."""
        self._sent = 0
        self._troubles: list[Trouble] = []
        self._ipv6 = sock.family == socket.AF_INET6
        self._level = level = socket.IPPROTO_IPV6 if self._ipv6 else socket.SOL_IP
        self._hops_option = (level, _IPV6_HOPLIMIT if self._ipv6 else socket.IP_TTL)
        if errors:
            sock.setsockopt(level, net_tstamp.IPV6_RECVERR if self._ipv6 else net_tstamp.IP_RECVERR, 1)
        if dscp:
            sock.setsockopt(level, _IPV6_TCLASS if self._ipv6 else socket.IP_TOS, dscp << 2)
        sock.setsockopt(socket.SOL_SOCKET, net_tstamp.SO_TIMESTAMPING, _FLAGS | (_BOTH if driver else 0))

    def fileno(self) -> int:
        return self._sock.fileno()

    def close(self) -> None:
        self._sock.close()

    def send(self, payload: bytes, target: tuple[str, int], *, hops: int | None = None) -> int | None:
        """Send, and when that was.  None: the kernel gave no stamp yet (it asks for the neighbour first).

        ``hops``: so many nodes it may pass (TTL, hop limit); as many as the kernel thinks right without one.

        Raises OSError for what the kernel refuses; with ``errors`` also once for an ICMP error that came before.
        """
        if hops is None:
            self._sendto(payload, target)
        else:
            self._sock.sendmsg([payload], [(*self._hops_option, struct.pack("i", hops))], 0, target)
        number = self._sent
        self._sent = number + 1
        try:
            quoted, ancillary, _, _ = self._recvmsg(_QUOTED_BYTES, net_tstamp.ANCILLARY_BYTES, socket.MSG_ERRQUEUE)
        except BlockingIOError:
            return None
        stamp = net_tstamp.parse_sent(ancillary)
        if stamp is None:
            self._keep(quoted, ancillary)
            stamp = self._read_queue()
        while stamp is not None:
            if stamp[0] >= number:
                self._sent = stamp[0] + 1
                return stamp[1]
            stamp = self._read_queue()  # one that came late
        return None

    def never_fragment(self) -> None:
        """From now on nobody may cut a packet in pieces; what this kernel has heard of smaller links is not heeded."""
        self._sock.setsockopt(self._level, _IPV6_MTU_DISCOVER if self._ipv6 else _IP_MTU_DISCOVER, _PMTUDISC_PROBE)

    def receive(self, most: int) -> Arrival | None:
        """The next packet; None if there is none, or an error was there instead."""
        try:
            payload, ancillary, _, sender = self._recvmsg(most, net_tstamp.ANCILLARY_BYTES)
        except OSError:
            return None
        return Arrival(payload, net_tstamp.parse_stamp(ancillary), sender[:2])

    def read_trouble(self) -> Trouble | None:
        """The next error that came in; None if there is none.  Late stamps are dropped on the way."""
        while not self._troubles and self._read_queue() is not None:
            pass
        return self._troubles.pop(0) if self._troubles else None

    def clear_errors(self) -> bool:
        """Empty the error queue; whether there was anything in it."""
        found = False
        while self._read_queue() is not None or self._troubles:
            found = True
            self._troubles.clear()
        return found

    def _read_queue(self) -> tuple[int, int] | None:
        """Number and moment of the next SCHED stamp; all else on the way is kept.  None: the queue is empty."""
        while True:
            try:
                quoted, ancillary, _, _ = self._recvmsg(_QUOTED_BYTES, net_tstamp.ANCILLARY_BYTES, socket.MSG_ERRQUEUE)
            except BlockingIOError:
                return None
            stamp = net_tstamp.parse_sent(ancillary)
            if stamp is not None:
                return stamp
            self._keep(quoted, ancillary)

    def _keep(self, quoted: bytes, ancillary: net_tstamp.Ancillary) -> None:
        error, at_ns = net_tstamp.parse_error(ancillary), net_tstamp.parse_stamp(ancillary)
        if error is not None and error.origin != net_tstamp.ORIGIN_TIMESTAMPING:
            self._troubles.append(Trouble(at_ns, error, quoted))
        elif error is not None and at_ns is not None:
            self.left_ns[error.data] = at_ns


def let_in(sock: socket.socket, program: bytes) -> None:
    """Filter what comes in, by classic BPF: a raw socket is offered every packet of its protocol that its node gets.

    Raises OSError for a program that the kernel refuses.
    """
    held = ctypes.create_string_buffer(program, len(program))
    form = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(held))  # struct sock_fprog
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, form)
