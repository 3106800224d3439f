"""Probe every path: round-trip time and one-way delay by kernel timestamps.

In: paths and addresses.  Out: one record per probe, answered or given up.  Never: an average.
Imported inside the guest: standard library only.

A probe is 64 bytes of UDP.  Its reflector echoes it at once, adding when the kernel received it and when it was sent
on; the round trip is (kernel's arrival of the answer - sending) - (the reflector's sending - kernel's arrival there).
So neither end's wake-up counts, and the prober may read its answers lazily.

When: a period is cut into as many slots as there are paths, and each path's slot moves on from period to period (by
about the golden section of a period), with a seeded shift inside the slot.  So no two probes start together, and no
path's probes keep one phase against the ticks of the traffic, which would show the same part of every burst for ever.
"""

from __future__ import annotations

import math
import select
import socket
import struct
import zlib
from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Protocol

from shadowlab.kernel.loop import Loop
from shadowlab.model.flow import Path
from shadowlab.store.recorder import Rows

PROBE_EVERY_NS = 200_000_000
TIMEOUT_NS = 2_000_000_000
PROBER_PORT = 4001
REFLECTOR_PORT = 4002
PAYLOAD_BYTES = 64

_SO_TIMESTAMPNS = 35
_PAYLOAD = struct.Struct("<IIqqq")  # path index, sequence number, sent, reflector's kernel arrival, reflector's sending
_PADDING = bytes(PAYLOAD_BYTES - _PAYLOAD.size)
_TIMESPEC = struct.Struct("qq")
_ANCILLARY_BYTES = socket.CMSG_SPACE(_TIMESPEC.size)
_GOLDEN = (math.sqrt(5) - 1) / 2


class ProbeDoor(Protocol):
    """The part of :class:`~shadowlab.kernel.ports.Segment` that probing uses."""

    def open_socket(self, node: str, family: int, kind: int, protocol: int = 0) -> socket.socket: ...


