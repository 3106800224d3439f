"""One rtnetlink socket: many requests in one send, one fence, and every refusal traced back to its object.

In: requests from ``wire``, each with a line saying what it is for.  Out: nothing, or dumps, or
:class:`~shadowlab.errors.KernelRefusedError` naming the object.  Never: a request whose fate is not learnt.

An acknowledgement per message costs two thirds more than one per buffer.  The kernel works through a buffer in order
and answers a *failing* message by itself, with its sequence number; so only the last message asks for an
acknowledgement (the fence), and when that has come every refusal has come before it.
"""

from __future__ import annotations

import errno
import socket
from collections import deque
from collections.abc import Sequence

from shadowlab.errors import KernelRefusedError, ShadowFailedError
from shadowlab.kernel.syscalls import refusal
from shadowlab.wire.netlink import (
    NLM_F_DUMP_INTR,
    NLMSG_DONE,
    NLMSG_ERROR,
    Message,
    Request,
    pack_batch,
    pack_message,
    parse_answer,
    walk_messages,
)

_SOL_NETLINK, _NETLINK_CAP_ACK, _NETLINK_EXT_ACK = 270, 10, 11
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33
_BUFFER_BYTES = 1 << 20
_FLUSH_BYTES = 32 << 10
"""A send is cut here: even if every message of it failed, the refusals fit an unprivileged receive buffer."""
_MOST_QUESTIONS = 32
"""Sent at once: the answers, of up to four kilobytes each in the kernel's count, fit an unprivileged receive buffer."""
_RECEIVE_BYTES = 256 << 10
_DUMP_ATTEMPTS = 10


class NetlinkSocket:
    """A route socket in the namespace the calling thread was in when it was opened."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._socket: socket.socket | None = None
        self._sequence = 0
        self._waiting: list[tuple[Request, str]] = []
        self._waiting_bytes = 0

    def open(self) -> NetlinkSocket:
        try:
            opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        except OSError as error:
            raise refusal(f"open a netlink socket in {self._where}", error.errno or 0) from error
        self._socket = opened
        opened.setsockopt(_SOL_NETLINK, _NETLINK_CAP_ACK, 1)
        opened.setsockopt(_SOL_NETLINK, _NETLINK_EXT_ACK, 1)
        for force, plain in ((_SO_RCVBUFFORCE, socket.SO_RCVBUF), (_SO_SNDBUFFORCE, socket.SO_SNDBUF)):
            try:
                opened.setsockopt(socket.SOL_SOCKET, force, _BUFFER_BYTES)
            except PermissionError:  # beyond net.core.rmem_max only in the initial user namespace; the default suffices
                opened.setsockopt(socket.SOL_SOCKET, plain, _BUFFER_BYTES)
        opened.bind((0, 0))
        return self

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def queue(self, request: Request, tried: str) -> None:
        """Keep a request for the next :meth:`flush`.  Whoever queues looks at :attr:`full` in between."""
        self._waiting.append((request, tried))
        self._waiting_bytes += len(request.body) + 20

    @property
    def full(self) -> bool:
        """Whether it is time to flush: a buffer this long is sent at once."""
        return self._waiting_bytes >= _FLUSH_BYTES

    def flush(self) -> None:
        """Send what waits and learn its fate.  Raises for the first refusal; the others' requests were done or not."""
        if not self._waiting:
            return
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        first = self._sequence + 1
        last = self._sequence = self._sequence + len(waiting)
        self._send(pack_batch([request for request, _ in waiting], first))
        refused: KernelRefusedError | None = None
        fenced = False
        while not fenced:
            for message in self._receive():
                if message.kind != NLMSG_ERROR or not first <= message.sequence <= last:
                    continue  # a late answer to something given up
                answer = parse_answer(message)
                if answer.error and refused is None:
                    refused = refusal(waiting[message.sequence - first][1], answer.error, answer.words)
                fenced = fenced or message.sequence == last
        if refused is not None:
            raise refused

    def ask(self, request: Request, tried: str) -> Message:
        """One question with one answer.  Raises what the kernel refused."""
        return self.ask_each((request,), tried)[0]

    def ask_each(self, requests: Sequence[Request], tried: str) -> list[Message]:
        """Questions with one answer each, in their order.  Raises what the kernel refused."""
        self.flush()
        return [
            answer
            for start in range(0, len(requests), _MOST_QUESTIONS)
            for answer in self._ask_together(requests[start : start + _MOST_QUESTIONS], tried)
        ]

    def _ask_together(self, requests: Sequence[Request], tried: str) -> list[Message]:
        first = self._sequence + 1
        self._sequence += len(requests)
        self._send(b"".join(pack_message(request, first + place) for place, request in enumerate(requests)))
        answers: list[Message] = []
        refused: KernelRefusedError | None = None
        left = len(requests)
        while left:
            for message in self._receive():
                if not first <= message.sequence <= self._sequence:
                    continue
                left -= 1
                if message.kind != NLMSG_ERROR:
                    answers.append(message)
                elif refused is None:
                    answer = parse_answer(message)
                    refused = refusal(tried, answer.error, answer.words)
        if refused is not None:
            raise refused
        return answers

    def dump(self, request: Request, tried: str) -> list[bytes]:
        """The bodies of a whole dump, taken again if the tables changed under it."""
        self.flush()
        for _ in range(_DUMP_ATTEMPTS):
            bodies = self._dump_once(request, tried)
            if bodies is not None:
                return bodies
        raise ShadowFailedError(f"{tried}: the table changed during each of {_DUMP_ATTEMPTS} readings")

    def _dump_once(self, request: Request, tried: str) -> list[bytes] | None:
        self._sequence += 1
        self._send(pack_message(request, self._sequence))
        bodies: list[bytes] = []
        whole = True
        while True:
            for message in self._receive():
                if message.sequence != self._sequence:
                    continue
                whole = whole and not message.flags & NLM_F_DUMP_INTR
                if message.kind == NLMSG_ERROR:
                    answer = parse_answer(message)
                    raise refusal(tried, answer.error, answer.words)
                if message.kind == NLMSG_DONE:
                    return bodies if whole else None
                bodies.append(message.body)

    def _send(self, payload: bytes) -> None:
        try:
            self._open_socket().sendall(payload)  # Python itself repeats a call that a signal interrupted
        except OSError as error:
            raise refusal(f"send {len(payload)} bytes of requests in {self._where}", error.errno or 0) from error

    def _receive(self) -> deque[Message]:
        try:
            return deque(walk_messages(self._open_socket().recv(_RECEIVE_BYTES)))
        except OSError as error:
            # ENOBUFS: the kernel dropped answers.  They cannot be asked for again, so nothing may be built on this.
            words = "answers were lost, the receive buffer was full" if error.errno == errno.ENOBUFS else ""
            raise refusal(f"receive answers in {self._where}", error.errno or 0, words) from error

    def _open_socket(self) -> socket.socket:
        if self._socket is None:
            raise ShadowFailedError(f"the netlink socket of {self._where} is not open")
        return self._socket
