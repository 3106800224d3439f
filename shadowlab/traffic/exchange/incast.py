"""One asks all at once, and all answer at once: rounds with a barrier.

In: the workload.  Out: a request to every worker at the beginning of each round, over connections that are kept.
Imported inside the guest.
"""

from __future__ import annotations

from shadowlab.model.traffic.chance import Chance
from shadowlab.model.traffic.workload import Incast
from shadowlab.traffic.exchange.channel import Channel, Exchange
from shadowlab.traffic.exchange.deciding.rounds import Rounds
from shadowlab.traffic.exchange.driver import OverTcp, Surroundings

REQUEST_BYTES = 64


class IncastDriver(OverTcp):
    """Drives one :class:`~shadowlab.model.traffic.workload.Incast`."""

    def __init__(self, spec: Incast, around: Surroundings) -> None:
        super().__init__(spec, around, spec.tcp)
        self._spec = spec
        self._workers = tuple(one for one in spec.workers if one != spec.aggregator)
        self._sizes = Chance(around.seed, "workload", spec.name, "sizes")
        self._rounds: Rounds | None = None
        self._kept: dict[int, Channel] = {}

    def open(self) -> None:
        self.listen(self._workers, (self._spec.aggregator,))

    def start(self, zero_ns: int, duration_ns: int) -> None:
        spec, self.zero_ns = self._spec, zero_ns
        self._rounds = Rounds(spec, end_ns=duration_ns if spec.end_ns is None else min(spec.end_ns, duration_ns))
        self.watch_for(self._rounds, self._begin)

    def scale(self, factor: float) -> None:
        if self._rounds is not None:
            self._rounds.scale(factor, self.loop.now_ns - self.zero_ns)
            self.watch_for(self._rounds, self._begin)

    def close(self) -> None:
        super().close()
        for channel in self._kept.values():
            channel.close()

    def ended(self, channel: Channel, exchange: Exchange) -> None:
        assert self._rounds is not None  # it is part of a round
        worker = exchange.number % len(self._workers)
        if not channel.closed:
            self._kept[worker] = channel
        self._rounds.ended(worker, self.loop.now_ns - self.zero_ns)
        self.watch_for(self._rounds, self._begin)

    def _begin(self, due_ns: int) -> None:
        assert self._rounds is not None  # it is what was due
        self._rounds.begin(due_ns, len(self._workers))
        for index, worker in enumerate(self._workers):
            channel = self._kept.pop(index, None)
            if channel is None or channel.closed:
                channel = self.channel(self._spec.aggregator, worker)
            size = self._spec.response.whole(self._sizes, least=1)
            start_ns = self.zero_ns + due_ns
            exchange = Exchange(
                "incast", self.next_exchange(), self._spec.aggregator, worker, REQUEST_BYTES, size, start_ns
            )
            self.carry(channel, exchange)
