"""The life of one replicated connection, as a state machine without a socket.

In: events (started, connected, a tick, so many bytes accepted, a failure).  Out: a tuple of commands for the engine.
Never: input or output, a clock, chance.

::

    idle --start--> connecting --connected--> open --size reached--> finishing --ended--> closed
                        ^   |                  |                         |
                        |   +------ failed ----+------ failed -----------+
                        |            v
                        +--retry-- waiting --attempts used up--> failed

What a flow of requests and responses says and when is decided by :mod:`~shadowlab.traffic.dialogue`; its session has
the connection's life only.

A paced writer earns ``rate * tick`` bytes at every tick, or what its pattern says, whatever the state of its
connection, as an application would; what TCP does not take is kept, at most one second's worth, and the rest is counted
in ``unsent_bytes``.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from shadowlab.model.flow import FlowSpec
from shadowlab.traffic.pattern import Pattern

State = Literal["idle", "connecting", "open", "finishing", "waiting", "closed", "failed"]

TICK_NS = 50_000_000
TICKS_NS = (TICK_NS, 20_000_000, 10_000_000, 4_000_000, 2_000_000)
BURST_BYTES = 16_384
"""A paced writer offers no more than this at once, if ticks can be so short.  Each tick costs the guest some 25 µs: at
the shortest one a fast flow's ticks cost a tenth of its packets."""
SLOW_TICKS_NS = (100_000_000, 200_000_000, 500_000_000, 1_000_000_000)
"""Of a flow whose write would be a fraction of a segment: each divides a second, so that every second has as many."""
SEGMENT_BYTES = 1448
LEAST_WRITE_BYTES = SEGMENT_BYTES // 4
"""A packet costs as much however little it carries, and ten thousand slow flows would send little else."""
ATTEMPTS = 8
"""Connections tried for one flow before it is given up."""
BACK_OFF_NS = 1_000_000_000
MAX_BACK_OFF_NS = 16_000_000_000
GREEDY_CHUNK_BYTES = 262_144

_BIT_NS_PER_BYTE = 8_000_000_000
_BACKLOG_NS = 1_000_000_000


class Connect(NamedTuple):
    """Open a new connection; ``attempt`` counts from 0."""

    attempt: int


class Write(NamedTuple):
    """Offer ``size`` bytes to TCP and report how many it took by :meth:`Session.wrote`."""

    size: int


class AwaitWritable(NamedTuple):
    """Report by :meth:`Session.writable` whenever TCP takes bytes."""


class TickAt(NamedTuple):
    """Call :meth:`Session.tick` at ``at_ns``."""

    at_ns: int


class RetryAt(NamedTuple):
    """Call :meth:`Session.retry` at ``at_ns``."""

    at_ns: int


class Finish(NamedTuple):
    """No more bytes will come: end the stream once TCP has sent what it holds."""


class Drop(NamedTuple):
    """Close the connection, whatever its state."""


Command = Connect | Write | AwaitWritable | TickAt | RetryAt | Finish | Drop
Commands = tuple[Command, ...]


def tick_of(spec: FlowSpec) -> int:
    """How often a paced writer writes: seldom, unless that makes bursts; a slow one when it has a whole segment."""
    peak_bps = max((one.rate_bps for one in spec.pattern), default=spec.rate_bps or 0)
    if 0 < peak_bps * TICK_NS < LEAST_WRITE_BYTES * _BIT_NS_PER_BYTE:
        whole = (tick for tick in SLOW_TICKS_NS if peak_bps * tick >= SEGMENT_BYTES * _BIT_NS_PER_BYTE)
        return next(whole, SLOW_TICKS_NS[-1])
    fits = (tick for tick in TICKS_NS if peak_bps * tick <= BURST_BYTES * _BIT_NS_PER_BYTE)
    return next(fits, TICKS_NS[-1])


