"""A lab in a guest of the embedded kernel that stays up: no rights needed, netem always there, real time.

In: the lab's account.  Out: what the guest's keeper did and shows.  Never: a guest that outlives its lab.
"""

from __future__ import annotations

import base64
import json
import os
import select
import signal
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from shadowlab.errors import ShadowFailedError
from shadowlab.guest.init import JOB_FOLDER
from shadowlab.guest.resident.door import read_confinement
from shadowlab.guest.resident.start import (
    Line,
    asked,
    is_alive,
    ordered_memory_bytes,
    start_resident,
    stop_resident,
)
from shadowlab.lab.live import keeper
from shadowlab.lab.live.folder import GUEST_FOLDER, HOSTS_FILE, LabFolder
from shadowlab.lab.live.ground import OnStepName, Outcome, Program, View
from shadowlab.model.plain import to_plain
from shadowlab.shadow.apply import OnStep
from shadowlab.shadow.ledger import Account, Intent
from shadowlab.shadow.recover import Removed

_ENTRY = f"{keeper.__name__}:{keeper.keep.__name__}"
_INTENT_FILE = "intent.json"
_STDIN_WINDOW = 16 << 10
_ACK_BYTES = 32 << 10
_TMP = "/run/tmp"


class EmbeddedGround:
    """See :class:`~shadowlab.lab.live.ground.Ground`."""

    def __init__(self, folder: LabFolder, *, memory_bytes: int = 0) -> None:
        self._folder = folder
        self._memory_bytes = memory_bytes

    @property
    def _path(self) -> Path:
        return self._folder.path

    def open(self, account: Account) -> None:
        start_resident(
            self._path,
            entry=_ENTRY,
            job={"lab": account.begun.lab},
            guest_folder=GUEST_FOLDER,
            memory_bytes=self._memory_bytes,
            seed=int(account.begun.lab, 16),
        )

    @property
    def memory_bytes(self) -> int:
        """What the guest was given."""
        return ordered_memory_bytes(self._path)

    def alive(self, account: Account) -> bool:
        return is_alive(self._path)

    @property
    def confined_by(self) -> str:
        """What holds the guest's process on the host, in a line."""
        return read_confinement(self._path)["text"]

    @property
    def confined_by_user_only(self) -> bool:
        """Whether this machine had nothing to confine it with."""
        return read_confinement(self._path)["by"] == "user"

    def apply(self, account: Account, intent: Intent, on_step: OnStep | None) -> None:
        self._order("apply", intent)

    def finish(self, account: Account, intent: Intent) -> None:
        self._order("finish", intent)

    def _order(self, what: str, intent: Intent) -> None:
        file = self._path / GUEST_FOLDER / _INTENT_FILE
        file.write_text(json.dumps(to_plain(intent)), encoding="utf-8")
        file.chmod(0o644)  # the guest is another user where root started it
        try:
            self.ask({"do": what, "file": _INTENT_FILE})
        finally:
            file.unlink(missing_ok=True)

    def ask(self, request: dict[str, object]) -> View:
        """One question with one answer."""
        with asked(self._path, request) as line:
            return _ending(line.receive())

    def observe(self, account: Account) -> View:
        return self.ask({"do": "observe"})

    def run(self, account: Account, program: Program, stdin: bytes, timeout_s: float | None) -> Outcome:
        gathered: dict[str, bytearray] = {"out": bytearray(), "err": bytearray()}
        with asked(self._path, self._request(program, None)) as line:
            code = _Streams(line, feed=stdin, take=lambda stream, chunk: gathered[stream].extend(chunk)).pass_on(
                timeout_s
            )
        return Outcome(exit_code=code, stdout=bytes(gathered["out"]), stderr=bytes(gathered["err"]))

    def examine(
        self, program: Program, stdin: bytes, *, timeout_s: float | None, on_line: Callable[[bytes], None]
    ) -> Outcome:
        """Run a program of ours that may enter every node, and tells line by line what it does: ``on_line`` takes each
        line of its standard output."""
        rest, errors = bytearray(), bytearray()

        def take(stream: str, chunk: bytes) -> None:
            if stream == "err":
                errors.extend(chunk)
                return
            rest.extend(chunk)
            *lines, last = bytes(rest).split(b"\n") if b"\n" in chunk else [bytes(rest)]
            rest[:] = last
            for line in lines:
                on_line(line)

        with asked(self._path, self._request(program, None) | {"do": "examine"}) as line:
            code = _Streams(line, feed=stdin, take=take).pass_on(timeout_s)
        return Outcome(exit_code=code, stdout=bytes(rest), stderr=bytes(errors))

    def attach(self, account: Account, program: Program) -> int:
        on_terminal = sys.stdin.isatty() and sys.stdout.isatty()
        targets = {"out": 1, "err": 2}
        with asked(self._path, self._request(program, _size() if on_terminal else None)) as line, _raw(on_terminal):
            streams = _Streams(line, feed=0, take=lambda stream, chunk: _write_all(targets[stream], chunk))
            with _passed_signals(line, on_terminal=on_terminal):
                return streams.pass_on(None)

    def _request(self, program: Program, size: list[int] | None) -> dict[str, object]:
        environment = dict(program.environment or os.environ) | {"TMPDIR": _TMP}
        return {
            "do": "exec",
            "node": program.node,
            "argv": list(program.argv),
            "env": environment,
            "cwd": program.folder,
            "tty": size,
            "hosts": f"{JOB_FOLDER}/{HOSTS_FILE}",
        }

    def remove(self, account: Account, on_step: OnStepName | None) -> Removed:
        """The guest takes everything of the lab along."""
        stop_resident(self._path)
        return Removed(nodes=account.nodes, foreign=(), programs=0)


