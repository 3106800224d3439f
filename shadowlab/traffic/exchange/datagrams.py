"""UDP one way, at a rate, constant or in bursts.

In: the workload.  Out: numbered datagrams; what their receiver counts, by the kernel's own receive timestamps.
Imported inside the guest: standard library only.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from contextlib import suppress

from shadowlab.model.traffic.chance import Chance
from shadowlab.model.traffic.completion import StreamSample
from shadowlab.model.traffic.workload import Datagrams
from shadowlab.traffic.exchange.deciding.arrivals import OnOff, Pace
from shadowlab.traffic.exchange.deciding.stream import Reception
from shadowlab.traffic.exchange.driver import Driver, Surroundings

_HEAD = struct.Struct("<QQ")
"""Sequence number, the moment it was sent by the sender's loop."""
_STAMP = struct.Struct("<qq")
_SO_TIMESTAMPNS = 35
_AT_ONCE = 1_000
"""Datagrams read before others have their turn."""


class DatagramsDriver(Driver):
    """Drives one :class:`~shadowlab.model.traffic.workload.Datagrams`."""

    def __init__(self, spec: Datagrams, around: Surroundings) -> None:
        super().__init__(spec, around)
        self._spec = spec
        self._sockets = around.sockets(spec.name, dscp=spec.dscp)
        self._reception = Reception()
        self._sizes = spec.sizes
        self._payload = bytearray(max(self._sizes))
        self._drawn = 0
        self._sender: socket.socket | None = None
        self._receiver: socket.socket | None = None
        self._target = ("", 0)
        self._pace: Pace | None = None
        self._wall_offset_ns = 0
        self._sent = 0

    def open(self) -> None:
        spec, sockets = self._spec, self._sockets
        port = sockets.ports.listener(spec.target)
        self._receiver = sockets.datagrams(spec.target, port)
        self._receiver.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._target = (sockets.addresses[spec.target], port)
        self._sender = sockets.datagrams(spec.source, sockets.ports.source(spec.source))
        # The kernel stamps what it receives: nothing is lost by reading it later, many at a time.
        self.loop.add(self._receiver.fileno(), 1, self._on_readable, name=f"traffic {spec.name}, receiver", lazy=True)

    def close(self) -> None:
        if self._receiver is not None:
            self.loop.remove(self._receiver.fileno())
            self._receiver.close()
        if self._sender is not None:
            self._sender.close()
        self._receiver = self._sender = None

    def start(self, zero_ns: int, duration_ns: int) -> None:
        spec, self.zero_ns = self._spec, zero_ns
        clock = self.loop.clock
        before_ns, wall_ns, after_ns = clock.now_ns(), clock.wall_ns(), clock.now_ns()
        self._wall_offset_ns = wall_ns - (before_ns + after_ns) // 2
        chance = Chance(self.around.seed, "workload", spec.name, "on-off")
        self._pace = Pace(
            draw_work=self._next_gap,
            pattern=OnOff(spec.on_ns, spec.off_ns, chance, spec.begin_ns),
            begin_ns=spec.begin_ns,
            end_ns=duration_ns if spec.end_ns is None else min(spec.end_ns, duration_ns),
        )
        self.watch_for(self._pace, self._send)

    def scale(self, factor: float) -> None:
        if self._pace is not None:
            self._pace.scale(factor, self.loop.now_ns - self.zero_ns)
            self.watch_for(self._pace, self._send)

    def going_on(self) -> list[Callable[[], None]]:
        return []

    def stream(self) -> StreamSample:
        self._read()
        seen, now_ns = self._reception, self.loop.now_ns
        return StreamSample(
            at_ns=now_ns - self.zero_ns,
            workload=self.around.index,
            sent=self._sent,
            received=seen.received,
            missing=seen.missing,
            reordered=seen.reordered,
            duplicates=seen.duplicates,
            received_bytes=seen.received_bytes,
            delay_ns=seen.delay_ns,
            jitter_ns=seen.jitter_ns,
        )

    def _next_gap(self) -> float:
        """What a packet takes at the rate: it comes so long after the one before."""
        size = self._sizes[self._drawn % len(self._sizes)]
        self._drawn += 1
        return size * 8e9 / self._spec.rate_bps

    def _send(self, due_ns: int) -> None:
        assert self._pace is not None  # it is what was due
        self._pace.take()
        if self._sender is not None:
            _HEAD.pack_into(self._payload, 0, self._sent, self.loop.now_ns)
            size = self._sizes[self._sent % len(self._sizes)]
            self._sent += 1
            with suppress(OSError):  # no route, or no room: lost like any other, and missed by the receiver
                self._sender.sendto(memoryview(self._payload)[:size], self._target)
        self.watch_for(self._pace, self._send)

    def _on_readable(self, events: int) -> bool:
        return self._read() > 0

    def _read(self) -> int:
        receiver, count = self._receiver, 0
        while receiver is not None and count < _AT_ONCE:
            try:
                head, notes, _, _ = receiver.recvmsg(_HEAD.size, 64, socket.MSG_TRUNC)
            except OSError:  # nothing there
                break
            count += 1
            at_ns = self.loop.now_ns
            for _, kind, stamp in notes:
                if kind == _SO_TIMESTAMPNS:
                    seconds, nanoseconds = _STAMP.unpack_from(stamp)
                    at_ns = seconds * 1_000_000_000 + nanoseconds - self._wall_offset_ns
            number, sent_ns = _HEAD.unpack_from(head)
            self._reception.arrived(number, sent_ns, at_ns, self._sizes[number % len(self._sizes)])
        return count
