"""A flow whose ends wait for each other, on its sockets.

In: what a :class:`~shadowlab.traffic.dialogue.Talk` says.  Out: bytes on the wire in both directions.
Never: a decision (those are the talk's and the session's).  Imported inside the guest: standard library only.

Both ends are read promptly, for the other one waits.  While much is awaited SO_RCVLOWAT keeps quiet until it has come.
"""

from __future__ import annotations

import select
import socket
from contextlib import suppress

from shadowlab.kernel.loop import Loop
from shadowlab.kernel.sockets.sink import Sink
from shadowlab.model.traffic.chance import Chance
from shadowlab.traffic.dialogue import End, Talk
from shadowlab.traffic.drive import Drive
from shadowlab.traffic.handshake import Handshakes
from shadowlab.traffic.session import Session
from shadowlab.traffic.tcp_socket import SocketDoor

_SAID = memoryview(bytes(1 << 20))
_UNHEARD = bytearray(1 << 20)  # MSG_TRUNC: the kernel throws the bytes away and never touches this memory
_ENDS = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
LITTLE_BYTES = 16_384
"""Up to here a reader is woken by every segment."""
QUIET_BYTES = 1 << 20
"""So much may wait to be read before the reader is woken."""


class DialogueDrive(Drive):
    """One flow of the class request-response."""

    def __init__(
        self,
        loop: Loop,
        door: SocketDoor,
        session: Session,
        source: tuple[str, int],
        target: tuple[str, int],
        handshakes: Handshakes,
        chance: Chance,
        port_step: int = 0,
    ) -> None:
        super().__init__(loop, door, session, source, target, False, handshakes, port_step)
        assert session.spec.dialogue is not None  # it is a flow of this class
        self._talk = Talk(session.spec.dialogue, chance)
        self._far = -1
        self._connection = 0
        self._met = self._silent = False
        self._unsaid: dict[End, int] = {"source": 0, "target": 0}
        self._marks: dict[End, int] = {"source": 1, "target": 1}

    def open(self, sink: Sink | None = None) -> None:
        """Listen.  The kernel cannot read for an end that is to answer."""
        super().open(None)

    def scale(self, factor: float) -> None:
        self._talk.scale(factor)
        if self._silent:
            self._silent = False
            self._think()

    def _on_sender(self, events: int) -> bool:
        session, sender = self.session, self._sender
        if sender is None or session.state != "open" or events & (select.EPOLLERR | select.EPOLLHUP):
            moved = super()._on_sender(events)
            if session.state == "open" and self._sender is not None:
                self._loop.modify(self._sender.fileno(), select.EPOLLIN | _ENDS)
                self._meet()
            return moved
        moved = False
        if events & select.EPOLLOUT:
            moved = self._push("source")
        if events & select.EPOLLIN and self._sender is sender:
            moved |= self._hear("source", sender)
        if events & select.EPOLLRDHUP and self._sender is sender:
            self._execute(session.ended(self._loop.now_ns))
            moved = True
        return moved

    def _watch_receiver(self, fd: int, name: str) -> None:
        self._far = fd
        self._loop.add(fd, select.EPOLLIN, lambda events: self._on_far(fd, events), name=name)
        self._meet()

    def _on_far(self, fd: int, events: int) -> bool:
        moved = self._push("target") if events & select.EPOLLOUT and fd == self._far else False
        before = self._read_bytes
        moved |= self._on_receiver(fd)
        if fd == self._far:
            self._react("target", self._read_bytes - before)
        return moved

    def _meet(self) -> None:
        """Once both ends are there, the asker begins to think."""
        if not self._met and self.session.state == "open" and self._far in self._receivers:
            self._met = True
            self._think()

    def _think(self) -> None:
        at_ns, connection = self._talk.asks_at(self._loop.now_ns), self._connection
        if at_ns is None:
            self._silent = True
            return

        def on_time(due_ns: int) -> None:
            if connection == self._connection and self._met:
                self._say(self._talk.asker, self._talk.begin())

        self._loop.at(at_ns, on_time)

    def _hear(self, end: End, sock: socket.socket) -> bool:
        try:
            received = sock.recv_into(_UNHEARD, 0, socket.MSG_TRUNC)
        except OSError:  # nothing there, or reset: its events tell
            return False
        self._react(end, received)
        return received > 0

    def _react(self, end: End, received: int) -> None:
        if not self._met:
            return
        says = self._talk.heard(end, received)
        if says:
            self._say(end, says)
        elif says == 0:
            self._think()
        self._mark(end)

    def _say(self, end: End, size: int) -> None:
        self._unsaid[end] = size
        self._mark("target" if end == "source" else "source")
        self._push(end)

    def _push(self, end: End) -> bool:
        """Write what is left; whether TCP took some."""
        before = self._unsaid[end]
        if end == "source":
            self._push_source()
        else:
            self._push_target()
        return self._unsaid[end] != before

    def _push_source(self) -> None:
        session, limit = self.session, self.session.spec.size_bytes
        written = session.written_bytes
        wanted = self._unsaid["source"] if limit is None else min(self._unsaid["source"], limit - written)
        if wanted > 0:
            self._write(wanted)
        self._unsaid["source"] -= session.written_bytes - written
        if self._sender is not None and session.state == "open":
            more = select.EPOLLOUT if self._unsaid["source"] else 0
            self._loop.modify(self._sender.fileno(), select.EPOLLIN | _ENDS | more)

    def _push_target(self) -> None:
        sock = self._receivers.get(self._far)
        if sock is None:
            return
        with suppress(OSError):  # full, or reset: its events tell
            while self._unsaid["target"]:
                self._unsaid["target"] -= sock.send(_SAID[: self._unsaid["target"]])
        self._loop.modify(self._far, select.EPOLLIN | (select.EPOLLOUT if self._unsaid["target"] else 0))

    def _mark(self, end: End) -> None:
        """Wake the reader only when much has come, or all of it.  A window of the flow's own is never let fill up."""
        awaited = self._talk.awaits(end)
        mark = 1 if awaited <= LITTLE_BYTES or self.session.spec.tcp.window_bytes else min(awaited, QUIET_BYTES)
        sock = self._sender if end == "source" else self._receivers.get(self._far)
        if sock is not None and mark != self._marks[end]:
            self._marks[end] = mark
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, mark)

    def _drop(self) -> None:
        if self._sender is not None and self.session.state == "closed":
            self._hear_out(self._sender)
        super()._drop()
        self._connection += 1
        self._met = False
        self._unsaid = {"source": 0, "target": 0}
        self._marks = {"source": 1, "target": 1}

    @staticmethod
    def _hear_out(sock: socket.socket) -> None:
        """What is unread when a socket is closed would make its kernel reset the connection."""
        with suppress(OSError):
            while sock.recv_into(_UNHEARD, 0, socket.MSG_TRUNC):
                pass