class _Streams:
    """The three streams of one program, over the line.  ``feed``: bytes, or a descriptor to read from."""

    def __init__(self, line: Line, *, feed: bytes | int, take: Callable[[str, bytes], None]) -> None:
        self._line = line
        self._feed = feed
        self._take = take
        self._unread = 0
        self._room = _STDIN_WINDOW
        self._open = True

    def pass_on(self, timeout_s: float | None) -> int:
        """Until the program has ended; its exit code.  124 when the time is up: it is killed."""
        give_up_s = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            self._send_input()
            wait_s = None if give_up_s is None else give_up_s - time.monotonic()
            if wait_s is not None and wait_s <= 0:
                return 124  # closing the line ends the program
            readers: list[Line | int] = [self._line]
            if isinstance(self._feed, int) and self._open and self._room > 0:
                readers.append(self._feed)
            ready = [self._line] if self._line.waiting else select.select(readers, [], [], wait_s)[0]
            if self._feed in ready:
                assert isinstance(self._feed, int)
                self._send_chunk(os.read(self._feed, min(self._room, 4096)))
            if self._line in ready:
                code = self._on_message(self._line.receive())
                if code is not None:
                    return code

    def _send_input(self) -> None:
        while isinstance(self._feed, bytes) and self._open and self._room > 0:
            chunk, self._feed = self._feed[: self._room], self._feed[self._room :]
            self._send_chunk(chunk)

    def _send_chunk(self, chunk: bytes) -> None:
        if chunk:
            self._room -= len(chunk)
            self._line.send({"in": base64.b64encode(chunk).decode()})
        else:
            self._open = False
            self._line.send({"eof": True})

    def _on_message(self, message: dict[str, object]) -> int | None:
        for stream in ("out", "err"):
            if stream in message:
                chunk = base64.b64decode(str(message[stream]))
                self._take(stream, chunk)
                self._unread += len(chunk)
                if self._unread >= _ACK_BYTES:
                    self._line.send({"ack": self._unread})
                    self._unread = 0
        if "took" in message:
            self._room += int(str(message["took"]))
        if "end" not in message:
            return None
        ending = _ending(message)
        if "words" in ending:
            self._take("err", f"shadowlab: {ending['words']}\n".encode())
        return int(ending["code"])


def _ending(message: dict[str, object]) -> View:
    ending = message.get("end")
    if not isinstance(ending, dict):
        raise ShadowFailedError(f"the guest answered out of turn: {message}")
    if "error" in ending:
        raise ShadowFailedError(str(ending["error"]))
    return ending


def _write_all(fd: int, chunk: bytes) -> None:
    left = memoryview(chunk)
    while left:
        left = left[os.write(fd, left) :]


def _size() -> list[int]:
    size = os.get_terminal_size(0)
    return [size.lines, size.columns]


@contextmanager
def _raw(on_terminal: bool) -> Iterator[None]:
    """Every key goes to the program, Ctrl-C too."""
    if not on_terminal:
        yield
        return
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


@contextmanager
def _passed_signals(line: Line, *, on_terminal: bool) -> Iterator[None]:
    """Signals meant for the program reach it; a terminal that changes its size tells it."""
    before = {}

    def pass_on(number: int, _frame: object) -> None:
        line.send({"signal": number})

    def resize(_number: int, _frame: object) -> None:
        line.send({"size": _size()})

    wanted: dict[int, Callable[[int, object], None]] = {signal.SIGINT: pass_on, signal.SIGTERM: pass_on}
    if on_terminal:
        wanted[signal.SIGWINCH] = resize
    for number, action in wanted.items():
        before[number] = signal.signal(number, action)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
