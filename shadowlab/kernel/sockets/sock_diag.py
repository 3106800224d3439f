"""Asking the kernel for all TCP sockets of a namespace, and hearing of those that end in between.

In: the states to ask for.  Out: the bodies of inet_diag messages.  Never: a socket destroyed; a wait without an end.

Neither needs a right: any user may dump sockets, and the groups of destroyed sockets are open to every listener (tried
on Linux 6.12 and 6.18 as a user without capabilities).  Where a kernel or a container refuses the groups, the reader
goes on without them and says so: connections shorter than an interval are then missed.
"""

from __future__ import annotations

import errno
import os
import select
import socket
from collections.abc import Callable, Iterator

from shadowlab.errors import CannotRunError
from shadowlab.kernel.syscalls import refusal
from shadowlab.wire.inet_diag import AF_INET, AF_INET6, SOCK_DESTROY, SOCK_DIAG_BY_FAMILY, pack_request
from shadowlab.wire.netlink import (
    NLM_F_DUMP,
    NLMSG_DONE,
    NLMSG_ERROR,
    Request,
    pack_message,
    parse_answer,
    walk_messages,
)

_NETLINK_SOCK_DIAG = 4
_TCP_DESTROY, _TCP6_DESTROY = 1, 3
_GROUPS = 1 << (_TCP_DESTROY - 1) | 1 << (_TCP6_DESTROY - 1)
_SO_RCVBUFFORCE = 33
_EVENT_BUFFER_BYTES = 4 << 20
"""Some 5000 events of the kernel's size: what ends within a moment of our not looking."""
_RECEIVE_BYTES = 64 << 10
_DUMP_PATIENCE_S = 10
SO_COOKIE = 57
"""``getsockopt`` with it gives the cookie that a dump names a socket by."""


class SocketReader:
    """Both sockets.  Use as a context manager."""

    def __init__(self, open_socket: Callable[[int, int, int], socket.socket] = socket.socket) -> None:
        """``open_socket`` decides whose sockets are read: those of the namespace that it opens sockets in (it is given
        family, kind and protocol); without it the calling thread's."""
        self._open_socket = open_socket
        self._dump: socket.socket | None = None
        self._events: socket.socket | None = None
        self._sequence = 0
        self.no_events_because = ""
        """Why ends of connections are not heard of; empty if they are."""
        self.overflows = 0
        """How often the kernel had more events than the buffer: some ends were missed."""

    def __enter__(self) -> SocketReader:
        try:
            self._dump = self._open_socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG)
            self._dump.bind((0, 0))
            self._dump.settimeout(_DUMP_PATIENCE_S)
        except OSError as error:
            self.close()
            raise CannotRunError(
                f"this kernel does not tell of its sockets (sock_diag: {error.strerror}); it needs CONFIG_INET_DIAG"
            ) from error
        try:
            self._events = self._open_socket(
                socket.AF_NETLINK,
                socket.SOCK_RAW | socket.SOCK_CLOEXEC,
                _NETLINK_SOCK_DIAG,
            )
            self._events.setblocking(False)
            _enlarge(self._events)
            self._events.bind((0, _GROUPS))
        except OSError as error:
            self.no_events_because = error.strerror or str(error)
            if self._events is not None:
                self._events.close()
                self._events = None
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give both back."""
        for one in (self._dump, self._events):
            if one is not None:
                one.close()
        self._dump = self._events = None

    def dump(self, states: int) -> Iterator[bytes]:
        """The message of every TCP socket, IPv4 then IPv6, in a state of the mask.  Raises KernelRefusedError."""
        for family in (AF_INET, AF_INET6):
            self._sequence += 1
            request = Request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, pack_request(family, states=states))
            yield from self._answers(pack_message(request, self._sequence), "IPv6" if family == AF_INET6 else "IPv4")

    def _answers(self, request: bytes, family: str) -> Iterator[bytes]:
        assert self._dump is not None, "opened by `with`"
        tried = f"read the TCP sockets of {family}"
        try:
            self._dump.send(request)
            while True:
                for message in walk_messages(self._dump.recv(_RECEIVE_BYTES)):
                    if message.sequence != self._sequence:
                        continue
                    if message.kind == SOCK_DIAG_BY_FAMILY:
                        yield message.body
                    elif message.kind == NLMSG_DONE:
                        return
                    elif message.kind == NLMSG_ERROR:
                        answer = parse_answer(message)
                        if answer.error == errno.ENOENT:  # a kernel without this family
                            return
                        raise refusal(tried, answer.error, answer.words)
        except OSError as error:
            raise refusal(tried, error.errno or errno.ETIMEDOUT) from error

    def ended(self) -> Iterator[bytes]:
        """The messages of sockets that ended since the last call; does not wait."""
        while self._events is not None:
            try:
                datagram = self._events.recv(_RECEIVE_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise refusal("hear of sockets that end", error.errno or 0) from error
                self.overflows += 1
                continue
            for message in walk_messages(datagram):
                if message.kind in (SOCK_DIAG_BY_FAMILY, SOCK_DESTROY):
                    yield message.body

    def wait(self, seconds: float, wake: int) -> bool:
        """Wait until sockets end, or descriptor ``wake`` can be read, or time is up; whether ``wake`` can be read."""
        poll = select.poll()
        poll.register(wake, select.POLLIN)
        if self._events is not None:
            poll.register(self._events.fileno(), select.POLLIN)
        return any(found == wake for found, _ in poll.poll(max(0.0, seconds) * 1000))


def cookie_of(opened: socket.socket) -> int:
    """By what a dump names this socket."""
    return int.from_bytes(opened.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8), "little")


def boot_id() -> str:
    """Which start of the machine this is: monotonic time compares within one only.  Empty if it is not told."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def host_name() -> str:
    """The machine's name, without its domain."""
    return os.uname().nodename.partition(".")[0]


def _enlarge(events: socket.socket) -> None:
    try:
        events.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _EVENT_BUFFER_BYTES)
    except PermissionError:  # beyond net.core.rmem_max only with CAP_NET_ADMIN
        events.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _EVENT_BUFFER_BYTES)
