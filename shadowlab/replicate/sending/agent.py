"""The agent's two loops: one reads and spools, the other sends.

In: a reader of sockets, a spool, a sender.  Out: batches at the receiver, and counts.
Never: a reading that waits for the network; a batch forgotten before it was acknowledged or refused for good.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass

from shadowlab.kernel.clock import Clock
from shadowlab.kernel.sockets.sock_diag import SocketReader
from shadowlab.replicate.batch import Head, encode_batch, pack
from shadowlab.replicate.sending.backoff import Backoff
from shadowlab.replicate.sending.changes import STATES, Tracker
from shadowlab.replicate.sending.disguise import Disguise
from shadowlab.replicate.sending.frames import Frame
from shadowlab.replicate.sending.host import HostFigures
from shadowlab.replicate.sending.lines import batches_of, lines_of
from shadowlab.replicate.sending.sender import Sender
from shadowlab.replicate.sending.spool import Spool

MOST_UNSPOOLED = 100_000
"""Lines kept in memory while the spool's disk is full; the oldest go first, and are counted."""
_SECOND_NS = 10**9
_BETWEEN_EVENTS_S = 0.05
"""Ends are gathered for so long, so that a busy host does not wake us for each."""


@dataclass(kw_only=True)
class Counts:
    """What the agent did since it began."""

    readings: int = 0
    late_readings: int = 0
    """Intervals that were over before the reading before was."""
    records: int = 0
    batches: int = 0
    stored: int = 0
    known: int = 0
    """Batches that the receiver had already."""
    refused: int = 0
    """Batches that it will never take."""
    failures: int = 0
    """Tries that came to nothing."""
    dropped_batches: int = 0
    dropped_records: int = 0
    """What was given up because the spool, or the memory beside it, was full."""
    ends_not_told: int = 0
    event_overflows: int = 0
    waiting: int = 0
    """Batches in the spool."""
    clock_correction_ns: int = 0

    def plain(self) -> dict[str, int]:
        """By name."""
        return asdict(self)


_LEAVE_S = 1.0
"""An answer under way is waited for so long when the agent ends."""


