"""The accepting end of connections that carry exchanges.

In: connections and their bytes.  Out: a word to the workload for every request that has come whole; answers.
Never: a decision about what comes next; an exception for a connection that dies.
Imported inside the guest: standard library only.
"""

from __future__ import annotations

import errno
import select
import socket
from collections.abc import Callable
from contextlib import suppress

from shadowlab.kernel.loop import Loop
from shadowlab.traffic.exchange.channel import Channel, Exchange
from shadowlab.traffic.exchange.sockets import Sockets
from shadowlab.traffic.exchange.stream import BOTH, ENDS, INWARD, PAYLOAD, QUIET_BYTES, TCP_INFO_BYTES, drain
from shadowlab.traffic.tcp_socket import read_tcp_info


class Answerer:
    """The end that was connected to."""

    __slots__ = ("_got", "_listener", "_quiet", "_sock", "_unsent", "channel", "closed")

    def __init__(self, sock: socket.socket, channel: Channel, listener: Listener) -> None:
        self.channel = channel
        self.closed = False
        self._sock = sock
        self._listener = listener
        self._got = 0
        self._unsent = 0
        self._quiet = False

    def answer(self, size: int, refused: bool) -> None:
        """Send so many bytes, if somebody still waits for them: the answer, or a refusal."""
        exchange = self.channel.exchange
        if not self.closed and exchange is not None:
            if refused:
                exchange.response_bytes, exchange.outcome = size, "refused"
            self._unsent = size
            self._write()

    def tcp_info(self) -> bytes:
        """As the kernel gives it; empty once it is closed."""
        if not self.closed:
            with suppress(OSError):
                return read_tcp_info(self._sock, TCP_INFO_BYTES)
        return b""

    def close(self) -> None:
        """Close the connection."""
        if not self.closed:
            self.closed = True
            self._listener.loop.remove(self._sock.fileno(), closing=True)
            self._listener.answerers.discard(self)
            self._sock.close()

    def on_event(self, events: int) -> bool:
        """Bytes, the end, or room to write more."""
        if self.closed:
            return False
        if events & select.EPOLLOUT and self._unsent:
            self._write()
        if events & select.EPOLLIN:
            self._read()
        if events & ENDS:
            self.close()
        return True

    def _read(self) -> None:
        received = drain(self._sock)
        exchange = self.channel.exchange
        if exchange is None or not received:
            return
        if exchange.one_way and exchange.first_byte_ns < 0:
            exchange.first_byte_ns = self._listener.loop.now_ns
        self._got += received
        exchange.sent_bytes = self._got
        left = exchange.request_bytes - self._got
        if left > 0 and not self._quiet:
            self._quiet = True
            self._low_mark(left)
        elif left > 0:
            self._listener.sockets.clamp_again(self._sock)
            if left < QUIET_BYTES:
                self._low_mark(left)
        elif exchange.one_way:
            # The FIN may come later: it waits for room in the congestion window like a segment.
            self.channel.arrived()
        else:
            self._got = 0
            if self._quiet:
                self._quiet = False
                self._low_mark(1)
            self._listener.on_request(self, exchange)

    def _low_mark(self, left: int) -> None:
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, min(left, QUIET_BYTES))

    def _write(self) -> None:
        try:
            while self._unsent:
                self._unsent -= self._sock.send(PAYLOAD[: self._unsent])
        except BlockingIOError:
            self._listener.loop.modify(self._sock.fileno(), BOTH)
        except OSError:  # reset by the client, whose events tell
            self._unsent = 0


class Listener:
    """One node's end of all connections to one workload.  ``on_request`` is called with every request that has come
    whole."""

    def __init__(
        self, *, loop: Loop, sockets: Sockets, node: str, on_request: Callable[[Answerer, Exchange], None]
    ) -> None:
        self.loop = loop
        self.sockets = sockets
        self.node = node
        self.on_request = on_request
        self.peers: dict[tuple[str, int], Channel] = {}
        self.answerers: set[Answerer] = set()
        self.at = ("", 0)
        self._sock: socket.socket | None = None

    def open(self) -> None:
        """Listen."""
        self._sock, port = self.sockets.listen(self.node)
        self.at = (self.sockets.addresses[self.node], port)
        self.loop.add(self._sock.fileno(), select.EPOLLIN, self._on_event, name=f"exchange, listener of {self.node}")

    def close(self) -> None:
        """Close everything."""
        for one in list(self.answerers):
            one.close()
        if self._sock is not None:
            self.loop.remove(self._sock.fileno(), closing=True)
            self._sock.close()
            self._sock = None

    def _on_event(self, events: int) -> bool:
        if self._sock is None:
            return False
        try:
            sock, peer = self._sock.accept()
        except OSError:  # the connection was gone before it was accepted; the end that connected reports that
            return False
        channel = self.peers.get(peer[:2])
        if channel is None or channel.closed:
            sock.close()
            return True
        if self.sockets.beyond_limit(sock):
            sock.close()
            channel.fail(errno.EMFILE)
            return True
        sock.setblocking(False)
        one = Answerer(sock, channel, self)
        channel.far = one
        self.answerers.add(one)
        self.loop.add(sock.fileno(), INWARD, one.on_event, name=f"exchange, answering end at {self.node}")
        return True
