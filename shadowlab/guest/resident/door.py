"""The process that keeps one guest: boots it, and passes messages between its line and everybody who connects.

In: a folder with ``door.json`` (what to boot).  Out: the socket ``door`` in the folder while the guest is up.
Never: an opinion about a message, but for ``{"do": "stop"}``, which ends the guest.

Each connection is one request.  Its lines get a number (``id``) on their way in, by which the answers find back; when
it is closed early the guest is told (``gone``).  The line is a terminal of the guest, and its input overflows when
more is sent than is read: so the guest tells how many bytes it has read (``got``), and no more than a window is under
way.  Answers need no such care; whoever asked for a stream grants the guest credit for it, end to end.
"""

from __future__ import annotations

import fcntl
import json
import os
import selectors
import signal
import socket
import sys
import threading
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from shadowlab.errors import ShadowLabError
from shadowlab.guest.boot import run_in_guest
from shadowlab.guest.cache import need_kernel
from shadowlab.guest.host_side.confinement import Confinement
from shadowlab.kernel.rights.privileges import KEEPER, keep_only

DOOR, ALIVE, ORDER, LOG, CONFINED = "door", "alive", "door.json", "guest.log", "confined.json"
READY = b"ready\n"
_WINDOW_BYTES = 2048
_FOR_EVER_S = 10 * 365 * 86400
_BOOT_PATIENCE_S = 60.0


class Door:
    """Single-threaded, but for the one that waits for the guest."""

    def __init__(self, *, line: socket.socket, listener: socket.socket, ended: int) -> None:
        self._line = line
        self._listener = listener
        self._ended = ended
        self._selector = selectors.DefaultSelector()
        self._clients: dict[int, _Client] = {}
        self._next = 1
        self._to_line = bytearray()
        self._under_way = 0
        self._from_line = bytearray()
        self.stop_asked = False

    def serve(self) -> None:
        """Until the guest has ended, or somebody asked for it."""
        select = self._selector
        select.register(self._ended, selectors.EVENT_READ)
        select.register(self._line, selectors.EVENT_READ)
        select.register(self._listener, selectors.EVENT_READ)
        while not self.stop_asked:
            for key, events in select.select():
                if key.fileobj == self._ended:
                    return
                if key.fileobj is self._line:
                    if not self._on_line():
                        return
                elif key.fileobj is self._listener:
                    self._on_caller()
                else:
                    self._on_client(key.data, events)

    def _on_caller(self) -> None:
        opened, _ = self._listener.accept()
        opened.setblocking(False)
        client = _Client(number=self._next, connection=opened)
        self._next += 1
        self._clients[client.number] = client
        self._selector.register(opened, selectors.EVENT_READ, client)

    def _on_client(self, client: _Client, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            self._flush_client(client)
        if not events & selectors.EVENT_READ or client.number not in self._clients:
            return
        try:
            chunk = client.connection.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        client.incoming += chunk
        while (end := client.incoming.find(b"\n")) >= 0:
            message = json.loads(bytes(client.incoming[:end]))
            del client.incoming[: end + 1]
            if message.get("do") == "stop":
                self.stop_asked = True
                return
            if not client.finished:
                self._send(message | {"id": client.number})
        if not chunk:
            self._drop(client)
            if not client.finished:
                self._send({"id": client.number, "gone": True})

    def _drop(self, client: _Client) -> None:
        del self._clients[client.number]
        self._selector.unregister(client.connection)
        client.connection.close()

    def _send(self, message: dict[str, object]) -> None:
        self._to_line += json.dumps(message, separators=(",", ":")).encode() + b"\n"
        self._push()

    def _push(self) -> None:
        while self._to_line and self._under_way < _WINDOW_BYTES:
            try:
                sent = self._line.send(bytes(self._to_line[: _WINDOW_BYTES - self._under_way]))
            except BlockingIOError:
                return
            del self._to_line[:sent]
            self._under_way += sent

    def _on_line(self) -> bool:
        try:
            chunk = self._line.recv(1 << 18)
        except BlockingIOError:
            return True
        if not chunk:
            return False
        self._from_line += chunk
        *lines, rest = bytes(self._from_line).split(b"\n")
        self._from_line = bytearray(rest)
        for line in lines:
            message = json.loads(line)
            if "got" in message:
                self._under_way -= message["got"]
                self._push()
                continue
            client = self._clients.get(message["id"])
            if client is not None:
                client.outgoing += line + b"\n"
                client.last = client.last or "end" in message
                self._flush_client(client)
        return True

    def _flush_client(self, client: _Client) -> None:
        try:
            while client.outgoing:
                del client.outgoing[: client.connection.send(client.outgoing)]
        except BlockingIOError:
            pass
        except OSError:
            client.outgoing.clear()
        if client.last and not client.outgoing and not client.finished:
            client.finished = True  # it closes when it has read all; what it says until then is late
            with suppress(OSError):
                client.connection.shutdown(socket.SHUT_WR)
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.outgoing else 0)
        self._selector.modify(client.connection, wanted, client)


