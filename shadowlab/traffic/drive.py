"""One flow on its sockets: executes the commands of its session.

In: a session, addresses and ports.  Out: bytes on the wire, and what the connection looks like now.
Never: an exception for a connection that dies; a decision (those are the session's).
Imported inside the guest: standard library only.
"""

from __future__ import annotations

import errno
import select
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from shadowlab.errors import KernelRefusedError
from shadowlab.kernel.loop import Loop
from shadowlab.kernel.sockets.sink import Sink
from shadowlab.kernel.syscalls import refusing
from shadowlab.traffic.handshake import Handshakes, differences
from shadowlab.traffic.send_buffer import SendBuffer
from shadowlab.traffic.session import AwaitWritable, Commands, Connect, Drop, Finish, RetryAt, Session, TickAt, Write
from shadowlab.traffic.slow_reader import READ_EVERY_NS, SlowReader, reads_slowly
from shadowlab.traffic.socket_options import set_congestion_control, set_pacing
from shadowlab.traffic.standing import ConnectionEnd, FlowSample
from shadowlab.traffic.tcp_socket import (
    SocketDoor,
    clamp_window,
    close_at_once,
    open_listener,
    open_sender,
    read_received_bytes,
    read_tcp_info,
)
from shadowlab.wire.tcp_info import decode_tcp_info

_PAYLOAD = memoryview(bytes(4 << 20))
_DISCARD = bytearray(4 << 20)  # MSG_TRUNC: the kernel throws the bytes away and never touches this memory
_TCP_INFO_BYTES = 280
LAST_PORT = 65_535
_OFTEN = 16
"""Of the reads of a flow without a window of its own, the first so many and then one in so many clamp it again."""
_ENDS = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR


