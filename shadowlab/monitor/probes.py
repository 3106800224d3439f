"""Probe every path: delay and loss there and back, each by itself, by kernel time stamps.

In: streams of probes, addresses.  Out: one record per probe, answered or given up.  Never: an average.
Imported inside the guest: standard library only.

A probe is 64 bytes of UDP, unless another size is asked for, or a crafted TCP segment.  The kernel stamps it as it
enters the first queue, at its arrival, and its answer likewise.  All nodes share one clock, so *there* is (arrival at
the reflector - sending) and *back* is (arrival of the answer - the reflector's sending): neither end's wake-up counts,
and the prober may read its answers lazily.  The reflector notes which sequence numbers it has seen: a probe that got no
answer was lost on the way back if it is among them, and there if not.

When: a period is cut into as many slots as there are paths, and each path's slot moves on from period to period (by
about the golden section of a period), with a seeded shift inside the slot.  So no two probes start together, and no
path's probes keep one phase against the ticks of the traffic, which would show the same part of every burst for ever.
Where a path has several streams (of IPv4 and of IPv6), they take turns.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections import deque
from collections.abc import Mapping, Sequence

from shadowlab.kernel.loop import Loop
from shadowlab.monitor.probe_sockets import BACK, THERE, ProbeDoor, ProbeSockets, Send, Way
from shadowlab.monitor.probe_stream import PAYLOAD_BYTES, Stream
from shadowlab.store.recorder import Rows

PROBE_EVERY_NS = 200_000_000
BEHIND_NS = 5_000_000
"""A loop that finds an answer to give so late is behind."""
TIMEOUT_NS = 2_000_000_000

_CHANCE = struct.Struct("<IIqqq")
_GOLDEN = (math.sqrt(5) - 1) / 2


class _Pending:
    """A probe under way: how it is sent, when it was sent, arrived there, and was answered (0: not yet)."""

    __slots__ = ("answered_ns", "arrived_ns", "sent_ns", "way")

    def __init__(self, way: Way) -> None:
        self.way = way
        self.sent_ns = self.arrived_ns = self.answered_ns = 0


class Prober:
    """Probes all paths.  Enter it to open its sockets, :meth:`start` it; records go to ``records``."""

    def __init__(
        self,
        *,
        loop: Loop,
        segment: ProbeDoor,
        streams: Sequence[Sequence[Stream]],
        addresses: Mapping[str, str],
        addresses6: Mapping[str, str] | None = None,
        seed: int,
        records: Rows,
        probe_every_ns: int = PROBE_EVERY_NS,
        timeout_ns: int = TIMEOUT_NS,
        payload_bytes: int = PAYLOAD_BYTES,
        dscp: int = 0,
    ) -> None:
        """``streams``: of each path one or several."""
        self._loop = loop
        self._streams = [tuple(one) for one in streams]
        self._ways: list[list[Way]] = []
        self._seed = seed
        self._records = records
        self._every_ns = probe_every_ns
        self._timeout_ns = timeout_ns
        self._start_ns = 0
        self._end_ns = 0
        self._wall_start_ns = 0
        self._sockets = ProbeSockets(
            loop=loop,
            segment=segment,
            addresses=addresses,
            addresses6=addresses6 or {},
            payload_bytes=payload_bytes,
            dscp=dscp,
            on_packet=self._on_packet,
        )
        self._round = -1
        self._queue: deque[tuple[int, int]] = deque()
        self._pending: dict[tuple[int, int], _Pending] = {}
        count = len(self._streams)
        self._order = sorted(range(count), key=lambda one: (zlib.crc32(f"{seed}:{one}".encode()), one))
        self._stride = _coprime_near(_GOLDEN * count, count)
        self.refused = 0
        """Probes and answers the kernel would not send (no route, link down): they are lost like any other."""
        self.strays = 0
        """Probes and answers that came after they were given up, or twice."""
        self.unstamped = 0
        """Probes and answers whose sending the kernel did not stamp at once: this program's clock stands in."""

    def __enter__(self) -> Prober:
        try:
            self._ways = [self._sockets.open(one) for one in self._streams]
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def awaited(self) -> int:
        """Probes neither answered nor given up."""
        return len(self._pending)

    def close(self) -> None:
        """Close every socket."""
        self._sockets.close()

    def follow(self, path: int, streams: Sequence[Stream]) -> None:
        """From now on probe a path by these streams; what is under way stays what it is."""
        self._ways[path] = self._sockets.open(streams)

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
        if self._streams:
            self._arm()
            self._loop.at(start_ns + self._timeout_ns, self._on_give_up)

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
        count = len(self._streams)
        zero_ns = self._start_ns + number * self._every_ns
        slot_ns = self._every_ns // count
        moments = []
        for place, index in enumerate(self._order):
            slot = (place + number * self._stride) % count
            shift = zlib.crc32(_CHANCE.pack(index, number & 0xFFFFFFFF, self._seed & 0x7FFFFFFFFFFFFFFF, 0, 0))
            moments.append((zero_ns + slot * slot_ns + (shift * slot_ns >> 33), index))
        moments.sort()
        return moments

    def _on_due(self, due_ns: int) -> None:
        _, index = self._queue.popleft()
        ways = self._ways[index]
        one = self._pending[(index, self._round)] = _Pending(ways[self._round % len(ways)])
        one.sent_ns = self._send(one.way.there, self._round) or self._loop.clock.wall_ns()
        self._arm()

    def _send(self, send: Send, number: int) -> int | None:
        """When it was sent; None if it was not."""
        try:
            sent_ns = send(number)
        except OSError:
            self.refused += 1
            return None
        if sent_ns is None:
            self.unstamped += 1
            return self._loop.clock.wall_ns()
        return sent_ns

    def _on_packet(self, what: int, index: int, number: int, at_ns: int) -> bool:
        one = self._pending.get((index, number))
        if one is None or (what == THERE and one.arrived_ns):
            self.strays += 1
        elif what == THERE:
            one.arrived_ns = at_ns
            one.answered_ns = self._send(one.way.back, number) or 0
        elif what == BACK and one.answered_ns:
            there_ns, back_ns = one.arrived_ns - one.sent_ns, at_ns - one.answered_ns
            if there_ns + back_ns <= self._timeout_ns:
                del self._pending[(index, number)]
                self._record(index, number, one.sent_ns, there_ns + back_ns, there_ns)
        # A packet in each turn of a loop whose turns are longer than probes are apart: all would wait until given up.
        waited_ns = self._loop.now_ns - self._start_ns + self._wall_start_ns - at_ns
        return what == THERE and waited_ns > BEHIND_NS

    def _record(self, index: int, number: int, sent_ns: int, round_trip_ns: int, there_ns: int) -> None:
        self._records.append(sent_ns - self._wall_start_ns, index, number, round_trip_ns, there_ns)

    def _on_give_up(self, due_ns: int) -> None:
        # What has arrived in time but waits to be read is no loss.
        self._loop.look()
        limit_ns = due_ns - self._start_ns - self._timeout_ns + self._wall_start_ns
        for (index, number), one in tuple(self._pending.items()):  # in the order of sending
            if one.sent_ns > limit_ns:
                break
            del self._pending[(index, number)]
            there_ns = one.arrived_ns - one.sent_ns
            in_time = one.arrived_ns and there_ns <= self._timeout_ns
            self._record(index, number, one.sent_ns, -1, there_ns if in_time else -1)
        self._loop.at(due_ns + self._every_ns, self._on_give_up)


def _coprime_near(wanted: float, count: int) -> int:
    """The number nearest to ``wanted``, at least 1, that shares no divisor with ``count``."""
    near = sorted(range(1, count + 1), key=lambda one: (abs(one - wanted), one))
    return next((one for one in near if math.gcd(one, count) == 1), 1)
