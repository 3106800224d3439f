"""Finite transfers, each over a connection of its own.

In: the workload.  Out: connections that carry so many bytes one way and close.  Imported inside the guest.
"""

from __future__ import annotations

from shadowlab.model.traffic.chance import Chance
from shadowlab.model.traffic.workload import Transfers
from shadowlab.traffic.exchange.channel import Exchange
from shadowlab.traffic.exchange.deciding.arrivals import Listed, Pace, arrival_times
from shadowlab.traffic.exchange.deciding.draws import Pairs
from shadowlab.traffic.exchange.driver import OverTcp, Surroundings


class TransfersDriver(OverTcp):
    """Drives one :class:`~shadowlab.model.traffic.workload.Transfers`."""

    def __init__(self, spec: Transfers, around: Surroundings) -> None:
        super().__init__(spec, around, spec.tcp)
        self._spec = spec
        self._pairs = Pairs(spec.sources, spec.targets, Chance(around.seed, "workload", spec.name, "pairs"))
        self._sizes = Chance(around.seed, "workload", spec.name, "sizes")
        self._arrivals: Pace | Listed | None = None

    def open(self) -> None:
        self.listen(self._spec.targets, self._spec.sources)

    def start(self, zero_ns: int, duration_ns: int) -> None:
        spec, self.zero_ns = self._spec, zero_ns
        end_ns = duration_ns if spec.end_ns is None else min(spec.end_ns, duration_ns)
        self._arrivals = arrival_times(
            spec.arrivals, seed=self.around.seed, name=spec.name, begin_ns=spec.begin_ns, end_ns=end_ns
        )
        self.watch_for(self._arrivals, self._begin)

    def scale(self, factor: float) -> None:
        if self._arrivals is not None:
            self._arrivals.scale(factor, self.loop.now_ns - self.zero_ns)
            self.watch_for(self._arrivals, self._begin)

    def _begin(self, due_ns: int) -> None:
        assert self._arrivals is not None  # it is what was due
        self._arrivals.take()
        source, target = self._pairs.draw()
        size = self._spec.size.whole(self._sizes, least=1)
        exchange = Exchange("transfer", self.next_exchange(), source, target, size, 0, self.zero_ns + due_ns)
        if len(self.channels) >= self._spec.max_concurrent:
            self.refuse(exchange)
        else:
            self.carry(self.channel(source, target), exchange)
        self.watch_for(self._arrivals, self._begin)