class Drive:
    """One flow: its session and, while they live, its three sockets."""

    def __init__(
        self,
        loop: Loop,
        door: SocketDoor,
        session: Session,
        source: tuple[str, int],
        target: tuple[str, int],
        lazy: bool,
        handshakes: Handshakes,
        port_step: int = 0,
    ) -> None:
        """``port_step``: so far to the next port to come from where one is held by an earlier connection in TIME-WAIT;
        0: never another."""
        self.session = session
        self._instead: tuple[str, ...] = ()
        self._unlike: tuple[str, ...] = ()
        self._loop = loop
        self._door = door
        self._source = source
        self._target = target
        self._port_step = port_step
        self._lazy = lazy
        self._listener: socket.socket | None = None
        self._sender: socket.socket | None = None
        self._receivers: dict[int, socket.socket] = {}
        self._last_info = b""
        self._ends: list[ConnectionEnd] = []
        self._name = f"flow {session.spec.id}"
        self._reads = 0
        self._read_bytes = 0
        self._sink: Sink | None = None
        self._handshakes = handshakes
        self._slowly = reads_slowly(session.spec)
        wanted = session.spec.tcp.send_buffer_bytes if session.spec.flow_class == "sender-limited" else None
        self._buffer = SendBuffer(wanted) if wanted is not None else None

    @property
    def differs(self) -> tuple[str, ...]:
        """What the present connection, or the last one, holds otherwise than the flow wishes."""
        return self._instead + self._unlike

    @property
    def ports(self) -> tuple[int, int]:
        """The source's and the target's: the same for every connection of the flow, so that it keeps its way where
        equal-cost ways are chosen by them (but for another port that it had to take)."""
        return self._source[1], self._target[1]

    @property
    def over_ipv6(self) -> bool:
        """Whether it has IPv6 addresses."""
        return ":" in self._source[0]

    @property
    def received_bytes(self) -> int:
        """What the target's application has got."""
        if self._sink is None:
            return self._read_bytes
        return self._read_bytes + sum(map(read_received_bytes, self._receivers.values()))

    def open(self, sink: Sink | None = None) -> None:
        """Listen.  A ``sink`` reads what comes, but for a flow with a window of its own, which each read clamps."""
        self._sink = None if self._slowly or self.session.spec.tcp.window_bytes is not None else sink
        sunk = self._sink is not None
        self._listener = open_listener(self._door, self.session.spec, *self._target, sunk=sunk)
        self._loop.add(self._listener.fileno(), select.EPOLLIN, self._on_listener, name=f"{self._name}, listener")

    def close(self) -> None:
        """Close every socket."""
        self._drop()
        for fd in tuple(self._receivers):
            self._close_receiver(fd)
        if self._listener is not None:
            self._loop.remove(self._listener.fileno())
            self._listener.close()
            self._listener = None

    def take_instead(self, control: str) -> None:
        """Before it is opened: another congestion control than its own, which the kernel has not."""
        tcp = self.session.spec.tcp
        said = f"congestion control {control} instead of {tcp.congestion_control}, which this kernel has not"
        self._instead = (said,)
        self.session.spec = replace(self.session.spec, tcp=replace(tcp, congestion_control=control))

    def set_congestion(self, control: str) -> None:
        """Of both ends; those of the accepting one come with its next connection.  Raises KernelRefusedError."""
        with refusing(f"{self._name}: congestion control {control}"):
            for sock in (self._sender, self._listener):
                if sock is not None:
                    set_congestion_control(sock, control)
        spec = self.session.spec
        self.session.spec = replace(spec, tcp=replace(spec.tcp, congestion_control=control))

    def set_pacing(self, rate_bps: int | None) -> None:
        """Hold it to so many bits per second of packets; None: to no rate.  Raises KernelRefusedError."""
        with refusing(f"{self._name}: paced at {rate_bps} bit/s"):
            if self._sender is not None:
                set_pacing(self._sender, rate_bps)
        spec = self.session.spec
        self.session.spec = replace(spec, tcp=replace(spec.tcp, pacing_bps=rate_bps))

    def start(self, due_ns: int) -> None:
        """The flow begins."""
        self._execute(self.session.start(due_ns))

    def sample(self) -> FlowSample:
        """What the connection looks like now."""
        session = self.session
        info = self._last_info
        if self._sender is not None:
            with suppress(OSError):
                info = read_tcp_info(self._sender, _TCP_INFO_BYTES)
        return FlowSample(
            tcp_info=info,
            attempt=session.attempt,
            idle=session.state == "idle",
            closed=session.state == "closed",
            failed=session.state in ("waiting", "failed"),
            received_bytes=self.received_bytes,
            unsent_bytes=session.unsent_bytes,
        )

    def scale(self, factor: float) -> None:
        """From now on ``factor`` times the specified demand."""
        self.session.scale(factor)

    def take_ends(self) -> Sequence[ConnectionEnd]:
        """The connections that ended since this was last asked."""
        if not self._ends:
            return ()
        ends, self._ends = self._ends, []
        return ends

    def _execute(self, commands: Commands) -> None:
        for command in commands:
            match command:
                case Write():
                    self._write(command.size)
                case TickAt():
                    self._loop.at(command.at_ns, self._on_tick)
                case Connect():
                    self._connect()
                case AwaitWritable():
                    if self._sender is not None:
                        self._loop.modify(self._sender.fileno(), select.EPOLLOUT | _ENDS)
                case RetryAt():
                    self._loop.at(command.at_ns, self._on_retry)
                case Finish():
                    if self._sender is not None:
                        with suppress(OSError):  # a connection that has just died reports itself by its events
                            self._sender.shutdown(socket.SHUT_WR)
                        self._loop.modify(self._sender.fileno(), _ENDS)
                case Drop():
                    self._drop()

    def _connect(self) -> None:
        # The other end of a connection that died does not know it, and would answer a SYN from the same port.
        for fd in tuple(self._receivers):
            while self._sink is None and self._on_receiver(fd) and fd in self._receivers:
                pass
            self._close_receiver(fd, at_once=True)
        try:
            sender, number = self._begin_to_connect()
        except KernelRefusedError as error:
            self._execute(self.session.failed(self._loop.now_ns, str(error)))
            return
        self._sender = sender
        self._last_info = b""
        self._loop.add(sender.fileno(), select.EPOLLOUT, self._on_sender, name=f"{self._name}, sender")
        if number not in (0, errno.EINPROGRESS):
            self._fail(number)

    def _begin_to_connect(self) -> tuple[socket.socket, int]:
        """A socket and the system's number for what is wrong.  Raises KernelRefusedError."""
        spec = self.session.spec
        while True:
            sender = open_sender(self._door, spec, *self._source, self.session.tick_ns)
            try:
                if self._buffer is not None:
                    self._buffer.open(sender)
                with self._handshakes.offering(spec.source, spec.tcp):
                    number = sender.connect_ex(self._target)
            except BaseException:
                sender.close()
                raise
            port = self._source[1] + self._port_step
            if number != errno.EADDRNOTAVAIL or not self._port_step or port > LAST_PORT:
                return sender, number
            sender.close()
            self._source = (self._source[0], port)

    def _on_sender(self, events: int) -> bool:
        session, sender = self.session, self._sender
        if sender is None:
            return False
        if events & (select.EPOLLERR | select.EPOLLHUP):
            number = sender.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if number or session.state == "connecting":
                self._fail(number)
            else:
                self._execute(session.ended(self._loop.now_ns))
            return True
        if session.state == "connecting":
            self._loop.modify(sender.fileno(), _ENDS)
            self._look(sender)
            self._execute(session.connected())
            return True
        if events & select.EPOLLRDHUP:
            self._execute(session.ended(self._loop.now_ns))
            return True
        before = session.written_bytes
        self._execute(session.writable())
        return session.written_bytes != before or self._sender is None

    def _on_tick(self, due_ns: int) -> None:
        self._execute(self.session.tick(due_ns))

    def _on_retry(self, due_ns: int) -> None:
        self._execute(self.session.retry())

    def _write(self, size: int) -> None:
        if self._sender is None:
            return
        accepted = 0
        try:
            while accepted < size:
                accepted += self._sender.send(_PAYLOAD[: size - accepted])
                if accepted < len(_PAYLOAD):
                    break
        except BlockingIOError:
            pass
        except OSError as error:
            self._fail(error.errno or 0)
            return
        if self._buffer is not None:
            with suppress(OSError):  # a connection that has just died reports itself by its events
                self._buffer.written(self._sender)
        self._execute(self.session.wrote(accepted))

    def _fail(self, number: int) -> None:
        reason = errno.errorcode.get(number, "closed" if number == 0 else str(number))
        self._execute(self.session.failed(self._loop.now_ns, reason))

    def _look(self, sender: socket.socket) -> None:
        """The handshake is done and nothing is sent yet: the congestion window is the initial one."""
        with suppress(OSError):
            self._unlike = differences(self.session.spec.tcp, decode_tcp_info(read_tcp_info(sender, _TCP_INFO_BYTES)))

    def _drop(self) -> None:
        if self._sender is None:
            return
        self._loop.remove(self._sender.fileno())
        session, info = self.session, b""
        with suppress(OSError):
            info = read_tcp_info(self._sender, _TCP_INFO_BYTES)
        failed = session.state in ("waiting", "failed")
        # A session counts its next connection as soon as one has failed.
        self._ends.append(ConnectionEnd(self._loop.now_ns, session.attempt - failed, failed, info))
        if session.state == "closed":
            self._last_info = info or self._last_info
            self._sender.close()
        else:
            close_at_once(self._sender)
        self._sender = None

    def _on_listener(self, events: int) -> bool:
        if self._listener is None:
            return False
        try:
            receiver, _ = self._listener.accept()
        except OSError:  # the connection was gone before it was accepted; its sender reports that
            return False
        receiver.setblocking(False)
        fd = receiver.fileno()
        self._receivers[fd] = receiver
        if self._slowly:
            self._read_slowly(receiver)
            return True
        name = f"{self._name}, receiver"
        if self._sink is not None:
            self._sink.take(receiver)
            self._loop.add(fd, _ENDS, lambda events: self._on_sunk_end(fd), name=name)
        else:
            self._watch_receiver(fd, name)
        return True

    def _watch_receiver(self, fd: int, name: str) -> None:
        """An accepted connection that neither the kernel nor a timer reads."""
        self._loop.add(fd, select.EPOLLIN, lambda events: self._on_receiver(fd), name=name, lazy=self._lazy)

    def _on_sunk_end(self, fd: int) -> bool:
        self._close_receiver(fd)
        return True

    def _read_slowly(self, receiver: socket.socket) -> None:
        """By a timer of its own, until the connection ends."""
        fd, reader = receiver.fileno(), SlowReader(self.session.spec.rate_bps or 0, self._loop.now_ns)

        def on_turn(due_ns: int) -> None:
            if self._receivers.get(fd) is receiver:
                if (taken := reader.take(due_ns)) > 0:
                    self._on_receiver(fd, taken)
                self._loop.at(due_ns + READ_EVERY_NS, on_turn)

        self._loop.at(self._loop.now_ns + READ_EVERY_NS, on_turn)

    def _on_receiver(self, fd: int, most: int = 0) -> bool:
        """Read what is there, or at most so many bytes of it."""
        try:
            received = self._receivers[fd].recv_into(_DISCARD, most, socket.MSG_TRUNC)
        except BlockingIOError:
            return False
        except OSError:  # reset by the source: its sender reports why
            received = 0
        if received == 0:
            self._close_receiver(fd)
        else:
            self._reads += 1
            if self._reads < _OFTEN or self._reads % _OFTEN == 0 or self.session.spec.tcp.window_bytes is not None:
                clamp_window(self._receivers[fd], self.session.spec)
        self._read_bytes += received
        return True

    def _close_receiver(self, fd: int, *, at_once: bool = False) -> None:
        receiver = self._receivers.pop(fd, None)
        if receiver is None:
            return
        if not self._slowly:
            self._loop.remove(fd)
        if self._sink is not None:
            self._read_bytes += read_received_bytes(receiver)
        if at_once:
            close_at_once(receiver)
        else:
            receiver.close()
