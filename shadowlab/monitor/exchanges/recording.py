"""Keep every exchange that ended, every sample of an instance and of a stream of datagrams, raw.

In: the values of :mod:`shadowlab.model.traffic.completion`.  Out: rows of their record types.
Never: an indicator.  Imported inside the guest: standard library only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from shadowlab.kernel.loop import Loop
from shadowlab.model.traffic.completion import KINDS, OUTCOMES, Completion, InstanceSample, StreamSample
from shadowlab.store.recorder import Rows


class RowsDoor(Protocol):
    """The part of :class:`~shadowlab.monitor.raw_files.RawFiles` that this uses."""

    def rows(self, name: str) -> Rows: ...


class Sampled(Protocol):
    """What can be asked for its present state, as :class:`shadowlab.traffic.exchange.engine.Exchanges` can."""

    def instances(self) -> list[InstanceSample]: ...
    def streams(self) -> list[StreamSample]: ...


class ExchangeRecorder:
    """Writes to ``files``; nodes are numbered by their place in ``nodes``."""

    def __init__(self, files: RowsDoor, nodes: Sequence[str]) -> None:
        self._exchanges = files.rows("exchanges")
        self._instances = files.rows("instances")
        self._streams = files.rows("streams")
        self._nodes = {node: index for index, node in enumerate(nodes)}
        self._kinds = {kind: index for index, kind in enumerate(KINDS)}
        self._outcomes = {outcome: index for index, outcome in enumerate(OUTCOMES)}

    def completed(self, one: Completion) -> None:
        """An exchange has ended."""
        self._exchanges.append(
            one.end_ns,
            one.workload,
            one.number,
            self._nodes[one.source],
            self._nodes[one.target],
            self._kinds[one.kind],
            self._outcomes[one.outcome],
            one.start_ns,
            one.connected_ns,
            one.first_byte_ns,
            one.sent_bytes,
            one.received_bytes,
            one.waited_ns,
            one.service_ns,
            one.reused,
            min(one.tries, 255),
            one.errno,
            one.tcp_info,
        )

    def sample(self, seen: Sampled) -> None:
        """Keep the state of every instance and every stream now."""
        for instance in seen.instances():
            self._instances.append(instance.at_ns, self._nodes[instance.node], *instance[2:])
        for stream in seen.streams():
            self._streams.append(*stream)

    def start(self, loop: Loop, seen: Sampled, zero_ns: int, duration_ns: int, every_ns: int) -> None:
        """Sample at ``zero_ns`` (monotonic) and every ``every_ns`` after it, the end included."""

        def on_sample(due_ns: int) -> None:
            self.sample(seen)
            if due_ns + every_ns <= zero_ns + duration_ns:
                loop.at(due_ns + every_ns, on_sample)

        loop.at(zero_ns, on_sample)
