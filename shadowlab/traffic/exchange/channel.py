"""The connecting end of a connection that carries one exchange after the other.

In: an exchange to carry.  Out: its bytes on the wire, its moments; a word to its owner when it is over.
Never: a decision about what comes next; an exception for a connection that dies.
Imported inside the guest: standard library only.

One process plays both ends, so nothing on the wire has to be parsed: the accepting end finds by the peer's port which
channel it belongs to, and both know how many bytes to expect.  Both are watched edge-triggered, and once the first byte
has come SO_RCVLOWAT keeps quiet until much has: a system call costs microseconds inside the guest.
"""

from __future__ import annotations

import errno
import select
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from shadowlab.errors import KernelRefusedError
from shadowlab.kernel.loop import Loop
from shadowlab.model.traffic.completion import UNKNOWN_NS, ExchangeKind, Outcome
from shadowlab.traffic.exchange.sockets import SMALL_BYTES, Sockets, used_up
from shadowlab.traffic.exchange.stream import BOTH, ENDS, PAYLOAD, QUIET_BYTES, TCP_INFO_BYTES, drain
from shadowlab.traffic.tcp_socket import read_tcp_info

if TYPE_CHECKING:
    from shadowlab.traffic.exchange.listener import Answerer, Listener


USED_UP_NS = 10_000_000
"""After so long a connection has failed for which no port or descriptor was left."""


class Exchange:
    """One exchange while it goes on; times are the loop's."""

    __slots__ = (
        "connected_ns",
        "end_ns",
        "errno",
        "first_byte_ns",
        "kind",
        "number",
        "outcome",
        "received_bytes",
        "request_bytes",
        "response_bytes",
        "reused",
        "sent_bytes",
        "service_ns",
        "source",
        "start_ns",
        "target",
        "tcp_info",
        "tries",
        "waited_ns",
    )

    def __init__(
        self,
        kind: ExchangeKind,
        number: int,
        source: str,
        target: str,
        request_bytes: int,
        response_bytes: int,
        start_ns: int,
    ) -> None:
        self.kind = kind
        self.number = number
        self.source = source
        self.target = target
        self.request_bytes = request_bytes
        self.response_bytes = response_bytes
        self.start_ns = start_ns
        self.connected_ns = UNKNOWN_NS
        self.first_byte_ns = UNKNOWN_NS
        self.end_ns = UNKNOWN_NS
        self.sent_bytes = 0
        self.received_bytes = 0
        self.waited_ns = 0
        self.service_ns = 0
        self.reused = False
        self.tries = 1
        self.outcome: Outcome | None = None
        self.errno = 0
        self.tcp_info = b""

    @property
    def one_way(self) -> bool:
        """A transfer: it ends when all of it has arrived, and its connection with it."""
        return self.kind == "transfer"


