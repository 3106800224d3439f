"""Watch the flows and the queues: once a second, raw.

In: flows that can be sampled, interfaces to be read.  Out: records of the types ``tcp``, ``tcp-ends`` and
``queues``.
Never: an indicator, a judgement.  Imported inside the guest: standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from shadowlab.kernel.loop import Loop
from shadowlab.kernel.ports import InterfaceCounters
from shadowlab.monitor.layout import FLAG_CLOSED, FLAG_FAILED, FLAG_IDLE
from shadowlab.monitor.raw_files import RawFiles
from shadowlab.store.records import RECORDS

SAMPLE_EVERY_NS = 1_000_000_000
FLOWS_AT_ONCE = 2_500
"""Sampled in one second, unless the user asks otherwise.  A sample costs the guest some 22 µs, so watching the flows
takes about a twentieth of real time at most, however many they are."""
MOST_TURNS = 10
"""Every flow is sampled at least every so many seconds, though that costs more."""
_NOTHING = (0,) * (len(RECORDS["queues"].columns) - 2)


class SampledFlow(Protocol):
    """A flow at one moment, as :class:`shadowlab.traffic.standing.FlowSample` is."""

    @property
    def tcp_info(self) -> bytes: ...
    @property
    def attempt(self) -> int: ...
    @property
    def idle(self) -> bool: ...
    @property
    def closed(self) -> bool: ...
    @property
    def failed(self) -> bool: ...
    @property
    def received_bytes(self) -> int: ...
    @property
    def unsent_bytes(self) -> int: ...


class EndedConnection(Protocol):
    """A connection of a flow that is no more, as :class:`shadowlab.traffic.standing.ConnectionEnd` is."""

    @property
    def at_ns(self) -> int: ...
    @property
    def attempt(self) -> int: ...
    @property
    def failed(self) -> bool: ...
    @property
    def tcp_info(self) -> bytes: ...


class WatchedFlow(Protocol):
    """What can be asked for its present state, and for the connections it had."""

    def sample(self) -> SampledFlow: ...
    def take_ends(self) -> Sequence[EndedConnection]:
        """Those that ended since this was last asked; moments are monotonic."""


class CounterDoor(Protocol):
    """The part of :class:`~shadowlab.kernel.ports.Segment` that observing uses."""

    def counters(self, node: str) -> Mapping[str, InterfaceCounters]: ...


def turns_for(flows: int) -> int:
    """Into how many groups so many flows are divided, of which one is sampled each second."""
    return max(1, min(-(-flows // FLOWS_AT_ONCE), MOST_TURNS))


class Observer:
    """Samples at the run's zero and every ``sample_every_ns`` after it, the end included.

    Flows take ``turns``: of those, each sample is of every so-manieth flow, the first and the last sample are of all.
    The end of a connection is kept whenever it comes.
    """

    def __init__(
        self,
        *,
        loop: Loop,
        segment: CounterDoor,
        flows: Sequence[WatchedFlow],
        interfaces: Sequence[tuple[str, str]],
        files: RawFiles,
        sample_every_ns: int = SAMPLE_EVERY_NS,
        turns: int = 1,
    ) -> None:
        self._loop = loop
        self._segment = segment
        self._flows = tuple(flows)
        self._interfaces = tuple(interfaces)
        self._nodes = tuple(dict.fromkeys(node for node, _ in interfaces))
        self._files = files
        self._every_ns = sample_every_ns
        self._turns = turns
        self._round = 0
        self._start_ns = 0
        self._end_ns = 0
        self.missing_interfaces = 0
        """Samples that an interface was not there for; its record then holds zeros but for time and index."""

    def start(self, start_ns: int, duration_ns: int) -> None:
        """Begin at ``start_ns`` (monotonic)."""
        self._start_ns = start_ns
        self._end_ns = start_ns + duration_ns
        self._loop.at(start_ns, self._on_sample)

    def _on_sample(self, due_ns: int) -> None:
        at_ns = max(self._loop.now_ns, due_ns) - self._start_ns
        last = due_ns + self._every_ns > self._end_ns
        self._sample_flows(at_ns, whole=last or self._round == 0)
        self._sample_queues(at_ns)
        self._files.flush_in_time(at_ns)
        self._round += 1
        if not last:
            self._loop.at(due_ns + self._every_ns, self._on_sample)

    def _sample_flows(self, at_ns: int, *, whole: bool) -> None:
        append, ended = self._files.rows("tcp").append, self._files.rows("tcp-ends").append
        for index, flow in enumerate(self._flows):
            for end in flow.take_ends():
                ended(end.at_ns - self._start_ns, index, end.attempt, end.failed, end.tcp_info)
            if not whole and (index - self._round) % self._turns:
                continue
            seen = flow.sample()
            flags = FLAG_CLOSED * seen.closed | FLAG_FAILED * seen.failed | FLAG_IDLE * seen.idle
            append(at_ns, index, flags, seen.attempt, seen.received_bytes, seen.unsent_bytes, seen.tcp_info)

    def _sample_queues(self, at_ns: int) -> None:
        append = self._files.rows("queues").append
        by_node = {node: self._segment.counters(node) for node in self._nodes}
        for index, (node, name) in enumerate(self._interfaces):
            one = by_node[node].get(name)
            if one is None:
                self.missing_interfaces += 1
                append(at_ns, index, *_NOTHING)
                continue
            append(
                at_ns,
                index,
                one.queue_drops,
                one.queue_sent_bytes,
                one.queue_sent_packets,
                one.rx_bytes,
                one.queue_packets,
                one.queue_bytes,
                one.queue_sent_packets + one.queue_drops + one.queue_packets,
                one.queue_marks,
                one.queue_overlimits,
                one.queue_requeues,
                one.queue_losses,
            )