class Session:
    """One flow.  ``phase_ns`` shifts its ticks against those of other flows and is shorter than a tick."""

    def __init__(self, spec: FlowSpec, *, tick_ns: int = TICK_NS, phase_ns: int = 0, attempts: int = ATTEMPTS) -> None:
        if not 0 <= phase_ns < tick_ns:
            raise ValueError(f"flow {spec.id}: phase {phase_ns} ns must lie within a tick of {tick_ns} ns")
        self.spec = spec
        self.state: State = "idle"
        self.attempt = 0
        self.failures = 0
        self.last_failure = ""
        self.written_bytes = 0
        self.unsent_bytes = 0
        self.tick_ns = tick_ns
        self._phase_ns = phase_ns
        self._attempts = attempts
        self._paced = spec.flow_class == "paced"
        self._talks = spec.dialogue is not None
        self._rate_bps = spec.rate_bps or 0
        self._peak_bps = max((one.rate_bps for one in spec.pattern), default=self._rate_bps)
        self._factor = 1.0
        self._pattern: Pattern | None = None
        self._start_ns = 0
        self._backlog_bytes = 0
        self._carry = 0
        self._earned_until_ns = 0

    @property
    def backlog_bytes(self) -> int:
        """What a paced writer has earned and TCP has not yet taken."""
        return self._backlog_bytes

    @property
    def rate_bps(self) -> int:
        """The rate of a paced writer as scaled now; 0 for a greedy one."""
        return self._rate_bps

    def scale(self, factor: float) -> None:
        """From now on pace at ``factor`` times the *specified* rate.  A greedy writer has no rate and stays."""
        if factor < 0:
            raise ValueError(f"flow {self.spec.id}: demand cannot be scaled by {factor:g}")
        if self._paced and self.spec.rate_bps is not None:
            self._factor = factor
            self._rate_bps = round(self.spec.rate_bps * factor)
            if self._pattern is not None:
                self._pattern = Pattern(self.spec.pattern, self._start_ns, factor)

    def start(self, now_ns: int) -> Commands:
        """The flow begins."""
        if self.state != "idle":
            return ()
        self.state = "connecting"
        self._start_ns = self._earned_until_ns = now_ns
        if self.spec.pattern:
            self._pattern = Pattern(self.spec.pattern, now_ns, self._factor)
        if self._paced:
            return Connect(0), TickAt(now_ns + (self._phase_ns or self.tick_ns))
        return (Connect(0),)

    def connected(self) -> Commands:
        """The handshake is done."""
        if self.state != "connecting":
            return ()
        self.state = "open"
        if self.written_bytes and self.spec.size_bytes == self.written_bytes:
            # A second connection after one that died while finishing: nothing is left to write.
            return self.wrote(0)
        if self._talks:
            return ()
        return self._offer() if self._paced else (AwaitWritable(),)

    def tick(self, due_ns: int) -> Commands:
        """A tick was due at ``due_ns``: earn the bytes since the last one, and offer what is held."""
        if self.state in ("idle", "closed", "finishing"):
            return ()
        if self._pattern is None:
            gained = self._rate_bps * (due_ns - self._earned_until_ns)
        else:
            gained = self._pattern.earned(self._earned_until_ns, due_ns)
        earned, self._carry = divmod(self._carry + gained, _BIT_NS_PER_BYTE)
        self._earned_until_ns = due_ns
        if self.spec.size_bytes is not None:
            earned = min(earned, self.spec.size_bytes - self.written_bytes - self._backlog_bytes)
        self._backlog_bytes += earned
        room = round(self._peak_bps * self._factor) * max(_BACKLOG_NS, 2 * self.tick_ns) // _BIT_NS_PER_BYTE
        # After a cut of the rate the old backlog may exceed the new bound: it drains, only new demand is refused.
        excess = min(max(self._backlog_bytes - room, 0), earned)
        self._backlog_bytes -= excess
        self.unsent_bytes += excess
        return *self._offer(), TickAt(self._next_tick(due_ns))

    def writable(self) -> Commands:
        """TCP takes bytes (asked for by :class:`AwaitWritable`)."""
        if self.state != "open":
            return ()
        left = GREEDY_CHUNK_BYTES
        if self.spec.size_bytes is not None:
            left = min(left, self.spec.size_bytes - self.written_bytes)
        return (Write(left),)

    def wrote(self, accepted: int) -> Commands:
        """TCP took ``accepted`` bytes of the last :class:`Write`; 0 when its buffer is full."""
        self.written_bytes += accepted
        if self._paced:
            self._backlog_bytes -= accepted
        if self.state == "open" and self.spec.size_bytes is not None and self.written_bytes >= self.spec.size_bytes:
            self.state = "finishing"
            return (Finish(),)
        return ()

    def ended(self, now_ns: int) -> Commands:
        """The other side closed: the wanted end of a finishing flow, a failure of any other."""
        if self.state == "finishing":
            self.state = "closed"
            return (Drop(),)
        return self.failed(now_ns, "closed by the target")

    def failed(self, now_ns: int, reason: str) -> Commands:
        """The connection could not be made, or died."""
        if self.state not in ("connecting", "open", "finishing"):
            return ()
        self.failures += 1
        self.last_failure = reason
        self.attempt += 1
        if self.attempt >= self._attempts:
            self.state = "failed"
            return (Drop(),)
        self.state = "waiting"
        return Drop(), RetryAt(now_ns + min(BACK_OFF_NS << (self.attempt - 1), MAX_BACK_OFF_NS))

    def retry(self) -> Commands:
        """The back-off is over."""
        if self.state != "waiting":
            return ()
        self.state = "connecting"
        return (Connect(self.attempt),)

    def _next_tick(self, due_ns: int) -> int:
        """On the grid of ticks; while nothing is held and nothing earned there is none."""
        following = due_ns + self.tick_ns
        if self._pattern is None or self._backlog_bytes:
            return following
        goes_on_ns = self._pattern.goes_on_ns(due_ns)
        if goes_on_ns is None or goes_on_ns < following:
            return following
        return following + (goes_on_ns - due_ns) // self.tick_ns * self.tick_ns

    def _offer(self) -> Commands:
        if self.state == "open" and self._backlog_bytes > 0:
            return (Write(self._backlog_bytes),)
        return ()
