"""Send a trial's packets over a living link and note what arrives, by kernel timestamps.

In: a segment, trials.  Out: counts and times, raw.  Never: a judgement; never a wait by a busy loop.
Imported inside the guest: standard library only.

Sender and receiver are sockets of this one process in the two nodes, bound to the link's own addresses, so nothing is
routed.  Both ends have one clock.  A packet carries its part, its number and when it left.
"""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import pairwise

from shadowlab.errors import ShadowFailedError
from shadowlab.kernel.clock import Clock, KernelClock
from shadowlab.kernel.loop import KernelWaiter
from shadowlab.monitor.linktest.record import Measured, Precision
from shadowlab.monitor.linktest.trial import SKIPPED, End, Trial
from shadowlab.monitor.probe_sockets import ProbeDoor

_SO_SNDBUFFORCE, _SO_RCVBUFFORCE, _SO_TIMESTAMPNS = 32, 33, 35
_BUFFER_BYTES = 64 << 20
_HEAD = struct.Struct("<IIq")  # part, number, sent
_TIMESPEC = struct.Struct("qq")
_ANCILLARY_BYTES = socket.CMSG_SPACE(_TIMESPEC.size)
_LARGEST = 1 << 16
_SLACK_NS = 100_000_000
"""Beyond its transit a packet has so long to arrive: real kernels are late."""
_LOOK_EVERY = 64
"""While many packets are sent at once, what has arrived is read after so many."""
_LONG_PAUSE = 4
_TIMERS, _TIMER_NS = 40, 1_000_000
_LOOPBACK_PROBES, _LOOPBACK_TRAIN, _LOOPBACK_WINDOW = 30, 300, 50


OnDone = Callable[[int], None]
"""Called with the number of directions done."""


def measure(
    segment: ProbeDoor, trials: Sequence[Trial], *, on_done: OnDone = lambda _done: None, clock: Clock | None = None
) -> tuple[Precision, tuple[Measured, ...]]:
    """Carry out every trial, one after the other.  Needs at least one."""
    watch = clock if clock is not None else KernelClock()
    first = trials[0].sender
    with _Wire(segment, first, first, watch) as loopback:
        precision = _precision(loopback, watch)
    found = []
    for number, trial in enumerate(trials):
        try:
            with _Wire(segment, trial.sender, trial.receiver, watch) as wire:
                found.append(_measure(wire, trial))
        except (OSError, ShadowFailedError) as error:  # a node or an address that is gone: the others still count
            found.append(Measured(direction=trial.direction, trouble=str(error)))
        on_done(number + 1)
    return precision, tuple(found)


def _measure(wire: _Wire, trial: Trial) -> Measured:
    patience_ns = trial.transit_ns + _SLACK_NS
    delays = wire.spaced(trial.probes, trial.small_bytes, 1, trial.probe_gap_ns, patience_ns, trial.part_ns)
    loss = wire.spaced(
        trial.loss_packets, trial.small_bytes, trial.loss_batch, trial.loss_gap_ns, patience_ns, trial.part_ns
    )
    train = wire.windowed(
        trial.train_packets,
        trial.train_bytes,
        trial.train_window,
        patience_ns + trial.train_drain_ns,
        trial.part_ns,
        start=trial.train_start,
        gap_ns=trial.train_gap_ns,
    )
    drain_ns = patience_ns + trial.burst_drain_ns
    burst = wire.spaced(trial.burst_packets, trial.burst_bytes, trial.burst_packets, 0, drain_ns, trial.part_ns)
    span_ns, came, numbers = _span(train)
    return Measured(
        direction=trial.direction,
        delays_ns=tuple(at - delays.left[number] for number, at in delays.first.items()),
        loss_sent=len(loss.left),
        loss_came=len(loss.first),
        loss_held=most_held(loss, trial.burst_hold_ns),
        repeated=len(loss.came) - len(loss.first),
        train_span_ns=span_ns,
        train_came=came,
        train_numbers=numbers,
        train_stalled_ns=stalled_ns([at for _, at in train.came[SKIPPED:]]),
        burst_sent=len(burst.left),
        burst_came=len(burst.first),
        burst_held=most_held(burst, trial.burst_hold_ns),
    )


