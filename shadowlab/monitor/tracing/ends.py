"""The sockets of one question, at its source and at its target.

In: a question.  Out: packets of its flow, and what comes of them.  Never: a judgement.
Imported inside the guest: standard library only.

A crafted segment is sent by a socket that may be bound to an interface, and ICMP errors and answers are heard by
another that is not: they may come in elsewhere.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Mapping
from functools import partial
from typing import Protocol

from shadowlab.kernel.loop import Loop
from shadowlab.kernel.sockets.stamped import StampedSocket, Trouble, let_in
from shadowlab.monitor.probe_sockets import (
    BACK,
    IPPROTO_TCP,
    SO_BINDTODEVICE,
    THERE,
    ProbeDoor,
    pack_head,
    parse_head,
)
from shadowlab.monitor.tracing.question import Question
from shadowlab.wire.net_tstamp import ORIGIN_LOCAL
from shadowlab.wire.tcp_probe import NOTHING, filter_program, pack_segment, parse_segment

_MOST_BYTES = 1 << 16
_IP_BYTES, _IP6_BYTES, _UDP_BYTES, _TCP_BYTES = 20, 40, 8, 20


class Hears(Protocol):
    """Who is told what comes of packets, by their number; moments are CLOCK_REALTIME in ns."""

    def on_arrival(self, number: int, at_ns: int) -> None: ...
    def on_answer(self, number: int, at_ns: int) -> None: ...
    def on_trouble(self, number: int | None, trouble: Trouble) -> None:
        """An ICMP error about a packet, or (None) the sender's own kernel's."""


class Ends:
    """Opened by :meth:`open`, closed by :meth:`close`."""

    def __init__(
        self,
        *,
        loop: Loop,
        segment: ProbeDoor,
        question: Question,
        addresses: Mapping[str, str],
        index: int,
        hears: Hears,
    ) -> None:
        self.question = question
        self._loop = loop
        self._segment = segment
        self._ipv6 = question.ipv6
        self._crafted = question.flow.protocol == "tcp"
        self._near, self._far = addresses[question.source], addresses[question.target]
        self._index = index
        self._hears = hears
        self._open: list[StampedSocket] = []
        self._watched: list[StampedSocket] = []

    @property
    def header_bytes(self) -> int:
        """Of IP and UDP or TCP."""
        return (_IP6_BYTES if self._ipv6 else _IP_BYTES) + (_TCP_BYTES if self._crafted else _UDP_BYTES)

    def open(self, *, whole: bool = False) -> None:
        """Open all sockets; with ``whole`` no packet may be cut in pieces.  Raises OSError, KernelRefusedError."""
        question = self.question
        _, near_port, far_port = question.flow
        if self._crafted:
            heard = filter_program(ipv6=self._ipv6)
            self._sender = self._raw(question.source, self._near, NOTHING, question.leaves_by, errors=whole)
            self._answerer = self._raw(question.target, self._far, NOTHING, question.answers_by)
            source = self._raw(question.source, self._near, heard, "", errors=True)
            target = self._raw(question.target, self._far, heard, "")
        else:
            self._sender = source = self._udp(question.source, self._near, near_port, errors=True)
            self._answerer = target = self._udp(question.target, self._far, far_port)
        if whole:
            self._sender.never_fragment()
        for sock, what, name in ((target, THERE, question.target), (source, BACK, question.source)):
            take = partial(self._on_ready, sock, what)
            self._loop.add(sock.fileno(), select.EPOLLIN, take, name=f"tracer at {name}")
            self._watched.append(sock)

    def close(self) -> None:
        """Close all sockets."""
        for one in self._watched:
            self._loop.remove(one.fileno())
        for one in self._open:
            one.close()
        self._open.clear()
        self._watched.clear()

    def send(self, number: int, *, hops: int | None = None, packet_bytes: int = 0) -> int | None:
        """Send a packet there, of so many bytes with all headers; when that was.  Raises OSError."""
        return self._send(self._sender, THERE, number, hops, packet_bytes)

    def answer(self, number: int) -> int | None:
        """Send its answer back."""
        return self._send(self._answerer, BACK, number, None, 0)

    def look(self) -> None:
        """Take at once what has come about packets that were sent."""
        if self._crafted:
            for trouble in iter(self._sender.read_trouble, None):
                if trouble.error.origin == ORIGIN_LOCAL:
                    self._hears.on_trouble(None, trouble)
        for sock, what in zip(tuple(self._watched), (THERE, BACK), strict=False):  # as they were opened
            self._on_ready(sock, what, 0)

    def _send(self, sock: StampedSocket, what: int, number: int, hops: int | None, packet_bytes: int) -> int | None:
        _, *ports = self.question.flow
        near, far = self._near, self._far
        if what == BACK:
            near, far, ports = far, near, ports[::-1]
        payload = pack_head(what, self._index, number).ljust(packet_bytes - self.header_bytes, b"\0")
        if self._crafted:
            payload = pack_segment(near, far, (ports[0], ports[1]), payload)
            return sock.send(payload, (far, 0), hops=hops)
        return sock.send(payload, (far, ports[1]), hops=hops)

    def _udp(self, node: str, address: str, port: int, *, errors: bool = False) -> StampedSocket:
        sock = self._segment.open_socket(node, self._family, socket.SOCK_DGRAM)
        return self._keep(sock, (address, port), errors)

    def _raw(self, node: str, address: str, program: bytes, device: str, *, errors: bool = False) -> StampedSocket:
        sock = self._segment.open_socket(node, self._family, socket.SOCK_RAW, IPPROTO_TCP)
        let_in(sock, program)
        if device:
            sock.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, device.encode() + b"\0")
        return self._keep(sock, (address, 0), errors)

    @property
    def _family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if self._ipv6 else socket.AF_INET

    def _keep(self, sock: socket.socket, bound: tuple[str, int], errors: bool) -> StampedSocket:
        try:
            sock.bind(bound)
            self._open.append(StampedSocket(sock, errors=errors))
        except BaseException:
            sock.close()
            raise
        return self._open[-1]

    def _on_ready(self, sock: StampedSocket, what: int, events: int) -> bool:
        progress = False
        while sock in self._watched and (trouble := sock.read_trouble()) is not None:
            progress = True
            if trouble.error.origin == ORIGIN_LOCAL:
                self._hears.on_trouble(None, trouble)
            elif (number := self._number_of(trouble.quoted, THERE, cut=True)) is not None:
                self._hears.on_trouble(number, trouble)
        arrival = sock.receive(_MOST_BYTES) if sock in self._watched else None  # what came may have ended it all
        if arrival is None:
            return progress
        number = self._number_of(arrival.payload, what)
        if number is not None and arrival.at_ns is not None:
            (self._hears.on_arrival if what == THERE else self._hears.on_answer)(number, arrival.at_ns)
        return True

    def _number_of(self, payload: bytes, wanted: int, *, cut: bool = False) -> int | None:
        """The number of a packet of this question, whole or as an error quotes it; None for any other."""
        if self._crafted:
            segment = parse_segment(payload, ipv6=self._ipv6 or cut)
            if segment is None:
                return None
            payload = segment[1]
        head = parse_head(payload)
        return head[2] if head is not None and head[:2] == (wanted, self._index) else None