class Agent:
    """Runs until :meth:`stop`.  ``say`` is given what an operator should know, once per change."""

    def __init__(
        self,
        *,
        instance: str,
        interval_ns: int,
        reader: SocketReader,
        tracker: Tracker,
        spool: Spool,
        sender: Sender | None,
        backoff: Backoff,
        clock: Clock,
        boot: bytes,
        disguise: Disguise,
        say: Callable[[str], None],
    ) -> None:
        self.counts = Counts()
        self._instance, self._interval_ns = instance, interval_ns
        self._reader, self._tracker, self._spool, self._sender = reader, tracker, spool, sender
        self._backoff, self._clock, self._boot = backoff, clock, boot
        self._disguise, self._say = disguise, say
        self._host = HostFigures()
        self._lock = threading.Lock()
        self._more = threading.Event()
        self._stopping = threading.Event()
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._unspooled: deque[tuple[int, int, list[str]]] = deque()
        self._unspooled_lines = 0
        self._last_wall_ns: int | None = None
        self._trouble = ""
        self._disk_trouble = ""
        self._draining = False
        self._defect: BaseException | None = None

    def stop(self) -> None:
        """End both loops soon; safe in a signal handler."""
        self._stopping.set()
        self._more.set()
        with suppress(OSError):  # it has ended already
            os.write(self._wake_write, b".")

    def run(self, *, readings: int | None, drain_s: float) -> None:
        """Read until stopped, or so many times; then send what waits for at most ``drain_s``."""
        try:
            with self._sending() as sending:
                self._read_loop(readings)
                if sending is not None:
                    with self._lock:
                        self._draining = True
                    self._more.set()
                    sending.join(drain_s)
            if self._defect is not None:
                raise self._defect
        finally:
            os.close(self._wake_read)
            os.close(self._wake_write)
            self._settle()

    @contextmanager
    def _sending(self) -> Iterator[threading.Thread | None]:
        if self._sender is None:
            yield None
            return
        thread = threading.Thread(target=self._send_or_stop, name="sender", daemon=True)
        thread.start()
        try:
            yield thread
        finally:
            self._stopping.set()
            self._more.set()
            thread.join(_LEAVE_S)

    def _settle(self) -> None:
        self.counts.waiting = len(self._spool)
        self.counts.dropped_batches = self._spool.dropped
        self.counts.event_overflows = self._reader.overflows

    # Reading

    def _read_loop(self, readings: int | None) -> None:
        due_ns = self._clock.now_ns()
        while readings is None or self.counts.readings < readings:
            if not self._wait_until(due_ns):
                return
            self.read_once()
            due_ns += self._interval_ns
            late_ns = self._clock.now_ns() - due_ns
            if late_ns > 0:
                missed = -(-late_ns // self._interval_ns)
                self.counts.late_readings += missed
                due_ns += missed * self._interval_ns

    def _wait_until(self, due_ns: int) -> bool:
        """Gather ends of connections until then; False when stopped."""
        while True:
            self._hear_ends()
            if self._stopping.is_set():
                return False
            left_s = (due_ns - self._clock.now_ns()) / _SECOND_NS
            if left_s <= 0:
                return True
            self._reader.wait(left_s, self._wake_read)
            if left_s > _BETWEEN_EVENTS_S and self._stopping.wait(_BETWEEN_EVENTS_S):
                return False

    def _hear_ends(self) -> None:
        at_ns = None
        for message in self._reader.ended():
            if at_ns is None:
                at_ns = self._clock.wall_ns()
            self._tracker.end(message, at_ns)

    def read_once(self) -> None:
        """One reading into the spool."""
        if self._sender is not None:
            self._tracker.own = {self._sender.cookie} - {0}
        wall_ns, mono_ns = self._clock.wall_ns(), self._clock.now_ns()
        changes = self._tracker.read(self._reader.dump(STATES))
        self.counts.readings += 1
        self.counts.ends_not_told += changes.not_told
        lines = lines_of(
            changes,
            self._host.read(),
            instance=self._instance,
            at_ns=wall_ns,
            from_ns=self._last_wall_ns,
            disguise=self._disguise,
        )
        self._last_wall_ns = wall_ns
        for piece in batches_of(lines):
            self._unspooled.append((wall_ns, mono_ns, list(piece)))
            self._unspooled_lines += len(piece)
            self._spool_what_waits()
        self._more.set()

    def _spool_what_waits(self) -> None:
        while self._unspooled:
            wall_ns, mono_ns, lines = self._unspooled[0]
            try:
                self._append(wall_ns, mono_ns, lines)
            except OSError as error:
                self._tell_disk(f"the spool cannot be written ({error.strerror}); keeping records in memory")
                while self._unspooled_lines > MOST_UNSPOOLED:
                    _, _, lost = self._unspooled.popleft()
                    self._unspooled_lines -= len(lost)
                    self.counts.dropped_records += len(lost)
                return
            self._unspooled.popleft()
            self._unspooled_lines -= len(lines)
        self._tell_disk("")

    def _append(self, wall_ns: int, mono_ns: int, lines: list[str]) -> None:
        with self._lock:
            stream, sequence = self._spool.stream, self._spool.next_sequence
        head = Head(instance=self._instance, stream=stream, sequence=sequence, records=len(lines))
        coding, body = pack(encode_batch(head, lines))
        frame = Frame(
            stream=stream,
            sequence=sequence,
            wall_ns=wall_ns,
            mono_ns=mono_ns,
            boot=self._boot,
            coding=coding,
            body=body,
        )
        with self._lock:
            self._spool.append(frame)
        self.counts.batches += 1
        self.counts.records += len(lines)

    # Sending

    def _send_or_stop(self) -> None:
        """An agent that cannot send any more must not look like one that runs."""
        try:
            self._send_loop()
        except BaseException as error:  # noqa: BLE001 - told by the other thread
            self._defect = error
            self.stop()

    def _send_loop(self) -> None:
        assert self._sender is not None
        while not self._stopping.is_set():
            self._more.clear()
            with self._lock:
                found, draining = self._spool.oldest(), self._draining
            if found is None:
                if draining:
                    break
                self._more.wait()
                continue
            wait_s = self.send_once(*found)
            if wait_s and self._stopping.wait(wait_s):
                break
        self._sender.close()

    def send_once(self, frame: Frame, oldest: int) -> float:
        """Try to send this batch; how long to wait before the next."""
        assert self._sender is not None
        outcome = self._sender.send(frame, oldest=oldest, boot=self._boot, wall_ns=self._clock.wall_ns())
        if outcome.verdict == "later":
            self.counts.failures += 1
            self._tell_trouble(f"sending again: {outcome.why}")
            return self._backoff.failed(wanted_s=outcome.wait_s)
        self._backoff.worked()
        if outcome.verdict == "refused":
            self._tell_trouble(f"a batch was refused for good: {outcome.why}")
        else:
            self._tell_trouble("")
        setattr(self.counts, outcome.verdict, getattr(self.counts, outcome.verdict) + 1)
        self.counts.clock_correction_ns = self._sender.clock.correction_ns(
            wall_ns=self._clock.wall_ns(), mono_ns=self._clock.now_ns()
        )
        with self._lock:
            self._spool.acknowledge(frame)
        return 0.0

    def _tell_trouble(self, words: str) -> None:
        if words != self._trouble:
            self._say(words or "sending works again")
        self._trouble = words

    def _tell_disk(self, words: str) -> None:
        if words != self._disk_trouble:
            self._say(words or "the spool can be written again")
        self._disk_trouble = words