class _Client:
    def __init__(self, *, number: int, connection: socket.socket) -> None:
        self.number = number
        self.connection = connection
        self.incoming = bytearray()
        self.outgoing = bytearray()
        self.last = False
        self.finished = False


def main(folder: str, ready_fd: int) -> int:
    """Boot, say ``ready`` (or why not) on ``ready_fd``, serve, clean up."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.chdir(folder)
    alive = os.open(ALIVE, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
    order = json.loads(Path(ORDER).read_bytes())
    ours, theirs = socket.socketpair()
    ended_read, ended_write = os.pipe()
    stop = threading.Event()
    trouble: list[str] = []

    def on_confined(known: Confinement) -> None:
        keep_only(KEEPER)  # of this thread
        write_confinement(Path(folder), known)

    def live() -> None:
        try:
            run_in_guest(
                kernel=need_kernel("real"),
                entry=order["entry"],
                job=json.dumps(order["job"]).encode(),
                folder=Path(folder) / order["folder"],
                clock="real",
                seed=order["seed"],
                virtual_deadline_ns=_FOR_EVER_S * 10**9,
                wall_deadline_s=float(_FOR_EVER_S),
                memory_bytes=order["memory_bytes"],
                on_line=lambda line: print(line, flush=True),  # noqa: T201 - stdout is the log file
                stopped=stop.is_set,
                line_fd=theirs.fileno(),
                readable=[Path(order["from"])],
                reads_everything=True,
                on_confined=on_confined,
            )
        except KeyboardInterrupt:
            pass
        except ShadowLabError as error:
            trouble.append(str(error))
        finally:
            os.close(ended_write)

    def unwind(_number: int, _frame: object) -> None:
        raise SystemExit(0)

    keeper = threading.Thread(target=live, name="guest")
    signal.signal(signal.SIGTERM, unwind)
    keeper.start()
    keep_only(KEEPER)
    try:
        hello = _read_hello(ours, ended_read)
        if not hello:
            stop.set()
            keeper.join()
            os.write(ready_fd, (trouble[0] if trouble else "the guest did not come up in time").encode())
            return 1
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            with suppress(FileNotFoundError):
                os.unlink(DOOR)
            mask = os.umask(0o077)
            listener.bind(DOOR)
            os.umask(mask)
            listener.listen(64)
            listener.setblocking(False)
            ours.setblocking(False)
            os.write(ready_fd, READY)
            os.close(ready_fd)
            Door(line=ours, listener=listener, ended=ended_read).serve()
    finally:
        stop.set()
        keeper.join()
        for name in (DOOR, ALIVE, CONFINED):
            with suppress(FileNotFoundError):
                os.unlink(name)
        if trouble:
            print(trouble[0], flush=True)  # noqa: T201 - stdout is the log file
    return 0


def write_confinement(folder: Path, known: Confinement) -> None:
    (folder / CONFINED).write_text(json.dumps(asdict(known) | {"text": known.describe()}) + "\n", encoding="utf-8")


def read_confinement(folder: Path) -> dict[str, str]:
    """What holds the guest whose keeper works in the folder: ``by`` and ``text``, empty if none is up."""
    try:
        told = json.loads((folder / CONFINED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {"by": "", "text": ""}
    return {"by": str(told["by"]), "text": str(told["text"])}


def _read_hello(line: socket.socket, ended: int) -> bool:
    """Wait for the first line: before it the terminal would echo.  False if the guest ended or took too long."""
    line.settimeout(0.1)
    seen = b""
    for _ in range(int(_BOOT_PATIENCE_S / 0.1)):
        with suppress(TimeoutError):
            seen += line.recv(64)
        if b"hello\n" in seen:
            return True
        with selectors.DefaultSelector() as selector:
            selector.register(ended, selectors.EVENT_READ)
            if selector.select(0):
                return False
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