class Passed:
    """What left (when, by number) and what came (number, when; in the order of arrival)."""

    def __init__(self) -> None:
        self.left: list[int] = []
        self.came: list[tuple[int, int]] = []

    @property
    def first(self) -> dict[int, int]:
        """When each number came first."""
        return dict(reversed(self.came))


def _span(train: Passed) -> tuple[int, int, int]:
    """Time, arrivals and numbers between an arrival at the head and the last."""
    if len(train.came) < SKIPPED + 2:
        return 0, 0, 0
    (low, begin), (high, end) = train.came[SKIPPED], train.came[-1]
    return end - begin, len(train.came) - 1 - SKIPPED, high - low


def stalled_ns(arrivals: Sequence[int]) -> int:
    """Time within pauses of more than four times the usual one, beyond the usual one: a machine that is busy with
    something else makes a few long pauses, a slow link makes all of them longer."""
    pauses = sorted(later - one for one, later in pairwise(arrivals))
    if not pauses:
        return 0
    usual = pauses[len(pauses) // 2]
    return sum(pause - usual for pause in pauses if pause > _LONG_PAUSE * usual)


def most_held(burst: Passed, hold_ns: int) -> int:
    """The most packets that had left and not arrived at one moment, lost ones left out; each one's arrival counts
    ``hold_ns`` before it happened, for that long it was on its way outside of the buffer."""
    first = burst.first
    arrivals = sorted(first.values())
    held = most = gone = 0
    for number, left_ns in enumerate(burst.left):
        while gone < len(arrivals) and arrivals[gone] - hold_ns <= left_ns:
            gone += 1
        held += number in first
        most = max(most, held - gone)
    return most


def _precision(loopback: _Wire, clock: Clock) -> Precision:
    late = sorted(loopback.sleep_until(clock.now_ns() + _TIMER_NS) for _ in range(_TIMERS))
    probes = loopback.spaced(_LOOPBACK_PROBES, 64, 1, _TIMER_NS, _SLACK_NS, _SLACK_NS)
    passages = sorted(at - probes.left[number] for number, at in probes.first.items())
    payload = 1400
    train = loopback.windowed(_LOOPBACK_TRAIN, payload, _LOOPBACK_WINDOW, _SLACK_NS, _SLACK_NS)
    span_ns, came, _ = _span(train)
    return Precision(
        late_ns=late[len(late) // 2],
        late_p90_ns=late[len(late) * 9 // 10],
        passage_ns=passages[len(passages) // 2] if passages else 0,
        most_bps=round(came * 8 * payload * 1e9 / span_ns) if span_ns > came else 0,
    )


class _Wire:
    """A sender and a receiver at two ends of a link (or at one, for the loopback).  Enter it to open them."""

    def __init__(self, segment: ProbeDoor, sender: End, receiver: End, clock: Clock) -> None:
        self._segment = segment
        self._ends = (sender, receiver)
        self._clock = clock
        self._part = 0
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> _Wire:
        self._waiter = KernelWaiter()
        try:
            for end in self._ends:
                opened = self._segment.open_socket(end.node, socket.AF_INET, socket.SOCK_DGRAM)
                self._sockets.append(opened)
                for option in (_SO_SNDBUFFORCE, _SO_RCVBUFFORCE):
                    _enlarge(opened, option)
                opened.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
                opened.bind((end.address, 0))
            self._sender, self._receiver = self._sockets
            self._sender.connect(self._receiver.getsockname())
            self._receiver.connect(self._sender.getsockname())
            self._waiter.watch(self._receiver.fileno(), select.EPOLLIN, lazy=False)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        for one in self._sockets:
            one.close()
        self._waiter.close()

    def sleep_until(self, when_ns: int) -> int:
        """How late we woke up."""
        while self._clock.now_ns() < when_ns:
            self._waiter.wait(when_ns)
        return self._clock.now_ns() - when_ns

    def spaced(self, count: int, payload_bytes: int, batch: int, gap_ns: int, patience_ns: int, most_ns: int) -> Passed:
        """Send ``batch`` packets every ``gap_ns`` until ``count`` have left, or for ``most_ns``."""
        passed = self._begin()
        if not count:
            return passed
        begin_ns = due_ns = self._clock.now_ns()
        while len(passed.left) < count and due_ns - begin_ns <= most_ns:
            for _ in range(min(batch, count - len(passed.left))):
                self._send(passed, payload_bytes)
                if len(passed.left) % _LOOK_EVERY == 0:
                    self._take(passed)
            due_ns = max(due_ns + gap_ns, self._clock.now_ns())
            if len(passed.left) < count:
                self._take_until(passed, due_ns)
        self._settle(passed, patience_ns)
        return passed

    def windowed(
        self,
        count: int,
        payload_bytes: int,
        window: int,
        patience_ns: int,
        most_ns: int,
        *,
        start: int = _LARGEST,
        gap_ns: int = 0,
    ) -> Passed:
        """Send ``count`` packets, ``window`` on their way at once: a packet that came, or whose successor came, makes
        room for the next.  Those of the first window that follow ``start`` leave with a gap before each."""
        passed = self._begin()
        highest = -1
        begin_ns = self._clock.now_ns()
        while len(passed.left) < count and self._clock.now_ns() - begin_ns <= most_ns:
            while len(passed.left) < min(count, highest + 1 + window):
                if start <= len(passed.left) < window:
                    self._take_until(passed, begin_ns + (len(passed.left) - start + 1) * gap_ns)
                self._send(passed, payload_bytes)
            before = len(passed.came)
            self._wait(passed, self._clock.now_ns() + patience_ns)
            if len(passed.came) == before:
                highest = len(passed.left) - 1  # all that were on their way are lost
            highest = max([highest, *(number for number, _ in passed.came[before:])])
        self._settle(passed, patience_ns)
        return passed

    def _begin(self) -> Passed:
        self._part += 1
        return Passed()

    def _send(self, passed: Passed, payload_bytes: int) -> None:
        at_ns = self._clock.wall_ns()
        packet = _HEAD.pack(self._part, len(passed.left), at_ns)
        passed.left.append(at_ns)
        with suppress(OSError):  # refused by a full queue or a link that is down: it counts as lost
            self._sender.send(packet.ljust(payload_bytes, b"\0"))

    def _take(self, passed: Passed) -> None:
        """Read whatever has arrived."""
        while True:
            try:
                payload, ancillary, _, _ = self._receiver.recvmsg(_LARGEST, _ANCILLARY_BYTES)
            except BlockingIOError:
                return
            except OSError:  # an ICMP error for an earlier packet
                continue
            if len(payload) < _HEAD.size or not ancillary:
                continue
            part, number, _ = _HEAD.unpack_from(payload)
            if part == self._part and number < len(passed.left):
                seconds, rest = _TIMESPEC.unpack(ancillary[0][2])
                passed.came.append((number, seconds * 1_000_000_000 + rest))

    def _wait(self, passed: Passed, until_ns: int) -> None:
        """Until something has arrived, or ``until_ns``."""
        self._waiter.wait(until_ns)
        self._take(passed)

    def _take_until(self, passed: Passed, until_ns: int) -> None:
        while self._clock.now_ns() < until_ns:
            self._wait(passed, until_ns)
        self._take(passed)

    def _settle(self, passed: Passed, patience_ns: int) -> None:
        """Until everything has arrived, or until the longest that the last packet may take has passed."""
        until_ns = self._clock.now_ns() + patience_ns
        while self._clock.now_ns() < until_ns and len(passed.came) < len(passed.left):
            self._wait(passed, until_ns)


def _enlarge(opened: socket.socket, option: int) -> None:
    """A large buffer, beyond the usual bound where we may."""
    try:
        opened.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)
    except PermissionError:
        plain = {_SO_SNDBUFFORCE: socket.SO_SNDBUF, _SO_RCVBUFFORCE: socket.SO_RCVBUF}[option]
        opened.setsockopt(socket.SOL_SOCKET, plain, _BUFFER_BYTES)
