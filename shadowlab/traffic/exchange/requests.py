"""Clients ask, servers answer: a closed loop of users who think, or arrivals over a pool of connections.

In: the workload.  Out: requests and answers over connections that are kept or renewed.  Imported inside the guest.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence

from shadowlab.model.traffic.chance import Chance
from shadowlab.model.traffic.workload import Requests
from shadowlab.traffic.exchange.channel import Channel, Exchange
from shadowlab.traffic.exchange.deciding.arrivals import Listed, Pace, arrival_times
from shadowlab.traffic.exchange.deciding.draws import Pairs
from shadowlab.traffic.exchange.deciding.users import Ask, Users
from shadowlab.traffic.exchange.driver import OverTcp, Surroundings


class _RequestsDriver(OverTcp):
    def __init__(self, spec: Requests, around: Surroundings) -> None:
        super().__init__(spec, around, spec.tcp)
        self.spec = spec
        self._requests = Chance(around.seed, "workload", spec.name, "requests")
        self._responses = Chance(around.seed, "workload", spec.name, "responses")

    def open(self) -> None:
        self.listen(self.spec.servers, self.spec.clients)

    def lead_to(self, servers: Sequence[str], like: str) -> None:
        """The servers from now on; those that are new serve as ``like`` does."""
        for node in servers:
            if node not in self.listeners:
                self.around.desk.add(node, like)
                self.listen((node,), ())
        self.deal_out(servers)

    @abstractmethod
    def deal_out(self, servers: Sequence[str]) -> None:
        """Choose among these from now on."""

    def end_ns(self, duration_ns: int) -> int:
        """Nothing begins from here on."""
        return duration_ns if self.spec.end_ns is None else min(self.spec.end_ns, duration_ns)

    def drawn(self, client: str, server: str, start_ns: int) -> Exchange:
        """The next request, its sizes drawn."""
        request = self.spec.request.whole(self._requests, least=1)
        response = self.spec.response.whole(self._responses, least=1)
        return Exchange("request", self.next_exchange(), client, server, request, response, self.zero_ns + start_ns)

    def ask(self, channel: Channel, exchange: Exchange) -> None:
        """Let the channel carry it, at most as long as clients wait."""
        if self.spec.timeout_ns is not None:
            self.loop.at(exchange.start_ns + self.spec.timeout_ns, self._giver_up(channel, exchange))
        self.carry(channel, exchange)

    @staticmethod
    def _giver_up(channel: Channel, exchange: Exchange) -> Callable[[int], None]:
        def on_timeout(due_ns: int) -> None:
            if channel.exchange is exchange:
                channel.give_up("timed-out")

        return on_timeout


class ClosedLoopDriver(_RequestsDriver):
    """Drives a :class:`~shadowlab.model.traffic.workload.Requests` without arrivals."""

    def __init__(self, spec: Requests, around: Surroundings) -> None:
        super().__init__(spec, around)
        self._users: Users | None = None
        self._kept: dict[int, Channel] = {}
        self._asking: dict[int, int] = {}

    def start(self, zero_ns: int, duration_ns: int) -> None:
        self.zero_ns = zero_ns
        self._users = Users(self.spec, seed=self.around.seed, end_ns=self.end_ns(duration_ns))
        for ask in self._users.begin():
            self._arm(ask)

    def scale(self, factor: float) -> None:
        if self._users is not None:
            for ask in self._users.scale(factor, self.loop.now_ns - self.zero_ns):
                self._arm(ask)

    def deal_out(self, servers: Sequence[str]) -> None:
        if self._users is not None:
            self._users.lead_to(servers)

    def close(self) -> None:
        super().close()
        for channel in self._kept.values():
            channel.close()

    def ended(self, channel: Channel, exchange: Exchange) -> None:
        assert self._users is not None  # somebody asked
        user = self._asking.pop(exchange.number)
        now_ns = self.loop.now_ns - self.zero_ns
        ask, keep = self._users.answered(user, now_ns, alive=not channel.closed)
        if keep:
            self._kept[user] = channel
        else:
            channel.close()
        if ask is not None:
            self._arm(ask)

    def _arm(self, ask: Ask) -> None:
        self.loop.at(self.zero_ns + ask.at_ns, lambda due_ns: self._ask(ask))

    def _ask(self, ask: Ask) -> None:
        assert self._users is not None  # it is one of them
        server = self._users.server_of(ask.user)
        channel = self._kept.pop(ask.user, None)
        if channel is None or channel.closed:
            channel = self.channel(self._users.clients[ask.user], server)
        exchange = self.drawn(channel.source, server, ask.at_ns)
        self._asking[exchange.number] = ask.user
        self.ask(channel, exchange)


class OpenLoopDriver(_RequestsDriver):
    """Drives a :class:`~shadowlab.model.traffic.workload.Requests` with arrivals: each takes the connection of its pair
    that was used last and is idle, or a new one."""

    def __init__(self, spec: Requests, around: Surroundings) -> None:
        super().__init__(spec, around)
        self._pairs = Pairs(spec.clients, spec.servers, Chance(around.seed, "workload", spec.name, "pairs"))
        self._arrivals: Pace | Listed | None = None
        self._idle: dict[tuple[str, str], list[Channel]] = {}
        self._carried: dict[Channel, int] = {}

    def start(self, zero_ns: int, duration_ns: int) -> None:
        spec, self.zero_ns = self.spec, zero_ns
        assert spec.arrivals is not None  # else it would be a closed loop
        self._arrivals = arrival_times(
            spec.arrivals,
            seed=self.around.seed,
            name=spec.name,
            begin_ns=spec.begin_ns,
            end_ns=self.end_ns(duration_ns),
        )
        self.watch_for(self._arrivals, self._begin)

    def scale(self, factor: float) -> None:
        if self._arrivals is not None:
            self._arrivals.scale(factor, self.loop.now_ns - self.zero_ns)
            self.watch_for(self._arrivals, self._begin)

    def deal_out(self, servers: Sequence[str]) -> None:
        self._pairs.lead_to(servers)

    def close(self) -> None:
        super().close()
        for channels in self._idle.values():
            for channel in channels:
                channel.close()

    def ended(self, channel: Channel, exchange: Exchange) -> None:
        carried = self._carried.get(channel, 0) + 1
        limit = self.spec.requests_per_connection
        if channel.closed or (limit and carried >= limit):
            self._carried.pop(channel, None)
            channel.close()
        else:
            self._carried[channel] = carried
            self._idle.setdefault((channel.source, channel.target), []).append(channel)

    def _begin(self, due_ns: int) -> None:
        assert self._arrivals is not None  # it is what was due
        self._arrivals.take()
        client, server = self._pairs.draw()
        exchange = self.drawn(client, server, due_ns)
        if len(self.channels) >= self.spec.max_concurrent:
            self.refuse(exchange)
        else:
            self.ask(self._idle_or_new(client, server), exchange)
        self.watch_for(self._arrivals, self._begin)

    def _idle_or_new(self, client: str, server: str) -> Channel:
        idle = self._idle.get((client, server), [])
        while idle:
            channel = idle.pop()
            if not channel.closed:
                return channel
            self._carried.pop(channel, None)
        return self.channel(client, server)


def requests_driver(spec: Requests, around: Surroundings) -> ClosedLoopDriver | OpenLoopDriver:
    """The one that fits the specification."""
    return ClosedLoopDriver(spec, around) if spec.arrivals is None else OpenLoopDriver(spec, around)
