"""The sockets that probes and answers go by: UDP of their own, or crafted TCP segments of a flow.

In: streams.  Out: packets, with the kernel's moments.  Never: a decision what to send when.
Imported inside the guest: standard library only.
"""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from shadowlab.kernel.loop import Loop
from shadowlab.kernel.sockets.stamped import Arrival, StampedSocket, let_in
from shadowlab.monitor.probe_stream import HEAD_BYTES, PAYLOAD_BYTES, Stream
from shadowlab.wire.tcp_probe import NOTHING, filter_program, pack_segment, parse_segment

THERE, BACK = 1, 2
_HEAD = struct.Struct("<HHII")  # the mark, what it is, path index, sequence number
_MARK = 0x4C53
_MOST_BYTES = 2048
SO_BINDTODEVICE = 25
IPPROTO_TCP = 6

_AT_ONCE = 1_000
"""Packets read before others have their turn."""

OnPacket = Callable[[int, int, int, int], bool]
"""Called with THERE or BACK, path index, sequence number, and the moment of its arrival (CLOCK_REALTIME, ns); whether
it has waited so long that others may wait behind it, which are read at once then."""

assert _HEAD.size == HEAD_BYTES


class ProbeDoor(Protocol):
    """The part of :class:`~shadowlab.kernel.ports.Segment` that probing uses."""

    def open_socket(self, node: str, family: int, kind: int, protocol: int = 0) -> socket.socket: ...


Send = Callable[[int], int | None]
"""Sends the packet of a sequence number; when that was, None if the kernel does not say yet.  Raises OSError."""


class Way(NamedTuple):
    """A stream that is ready to be sent."""

    stream: Stream
    there: Send
    back: Send


class _Key(NamedTuple):
    """A socket: whose it is, and what it is bound to.  ``port`` 0: a raw one; ``device`` is what that sends by."""

    node: str
    ipv6: bool
    port: int
    device: str = ""
    sends_only: bool = False


class ProbeSockets:
    """Opened as streams need them, kept until :meth:`close`."""

    def __init__(
        self,
        *,
        loop: Loop,
        segment: ProbeDoor,
        addresses: Mapping[str, str],
        addresses6: Mapping[str, str],
        payload_bytes: int = PAYLOAD_BYTES,
        dscp: int = 0,
        on_packet: OnPacket,
    ) -> None:
        self._loop = loop
        self._segment = segment
        self._addresses = {False: addresses, True: addresses6}
        self._padding = bytes(payload_bytes - _HEAD.size)
        self._dscp = dscp
        self._on_packet = on_packet
        self._open: dict[_Key, StampedSocket] = {}

    def open(self, streams: Sequence[Stream]) -> list[Way]:
        """Have all that these streams need; what to send each by, in the same order.

        Raises KernelRefusedError or OSError for what the kernel refuses.
        """
        for one in sorted(streams, key=lambda one: (one.target, one.ipv6, one.crafted)):
            self._listen(_Key(one.target, one.ipv6, 0 if one.crafted else one.target_port), lazy=False)
        for one in sorted(streams, key=lambda one: (one.source, one.ipv6, one.crafted, one.source_port)):
            self._listen(_Key(one.source, one.ipv6, 0 if one.crafted else one.source_port), lazy=True)
        return [Way(one, self._sender(one, there=True), self._sender(one, there=False)) for one in streams]

    def _sender(self, stream: Stream, *, there: bool) -> Send:
        addresses = self._addresses[stream.ipv6]
        near, far, ports, device = stream.source, stream.target, stream.there[1:], stream.leaves_by
        if not there:
            near, far, ports, device = far, near, stream.back[1:], stream.answers_by
        pack, mark, what, path, padding = _HEAD.pack, _MARK, THERE if there else BACK, stream.path, self._padding
        if not stream.crafted:
            send, target = self._have(_Key(near, stream.ipv6, ports[0])).send, (addresses[far], ports[1])
            return lambda number: send(pack(mark, what, path, number) + padding, target)
        source, target = addresses[near], (addresses[far], 0)
        send = self._have(_Key(near, stream.ipv6, 0, device, sends_only=True)).send
        return lambda number: send(
            pack_segment(source, target[0], ports, pack(mark, what, path, number) + padding), target
        )

    def close(self) -> None:
        """Close every socket."""
        for key, one in self._open.items():
            if not key.sends_only:
                self._loop.remove(one.fileno())
            one.close()
        self._open.clear()

    def _listen(self, key: _Key, *, lazy: bool) -> None:
        if key not in self._open:
            take = partial(self._on_ready, self._have(key), key.ipv6, key.port == 0)
            kind = "prober" if lazy else "reflector"
            self._loop.add(self._open[key].fileno(), select.EPOLLIN, take, name=f"{kind} of {key.node}", lazy=lazy)

    def _have(self, key: _Key) -> StampedSocket:
        if key not in self._open:
            family = socket.AF_INET6 if key.ipv6 else socket.AF_INET
            kind, protocol = (socket.SOCK_DGRAM, 0) if key.port else (socket.SOCK_RAW, IPPROTO_TCP)
            sock = self._segment.open_socket(key.node, family, kind, protocol)
            try:
                if not key.port:
                    let_in(sock, NOTHING if key.sends_only else filter_program(ipv6=key.ipv6))
                    if key.device:
                        sock.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, key.device.encode() + b"\0")
                sock.bind((self._addresses[key.ipv6][key.node], key.port))
                self._open[key] = StampedSocket(sock, dscp=self._dscp)
            except BaseException:
                sock.close()
                raise
        return self._open[key]

    def _on_ready(self, sock: StampedSocket, ipv6: bool, raw: bool, events: int) -> bool:
        for count in range(_AT_ONCE):
            arrival = sock.receive(_MOST_BYTES)
            if arrival is None:  # an ICMP error for an earlier packet, a late stamp, or nothing there after all
                return sock.clear_errors() if events & select.EPOLLERR else count > 0
            if not self._take(arrival, ipv6, raw):
                break
        return True

    def _take(self, arrival: Arrival, ipv6: bool, raw: bool) -> bool:
        """Whether more may wait behind it."""
        payload = arrival.payload
        if raw:
            segment = parse_segment(payload, ipv6=ipv6)
            if segment is None:
                return False
            payload = segment[1]
        head = parse_head(payload)
        return head is not None and arrival.at_ns is not None and self._on_packet(*head, arrival.at_ns)


def pack_head(what: int, index: int, number: int) -> bytes:
    """What a probe begins with: THERE or BACK, path index, sequence number."""
    return _HEAD.pack(_MARK, what, index, number)


def parse_head(payload: bytes) -> tuple[int, int, int] | None:
    """What :func:`pack_head` was given; None for what is no probe."""
    if len(payload) < _HEAD.size:
        return None
    mark, what, index, number = _HEAD.unpack_from(payload)
    return (what, index, number) if mark == _MARK else None
