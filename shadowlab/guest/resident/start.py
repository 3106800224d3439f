"""Start the keeper of a guest, and speak with the guest through it.

In: what to boot; messages.  Out: a keeper that lives on its own; the guest's answers.
Never: a wait without end for a keeper that died: a closed connection is an error.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shadowlab.errors import CannotRunError, ShadowFailedError
from shadowlab.guest.boot import import_path
from shadowlab.guest.resident.door import ALIVE, DOOR, LOG, ORDER, READY

_START_PATIENCE_S = 90.0
_STOP_PATIENCE_S = 10.0
_SO_PEERCRED = 17


def start_resident(folder: Path, *, entry: str, job: object, guest_folder: str, memory_bytes: int, seed: int) -> None:
    """Boot a guest that calls ``entry`` and stays; returns when it answers.  ``guest_folder`` is below ``folder``.

    Its programs read what its user may read, and in any case what lies where this process stands.
    """
    (folder / guest_folder).mkdir(exist_ok=True)
    order = {"entry": entry, "job": job, "folder": guest_folder, "memory_bytes": memory_bytes, "seed": seed}
    order["from"] = os.getcwd()
    (folder / ORDER).write_text(json.dumps(order), encoding="utf-8")
    ready, ready_write = os.pipe()
    code = f"import sys; sys.path[:] = {import_path()!r}; from shadowlab.guest.resident.door import main; "
    code += "sys.exit(main(sys.argv[1], int(sys.argv[2])))"
    try:
        with (folder / LOG).open("ab") as log:
            keeper = subprocess.Popen(
                [sys.executable, "-c", code, str(folder), str(ready_write)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(ready_write,),
                start_new_session=True,
            )
        os.close(ready_write)
        ready_write = -1
        said = _read_all(ready, _START_PATIENCE_S)
    except BaseException:
        stop_resident(folder)
        raise
    finally:
        os.close(ready)
        if ready_write >= 0:
            os.close(ready_write)
    if said != READY:
        keeper.kill()
        keeper.wait()
        words = said.decode(errors="replace").strip() or (folder / LOG).read_text(errors="replace")[-2000:]
        raise CannotRunError(f"the guest did not start: {words}")
    keeper.returncode = 0  # it lives on, and is nobody's to wait for


def ordered_memory_bytes(folder: Path) -> int:
    """What the resident guest of ``folder`` was given."""
    return int(json.loads((folder / ORDER).read_text(encoding="utf-8"))["memory_bytes"])


def _read_all(fd: int, patience_s: float) -> bytes:
    give_up_s = time.monotonic() + patience_s
    said = b""
    while (left := give_up_s - time.monotonic()) > 0:
        if select.select([fd], [], [], left)[0]:
            chunk = os.read(fd, 4096)
            if not chunk or chunk.endswith(READY):
                return said + chunk
            said += chunk
    return said


def is_alive(folder: Path) -> bool:
    """Whether a keeper lives: it holds a lock as long as it does."""
    try:
        fd = os.open(folder / ALIVE, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def stop_resident(folder: Path) -> None:
    """End the guest and its keeper, and wait for it; nothing if there is none."""
    give_up_s = time.monotonic() + _STOP_PATIENCE_S
    while is_alive(folder):
        pid = 0
        try:
            with Line(folder) as line:
                pid = line.keeper
                line.send({"do": "stop"})
                line.receive()
        except (OSError, ShadowFailedError):
            pass
        if time.monotonic() > give_up_s:
            if not pid:
                raise ShadowFailedError(f"the keeper of the guest in {folder} lives and does not answer")
            os.kill(pid, signal.SIGKILL)  # it answered from our own folder's socket: it is ours
        time.sleep(0.02)


class Line:
    """One connection to a keeper: one request, and what belongs to it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket: socket.socket | None = None
        self._buffer = bytearray()

    def __enter__(self) -> Line:
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # A socket's path holds 107 bytes; through a descriptor of its folder any folder will do.
            folder = os.open(self._folder, os.O_PATH | os.O_DIRECTORY)
            try:
                opened.connect(f"/proc/self/fd/{folder}/{DOOR}")
            finally:
                os.close(folder)
        except OSError as error:
            opened.close()
            raise ShadowFailedError(
                f"the guest of the lab in {self._folder} is not up: {error.strerror}; 'shadowlab gc' clears it away"
            ) from error
        self._socket = opened
        return self

    def __exit__(self, *exc: object) -> None:
        self._connection.close()

    @property
    def _connection(self) -> socket.socket:
        if self._socket is None:
            raise ShadowFailedError("the line is not open: enter it with 'with' first")
        return self._socket

    def fileno(self) -> int:
        return self._connection.fileno()

    @property
    def keeper(self) -> int:
        """The process at the other end."""
        credentials = self._connection.getsockopt(socket.SOL_SOCKET, _SO_PEERCRED, 12)
        return int.from_bytes(credentials[:4], sys.byteorder)

    def send(self, message: dict[str, object]) -> None:
        try:
            self._connection.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise ShadowFailedError(f"the guest of the lab in {self._folder} went away: {error.strerror}") from error

    def receive(self) -> dict[str, object]:
        """The next message.  Raises ShadowFailedError when the other side is gone."""
        while not self.waiting:
            try:
                chunk = self._connection.recv(1 << 18)
            except OSError:
                chunk = b""
            if not chunk:
                raise ShadowFailedError(f"the guest of the lab in {self._folder} went away; see {LOG} there")
            self._buffer += chunk
        line, _, rest = bytes(self._buffer).partition(b"\n")
        self._buffer = bytearray(rest)
        message: dict[str, object] = json.loads(line)
        return message

    @property
    def waiting(self) -> bool:
        """Whether a message has come already."""
        return b"\n" in self._buffer


@contextmanager
def asked(folder: Path, request: dict[str, object]) -> Iterator[Line]:
    """A connection that has sent its request."""
    with Line(folder) as line:
        line.send(request)
        yield line
