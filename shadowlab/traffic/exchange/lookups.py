"""DNS-like exchanges over UDP: a question, an answer, and the question again if none comes.

In: the workload.  Out: questions and answers.  Imported inside the guest: standard library only.
"""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Callable

from shadowlab.model.traffic.chance import Chance
from shadowlab.model.traffic.completion import Outcome
from shadowlab.model.traffic.workload import Lookups
from shadowlab.traffic.exchange.channel import Exchange
from shadowlab.traffic.exchange.deciding.arrivals import Listed, Pace, arrival_times
from shadowlab.traffic.exchange.deciding.draws import Pairs
from shadowlab.traffic.exchange.driver import Driver, Surroundings

_HEAD = struct.Struct("<QB")
"""The exchange's number, and whether this is a refusal."""
_ZEROS = bytes(65_507)
_MOST_BYTES = 65_507
"""A datagram over IPv4 holds no more."""


class LookupsDriver(Driver):
    """Drives one :class:`~shadowlab.model.traffic.workload.Lookups`.  An answer to an earlier try is as good as one to
    the last."""

    def __init__(self, spec: Lookups, around: Surroundings) -> None:
        super().__init__(spec, around)
        self._spec = spec
        self._sockets = around.sockets(spec.name, dscp=spec.dscp)
        self._pairs = Pairs(spec.clients, spec.servers, Chance(around.seed, "workload", spec.name, "pairs"))
        self._requests = Chance(around.seed, "workload", spec.name, "requests")
        self._responses = Chance(around.seed, "workload", spec.name, "responses")
        self._arrivals: Pace | Listed | None = None
        self._asking: dict[str, socket.socket] = {}
        self._answering: dict[str, socket.socket] = {}
        self._at: dict[str, tuple[str, int]] = {}
        self._waiting: dict[int, Exchange] = {}

    def open(self) -> None:
        sockets = self._sockets
        for node in dict.fromkeys(self._spec.servers):
            port = sockets.ports.listener(node)
            self._answering[node] = sockets.datagrams(node, port)
            self._at[node] = (sockets.addresses[node], port)
            self._watch(self._answering[node], self._on_question, node)
        for node in dict.fromkeys(self._spec.clients):
            self._asking[node] = sockets.datagrams(node, sockets.ports.source(node))
            self._watch(self._asking[node], self._on_answer, node)

    def close(self) -> None:
        for held in (self._asking, self._answering):
            for sock in held.values():
                self.loop.remove(sock.fileno(), closing=True)
                sock.close()
            held.clear()

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

    def going_on(self) -> list[Callable[[], None]]:
        def ends(exchange: Exchange) -> Callable[[], None]:
            return lambda: self._end(exchange, "unfinished")

        return [ends(exchange) for _, exchange in sorted(self._waiting.items())]

    def _watch(self, sock: socket.socket, callback: Callable[[socket.socket, str], bool], node: str) -> None:
        self.loop.add(
            sock.fileno(), select.EPOLLIN, lambda events: callback(sock, node), name=f"traffic {self.name} at {node}"
        )

    def _begin(self, due_ns: int) -> None:
        assert self._arrivals is not None  # it is what was due
        self._arrivals.take()
        client, server = self._pairs.draw()
        request = min(_MOST_BYTES, self._spec.request.whole(self._requests, least=_HEAD.size))
        response = min(_MOST_BYTES, self._spec.response.whole(self._responses, least=_HEAD.size))
        number = self.next_exchange()
        exchange = Exchange("lookup", number, client, server, request, response, self.zero_ns + due_ns)
        self._waiting[number] = exchange
        exchange.tries = 0
        self._ask(exchange)
        self.watch_for(self._arrivals, self._begin)

    def _ask(self, exchange: Exchange) -> None:
        exchange.tries += 1
        self._send(self._asking[exchange.source], exchange, exchange.request_bytes, False, self._at[exchange.target])
        self.loop.at(self.loop.now_ns + self._spec.timeout_ns, lambda due_ns: self._on_timeout(exchange))

    def _on_timeout(self, exchange: Exchange) -> None:
        if exchange.number not in self._waiting:
            return
        if exchange.tries < self._spec.tries:
            self._ask(exchange)
        else:
            self._end(exchange, "timed-out")

    def _on_question(self, sock: socket.socket, node: str) -> bool:
        try:
            head, peer = sock.recvfrom(_HEAD.size)
        except OSError:  # an error that an earlier answer met: its question will be asked again
            return True
        exchange = self._waiting.get(_HEAD.unpack(head)[0])
        if exchange is not None:
            exchange.sent_bytes = exchange.request_bytes
            asked = exchange
            self.around.desk.serve(node, asked, lambda size, refused: self._send(sock, asked, size, refused, peer))
        return True

    def _on_answer(self, sock: socket.socket, node: str) -> bool:
        try:
            size = sock.recv_into(_ANSWER, 0, socket.MSG_TRUNC)
        except OSError:  # nobody listens there: the time-out tells
            return True
        number, refused = _HEAD.unpack_from(_ANSWER)
        exchange = self._waiting.get(number)
        if exchange is not None:
            exchange.received_bytes = size
            exchange.first_byte_ns = self.loop.now_ns
            self._end(exchange, "refused" if refused else "ok")
        return True

    def _send(self, sock: socket.socket, exchange: Exchange, size: int, refused: bool, target: tuple[str, int]) -> None:
        if sock.fileno() < 0:
            return
        try:
            sock.sendto(_HEAD.pack(exchange.number, refused) + _ZEROS[: size - _HEAD.size], target)
        except OSError:  # no route, or no room: lost like any other datagram
            return

    def _end(self, exchange: Exchange, outcome: Outcome) -> None:
        del self._waiting[exchange.number]
        exchange.end_ns = self.loop.now_ns
        exchange.outcome = outcome
        self.record(exchange)


_ANSWER = bytearray(_HEAD.size)
