"""What the drivers of all kinds of workloads have in common.

In: a workload and its surroundings.  Out: exchanges begun when they are due, and recorded when they have ended.
Never: a kind of workload.  Imported inside the guest: standard library only.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from shadowlab.kernel.loop import Loop
from shadowlab.model.traffic.completion import UNKNOWN_NS, Completion, StreamSample
from shadowlab.model.traffic.tcp_options import TcpOptions
from shadowlab.model.traffic.workload import Workload
from shadowlab.traffic.exchange.channel import Channel, Exchange
from shadowlab.traffic.exchange.desk import Desk
from shadowlab.traffic.exchange.listener import Answerer, Listener
from shadowlab.traffic.exchange.sockets import Ports, Sockets
from shadowlab.traffic.tcp_socket import SocketDoor

Sink = Callable[[Completion], None]
"""Where the record of an exchange that has ended goes."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a driver needs beside its workload, the ``index``-th of the run."""

    loop: Loop
    door: SocketDoor
    ports: Ports
    desk: Desk
    sink: Sink
    seed: int
    index: int
    addresses: Mapping[str, str]

    def sockets(self, name: str, *, tcp: TcpOptions | None = None, dscp: int = 0) -> Sockets:
        """Those of the workload called ``name``."""
        return Sockets(
            door=self.door, ports=self.ports, name=f"traffic {name}", addresses=self.addresses, tcp=tcp, dscp=dscp
        )


class Due(Protocol):
    """What says when something comes next."""

    @property
    def due_ns(self) -> int | None: ...


class Driver:
    """A workload at work.  Its owner opens it, starts it, and in the end finishes and closes it."""

    def __init__(self, workload: Workload, around: Surroundings) -> None:
        self.name = workload.name
        self.around = around
        self.loop = around.loop
        self.zero_ns = 0
        self.begun = 0
        """Exchanges begun: the next one's number."""

    @abstractmethod
    def open(self) -> None:
        """Open the sockets that are there before the first exchange."""

    @abstractmethod
    def close(self) -> None:
        """Close every socket."""

    @abstractmethod
    def start(self, zero_ns: int, duration_ns: int) -> None:
        """The run's zero will be at ``zero_ns`` of the loop."""

    @abstractmethod
    def scale(self, factor: float) -> None:
        """From now on ``factor`` times the specified demand."""

    @abstractmethod
    def going_on(self) -> list[Callable[[], None]]:
        """What ends, as unfinished, each exchange that still goes on; in their order."""

    def stream(self) -> StreamSample | None:
        """A stream of datagrams as its receiver counts it."""
        return None

    def since_zero(self, at_ns: int) -> int:
        """A moment of the loop as one of the run."""
        return at_ns - self.zero_ns if at_ns >= 0 else UNKNOWN_NS

    def next_exchange(self) -> int:
        """A number for an exchange that begins."""
        self.begun += 1
        return self.begun - 1

    def watch_for(self, schedule: Due, begin: Callable[[int], None]) -> None:
        """Call ``begin`` with the moment (of the run) when ``schedule`` is due.  To be called again when that may have
        changed: what was due before is then due no more."""
        due_ns = schedule.due_ns
        if due_ns is None:
            return

        def on_due(at_ns: int) -> None:
            if schedule.due_ns == due_ns:
                begin(due_ns)

        self.loop.at(self.zero_ns + due_ns, on_due)

    def record(self, exchange: Exchange) -> None:
        """Tell that it has ended."""
        self.around.sink(
            Completion(
                self.around.index,
                exchange.number,
                exchange.source,
                exchange.target,
                exchange.kind,
                exchange.outcome or "unfinished",
                exchange.start_ns - self.zero_ns,
                self.since_zero(exchange.connected_ns),
                self.since_zero(exchange.first_byte_ns),
                exchange.end_ns - self.zero_ns,
                exchange.sent_bytes,
                exchange.received_bytes,
                exchange.waited_ns,
                exchange.service_ns,
                exchange.reused,
                exchange.tries,
                exchange.errno,
                exchange.tcp_info,
            )
        )

    def refuse(self, exchange: Exchange) -> None:
        """It could not even begin."""
        exchange.end_ns = exchange.start_ns
        exchange.outcome = "refused"
        self.record(exchange)


class OverTcp(Driver):
    """A workload over TCP: listeners at its targets, channels from its sources."""

    def __init__(self, workload: Workload, around: Surroundings, tcp: TcpOptions) -> None:
        super().__init__(workload, around)
        self.sockets = around.sockets(workload.name, tcp=tcp)
        self.listeners: dict[str, Listener] = {}
        self.channels: dict[int, Channel] = {}
        """Those that carry an exchange now, by its number."""

    def listen(self, targets: Iterable[str], sources: Iterable[str]) -> None:
        """Open a listener at each target, and let each source connect."""
        targets, sources = dict.fromkeys(targets), dict.fromkeys(sources)
        for node in dict.fromkeys((*targets, *sources)):
            self.sockets.check_congestion_control(node)
        for node in targets:
            listener = Listener(
                loop=self.loop,
                sockets=self.sockets,
                node=node,
                on_request=self._on_request,
            )
            self.listeners[node] = listener
            listener.open()
        for node in sources:
            self.sockets.prepare(node)

    def close(self) -> None:
        for channel in list(self.channels.values()):
            channel.close()
        for listener in self.listeners.values():
            listener.close()

    def channel(self, source: str, target: str) -> Channel:
        """A new one, not yet connected."""
        return Channel(
            loop=self.loop,
            sockets=self.sockets,
            source=source,
            target=target,
            listener=self.listeners[target],
            on_end=self._on_end,
        )

    def carry(self, channel: Channel, exchange: Exchange) -> None:
        """Let the channel carry it."""
        self.channels[exchange.number] = channel
        channel.carry(exchange)

    def going_on(self) -> list[Callable[[], None]]:
        def ends(channel: Channel) -> Callable[[], None]:
            return lambda: channel.give_up("unfinished")

        return [ends(channel) for _, channel in sorted(self.channels.items())]

    def _on_request(self, answerer: Answerer, exchange: Exchange) -> None:
        self.around.desk.serve(exchange.target, exchange, answerer.answer)

    def _on_end(self, channel: Channel, exchange: Exchange) -> None:
        del self.channels[exchange.number]
        self.record(exchange)
        if exchange.outcome != "unfinished":
            self.ended(channel, exchange)

    def ended(self, channel: Channel, exchange: Exchange) -> None:
        """What comes after an exchange."""
