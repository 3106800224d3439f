"""One program in the guest and its streams: what is read, what is owed, when it is over.

In: a started program; input, credit, readiness.  Out: messages for whoever asked for it, through ``send``.
Never: more output passed on than its reader granted credit for; never a wait.
"""

from __future__ import annotations

import base64
import os
import select
import struct
import termios
from collections.abc import Callable, Mapping
from contextlib import suppress
from fcntl import ioctl
from typing import Any

from shadowlab.kernel import programs

CREDIT_BYTES = 256 << 10
_CHUNK = 32 << 10
_ENDLESS = 1 << 60

Send = Callable[[dict[str, Any]], None]


class Running:
    """Answers by ``wanted`` which descriptors to watch for what; ``over`` once it may be closed."""

    def __init__(self, *, number: int, started: programs.Started, terminal: int, send: Send) -> None:
        self.number = number
        self.over = False
        self._started = started
        self._terminal = terminal
        self._send = send
        self._pidfd = os.pidfd_open(started.pid)
        if terminal >= 0:
            self._stdin, self._outputs = terminal, {terminal: "out"}
        else:
            assert started.stdin is not None
            assert started.stdout is not None
            assert started.stderr is not None
            self._stdin = started.stdin.fileno()
            self._outputs = {started.stdout.fileno(): "out", started.stderr.fileno(): "err"}
        for fd in {self._stdin, *self._outputs}:
            os.set_blocking(fd, False)
        self._credit = CREDIT_BYTES
        self._feed = bytearray()
        self._eof = False
        self._ended = False
        self._silent = False

    def wanted(self) -> Mapping[int, int]:
        """Descriptor to events."""
        events = {} if self._ended else {self._pidfd: select.POLLIN}
        if self._credit > 0:
            events |= dict.fromkeys(self._outputs, select.POLLIN)
        if self._feed and self._stdin >= 0:
            events[self._stdin] = events.get(self._stdin, 0) | select.POLLOUT
        return events

    def on_ready(self, fd: int, events: int) -> None:
        """Something of what was wanted has come."""
        if fd == self._pidfd:
            self._started.wait()
            self._ended = True
        elif fd in self._outputs and events & ~select.POLLOUT:
            self._read(fd)
        if fd == self._stdin and events & ~select.POLLIN:
            self._write()
        self._conclude()

    def on_message(self, message: Mapping[str, Any]) -> None:
        """Input, its end, credit, a size, a signal; or nobody listens any more."""
        self._feed += base64.b64decode(message.get("in", ""))
        self._eof = self._eof or bool(message.get("eof"))
        self._credit += message.get("ack", 0)
        self._write()
        if "size" in message and self._terminal >= 0:
            resize(self._terminal, message["size"])
        if "signal" in message:
            self._kill(message["signal"])
        if message.get("gone"):
            self._silent, self._credit = True, _ENDLESS
            self._kill(programs.KILL)
        self._conclude()

    def close(self) -> None:
        """Once it is over."""
        os.close(self._pidfd)
        if self._terminal >= 0:
            os.close(self._terminal)
        for stream in (self._started.stdin, self._started.stdout, self._started.stderr):
            if stream is not None:
                with suppress(OSError):
                    stream.close()

    def _read(self, fd: int) -> bool:
        """Pass some output on; False if there is none now, or never again."""
        try:
            chunk = os.read(fd, min(_CHUNK, self._credit))
        except BlockingIOError:
            return False
        except OSError:  # a terminal that nobody has open any more
            chunk = b""
        if not chunk:
            del self._outputs[fd]
            return False
        self._credit -= len(chunk)
        if not self._silent:
            self._send({"id": self.number, self._outputs[fd]: base64.b64encode(chunk).decode()})
        return True

    def _write(self) -> None:
        while self._feed and self._stdin >= 0:
            try:
                written = os.write(self._stdin, self._feed)
            except BlockingIOError:
                return
            except OSError:  # it reads no more: what it was sent counts as taken
                written = len(self._feed)
            del self._feed[:written]
            self._send({"id": self.number, "took": written})
        if self._eof and self._stdin >= 0 and self._terminal < 0:
            assert self._started.stdin is not None
            with suppress(OSError):
                self._started.stdin.close()
            self._stdin = -1

    def _conclude(self) -> None:
        """It is over when the program has ended and what it wrote is passed on.  What others that hold its streams
        write later is not its output."""
        if not self._ended or self.over:
            return
        for fd in list(self._outputs):
            while self._credit > 0 and self._read(fd):
                pass
        if self._credit > 0 or not self._outputs:
            self.over = True
            if not self._silent:
                self._send({"id": self.number, "end": {"code": programs.exit_code(self._started.returncode)}})

    def _kill(self, number: int) -> None:
        if not self._ended:
            with suppress(ProcessLookupError):
                os.killpg(self._started.pid, number)


def resize(terminal: int, size: list[int]) -> None:
    """Tell a terminal its rows and columns."""
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", size[0], size[1], 0, 0))