class Prober:
    """Probes all paths.  Enter it to open its sockets, :meth:`start` it; records go to ``records``."""

    def __init__(
        self,
        *,
        loop: Loop,
        segment: ProbeDoor,
        paths: Sequence[Path],
        addresses: Mapping[str, str],
        seed: int,
        records: Rows,
        probe_every_ns: int = PROBE_EVERY_NS,
        timeout_ns: int = TIMEOUT_NS,
    ) -> None:
        self._loop = loop
        self._segment = segment
        self._paths = tuple(paths)
        self._addresses = addresses
        self._seed = seed
        self._records = records
        self._every_ns = probe_every_ns
        self._timeout_ns = timeout_ns
        self._start_ns = 0
        self._end_ns = 0
        self._wall_start_ns = 0
        self._probers: dict[str, socket.socket] = {}
        self._reflectors: dict[str, socket.socket] = {}
        self._routes: list[tuple[socket.socket, tuple[str, int]]] = []
        self._round = -1
        self._queue: deque[tuple[int, int]] = deque()
        self._pending: dict[tuple[int, int], int] = {}
        self._order = sorted(range(len(self._paths)), key=lambda one: (zlib.crc32(f"{seed}:{one}".encode()), one))
        self._stride = _coprime_near(_GOLDEN * len(self._paths), len(self._paths))
        self.refused = 0
        """Probes the kernel would not send (no route, link down): they are lost like any other."""
        self.strays = 0
        """Answers that came after they were given up, or twice."""

    def __enter__(self) -> Prober:
        try:
            for node in sorted({path.target for path in self._paths}):
                reflector = self._open(node, REFLECTOR_PORT)
                self._reflectors[node] = reflector
                echo = partial(self._on_probe, reflector)
                self._loop.add(reflector.fileno(), select.EPOLLIN, echo, name=f"reflector of {node}")
            for node in sorted({path.source for path in self._paths}):
                prober = self._open(node, PROBER_PORT)
                self._probers[node] = prober
                take = partial(self._on_answer, prober)
                self._loop.add(prober.fileno(), select.EPOLLIN, take, name=f"prober of {node}", lazy=True)
        except BaseException:
            self.close()
            raise
        self._routes = [
            (self._probers[path.source], (self._addresses[path.target], REFLECTOR_PORT)) for path in self._paths
        ]
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every socket."""
        for sockets in (self._probers, self._reflectors):
            for one in sockets.values():
                self._loop.remove(one.fileno())
                one.close()
            sockets.clear()

    def start(self, start_ns: int, duration_ns: int) -> None:
        """Probe from ``start_ns`` (monotonic, the run's zero) for ``duration_ns``.

        Probes younger than the time-out when the loop stops, and unanswered, leave no record: let the loop run on for
        the time-out to have them all.
        """
        self._start_ns = start_ns
        self._end_ns = start_ns + duration_ns
        clock = self._loop.clock
        before_ns, wall_ns, after_ns = clock.now_ns(), clock.wall_ns(), clock.now_ns()
        self._wall_start_ns = wall_ns - (before_ns + after_ns) // 2 + start_ns
        if self._paths:
            self._arm()
            self._loop.at(start_ns + self._timeout_ns, self._on_give_up)

    def _open(self, node: str, port: int) -> socket.socket:
        sock = self._segment.open_socket(node, socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            sock.bind((self._addresses[node], port))
        except BaseException:
            sock.close()
            raise
        return sock

    def _arm(self) -> None:
        """Set the timer for the next probe."""
        if not self._queue:
            self._round += 1
            self._queue.extend(self._moments(self._round))
        due_ns = self._queue[0][0]
        if due_ns < self._end_ns:
            self._loop.at(due_ns, self._on_due)

    def _moments(self, number: int) -> list[tuple[int, int]]:
        """(when, path index) of every probe of one period, in order."""
        count = len(self._paths)
        zero_ns = self._start_ns + number * self._every_ns
        slot_ns = self._every_ns // count
        moments = []
        for place, index in enumerate(self._order):
            slot = (place + number * self._stride) % count
            shift = zlib.crc32(_PAYLOAD.pack(index, number & 0xFFFFFFFF, self._seed & 0x7FFFFFFFFFFFFFFF, 0, 0))
            moments.append((zero_ns + slot * slot_ns + (shift * slot_ns >> 33), index))
        moments.sort()
        return moments

    def _on_due(self, due_ns: int) -> None:
        _, index = self._queue.popleft()
        sock, target = self._routes[index]
        number = self._round
        wall_ns = self._loop.clock.wall_ns()
        sent_ns = wall_ns - self._wall_start_ns
        self._pending[(index, number)] = sent_ns
        try:
            sock.sendto(_PAYLOAD.pack(index, number, wall_ns, 0, 0) + _PADDING, target)
        except OSError:
            self.refused += 1
        self._arm()

    def _on_probe(self, sock: socket.socket, events: int) -> bool:
        try:
            payload, ancillary, _, sender = sock.recvmsg(PAYLOAD_BYTES, _ANCILLARY_BYTES)
        except OSError:  # an ICMP error for an earlier echo, or nothing there after all
            return False
        arrived_ns = _timestamp(ancillary)
        if len(payload) == PAYLOAD_BYTES and arrived_ns is not None:
            index, number, wall_ns, _, _ = _PAYLOAD.unpack_from(payload)
            echo_ns = self._loop.clock.wall_ns()
            try:
                sock.sendto(_PAYLOAD.pack(index, number, wall_ns, arrived_ns, echo_ns) + _PADDING, sender)
            except OSError:
                self.refused += 1
        return True

    def _on_answer(self, sock: socket.socket, events: int) -> bool:
        try:
            payload, ancillary, _, _ = sock.recvmsg(PAYLOAD_BYTES, _ANCILLARY_BYTES)
        except OSError:
            return False
        arrived_ns = _timestamp(ancillary)
        if len(payload) == PAYLOAD_BYTES and arrived_ns is not None:
            index, number, wall_ns, reflected_ns, echo_ns = _PAYLOAD.unpack_from(payload)
            sent_ns = self._pending.get((index, number))
            round_trip_ns = arrived_ns - wall_ns - (echo_ns - reflected_ns)
            if sent_ns is None or round_trip_ns > self._timeout_ns:
                self.strays += sent_ns is None
                return True
            del self._pending[(index, number)]
            self._records.append(sent_ns, index, number, round_trip_ns, reflected_ns - wall_ns)
        return True

    def _on_give_up(self, due_ns: int) -> None:
        # What has arrived in time but waits to be read is no loss.
        self._loop.look()
        limit_ns = due_ns - self._start_ns - self._timeout_ns
        for (index, number), sent_ns in tuple(self._pending.items()):  # in the order of sending
            if sent_ns > limit_ns:
                break
            del self._pending[(index, number)]
            self._records.append(sent_ns, index, number, -1, -1)
        self._loop.at(due_ns + self._every_ns, self._on_give_up)


def _timestamp(ancillary: Sequence[tuple[int, int, bytes]]) -> int | None:
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
            seconds, nanoseconds = _TIMESPEC.unpack(content)
            return int(seconds) * 1_000_000_000 + int(nanoseconds)
    return None


def _coprime_near(wanted: float, count: int) -> int:
    """The number nearest to ``wanted``, at least 1, that shares no divisor with ``count``."""
    near = sorted(range(1, count + 1), key=lambda one: (abs(one - wanted), one))
    return next((one for one in near if math.gcd(one, count) == 1), 1)