class Channel:
    """The end that connects.  It carries one exchange at a time; when that is over, ``on_end`` is called with it, after
    its outcome is set.  A channel that is ``closed`` carries no more."""

    __slots__ = (
        "_awaited",
        "_loop",
        "_on_end",
        "_peers",
        "_quiet",
        "_roomy",
        "_sock",
        "_sockets",
        "_target",
        "_unsent",
        "_wide",
        "closed",
        "connected_ns",
        "exchange",
        "far",
        "key",
        "source",
        "target",
    )

    def __init__(
        self,
        *,
        loop: Loop,
        sockets: Sockets,
        source: str,
        target: str,
        listener: Listener,
        on_end: Callable[[Channel, Exchange], None],
    ) -> None:
        self.source = source
        self.target = target
        self.exchange: Exchange | None = None
        self.far: Answerer | None = None
        self.closed = False
        self.connected_ns = UNKNOWN_NS
        self.key = ("", 0)
        self._loop = loop
        self._sockets = sockets
        self._target = listener.at
        self._peers = listener.peers
        self._on_end = on_end
        self._sock: socket.socket | None = None
        self._unsent = 0
        self._awaited = 0
        self._quiet = self._roomy = self._wide = False

    def carry(self, exchange: Exchange) -> None:
        """Begin an exchange, over a new connection if this channel has none yet."""
        self.exchange = exchange
        self._unsent = exchange.request_bytes
        self._awaited = exchange.response_bytes
        if self._sock is None:
            self._connect()
            return
        exchange.reused = True
        exchange.connected_ns = self.connected_ns
        if self._quiet:
            self._quiet = False
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
        self._make_room_to_read()
        self._write()

    def give_up(self, outcome: Outcome) -> None:
        """End the exchange that goes on, and the connection with it."""
        self._end(outcome)

    def close(self) -> None:
        """Close the connection as a program would: what is under way is left to the kernel."""
        if self._sock is not None:
            self._loop.remove(self._sock.fileno(), closing=True)
            self._sock.close()
            self._sock = None
        if self.key[1] and self._peers.get(self.key) is self:
            del self._peers[self.key]
        self.closed = True

    def arrived(self) -> None:
        """The far end has got the whole of a one-way exchange."""
        self._end("ok")

    def tcp_info(self) -> bytes:
        """As the kernel gives it; empty without a connection."""
        if self._sock is not None:
            with suppress(OSError):
                return read_tcp_info(self._sock, TCP_INFO_BYTES)
        return b""

    def _connect(self) -> None:
        try:
            sock, port = self._sockets.connecting(self.source, self._peers)
        except KernelRefusedError as error:
            missing = used_up(error)
            if not missing:
                raise
            # Not at once: a user who does not think would ask again, and again, without end.
            self._loop.at(self._loop.now_ns + USED_UP_NS, lambda due_ns: self.fail(missing))
            return
        self._sock = sock
        self.key = (self._sockets.addresses[self.source], port)
        self._make_room_to_read()
        self._peers[self.key] = self
        self._loop.add(sock.fileno(), BOTH, self._on_event, name="exchange, connecting end")
        number = self._sockets.connect(sock, self.source, self._target)
        if number not in (0, errno.EINPROGRESS):
            # At once, but not before the caller has returned.
            self._loop.at(self._loop.now_ns, lambda due_ns: self.fail(number))

    def _make_room_to_read(self) -> None:
        if self._awaited > SMALL_BYTES and not self._wide and self._sock is not None:
            self._wide = True
            self._sockets.make_room_to_read(self._sock)

    def _on_event(self, events: int) -> bool:
        sock = self._sock
        if sock is None:
            return False
        if events & select.EPOLLERR:
            self.fail(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
            return True
        if self.connected_ns < 0:
            if events & select.EPOLLOUT:
                self.connected_ns = self._loop.now_ns
                if self.exchange is not None:
                    self.exchange.connected_ns = self.connected_ns
                self._write()
            return True
        if self._unsent and events & select.EPOLLOUT:
            self._write()
        if events & select.EPOLLIN:
            self._read()
        if events & ENDS and not self.closed:
            self.fail(0)
        return True

    def _write(self) -> None:
        exchange, sock = self.exchange, self._sock
        if exchange is None or sock is None:
            return
        if self._unsent > SMALL_BYTES and not self._roomy:
            self._roomy = True
            self._sockets.make_room(sock, self._unsent)
        try:
            while self._unsent:
                self._unsent -= sock.send(PAYLOAD[: self._unsent])
        except BlockingIOError:
            return
        except OSError as error:
            self.fail(error.errno or 0)
            return
        if exchange.one_way:
            with suppress(OSError):  # a connection that has just died reports itself by its events
                sock.shutdown(socket.SHUT_WR)

    def _read(self) -> None:
        exchange, sock = self.exchange, self._sock
        if sock is None:
            return
        received = drain(sock)
        if exchange is None or not received:
            return
        now_ns = self._loop.now_ns
        if exchange.first_byte_ns < 0:
            exchange.first_byte_ns = now_ns
        exchange.received_bytes += received
        self._awaited = exchange.response_bytes - exchange.received_bytes
        if self._awaited <= 0:
            self._end("refused" if exchange.outcome == "refused" else "ok")
        elif not self._quiet:
            self._quiet = True
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, QUIET_BYTES)
        elif received >= QUIET_BYTES:
            self._sockets.clamp_again(sock)
        if 0 < self._awaited < QUIET_BYTES and self._quiet:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, self._awaited)

    def fail(self, number: int) -> None:
        """The connection has died; without an exchange, the far end has merely gone."""
        if self.exchange is None:
            self.close()
            return
        self.exchange.errno = number
        self._end("failed")

    def _end(self, outcome: Outcome) -> None:
        exchange = self.exchange
        if exchange is None:
            return
        self.exchange = None
        exchange.end_ns = self._loop.now_ns
        exchange.outcome = outcome
        answers_more = self.far is not None and exchange.response_bytes >= exchange.request_bytes
        exchange.tcp_info = self.far.tcp_info() if self.far is not None and answers_more else self.tcp_info()
        if exchange.one_way or outcome not in ("ok", "refused"):
            self.close()
        self._on_end(self, exchange)
