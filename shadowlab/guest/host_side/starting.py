"""The guest's process on the host: started by way of the launcher, ended with all it started, its traces removed.

In:    what is to be started (`Start`), where its console goes.
Out:   the process, already confined, and the `Confinement`.
Never: a process, an open descriptor, or a file of the guest's user left behind.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from shadowlab.errors import ShadowFailedError
from shadowlab.guest.cache import BuiltKernel
from shadowlab.guest.command_line import host_environment
from shadowlab.guest.host_side.confinement import ALL_MEANS, Confinement, Means, give_back, read_report, write_order

LAUNCHER = Path(__file__).with_name("launch.py")
_FLAGS = ("-I", "-S", "-B")
_PATIENCE_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Start:
    """Everything that the process is made of."""

    kernel: BuiltKernel
    arguments: Sequence[str]
    seed: int
    memory_folder: Path
    cpu: int
    folder: Path
    control: Path
    line_fd: int | None
    import_path: Sequence[str]
    readable: Sequence[Path]
    """What is to be readable besides the program."""
    reads_everything: bool
    """Whether all that the user may read stays readable."""
    means: Sequence[Means] = ALL_MEANS


@contextmanager
def started(start: Start, *, console_fd: int) -> Iterator[tuple[subprocess.Popen[bytes], Confinement]]:
    """The process for the length of the ``with`` block; killed at its end if it still lives.

    Raises CannotRunError when it could not be confined, ShadowFailedError when it died before.
    """
    with ExitStack() as stack:

        def kept(fd: int) -> int:
            stack.callback(os.close, fd)
            return fd

        preload_fd = None if start.kernel.preload is None else kept(os.open(start.kernel.preload, os.O_RDONLY))
        report, report_write = os.pipe()
        kept(report)
        try:
            environment = host_environment(
                seed=start.seed, preload_fd=preload_fd, name=f"{os.getpid()}-{threading.get_native_id()}"
            )
            order_fd = kept(
                write_order(
                    kernel=start.kernel,
                    arguments=start.arguments,
                    cpu=start.cpu,
                    environment=environment,
                    folder=start.folder,
                    control=start.control,
                    memory_folder=start.memory_folder,
                    import_path=start.import_path,
                    readable=start.readable,
                    reads_everything=start.reads_everything,
                    report_fd=report_write,
                    means=start.means,
                )
            )
            stack.callback(give_back, start.folder)
            process = subprocess.Popen(
                [sys.executable, *_FLAGS, str(LAUNCHER), str(order_fd)],
                stdin=subprocess.DEVNULL,
                stdout=console_fd,
                stderr=console_fd,
                pass_fds=[fd for fd in (preload_fd, order_fd, report_write, start.line_fd) if fd is not None],
                env={name: value for name, value in environment.items() if name != "LD_PRELOAD"},
                start_new_session=True,
                cwd=start.control,
            )
        finally:
            os.close(report_write)
        stack.callback(_end, process)
        told = _read_all(report)
        if not told:
            raise ShadowFailedError("the guest's process died before it was confined:\n" + _console(console_fd))
        confinement, to_remove = read_report(told)
        if to_remove:
            stack.callback(_remove_folder, to_remove)
            stack.callback(_end, process)  # first: it may still be about to make its file there
        yield process, confinement


def _read_all(fd: int) -> bytes:
    """Until the other side has closed it, which the start of the kernel does at the latest."""
    told = b""
    while select.select([fd], [], [], _PATIENCE_S)[0]:
        chunk = os.read(fd, 1 << 16)
        if not chunk:
            break
        told += chunk
    return told


def _console(fd: int) -> str:
    return os.pread(fd, 1 << 14, 0).decode(errors="replace").strip()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the whole session; while the leader is not reaped its number still means this group."""
    if process.returncode is not None:
        return
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        process.kill()
    process.wait()


def _remove_folder(path: str) -> None:
    """The guest's memory has no name in it: it is empty, but where a file system knows no nameless files."""
    with suppress(OSError):
        for name in os.listdir(path):
            os.unlink(f"{path}/{name}")
        os.rmdir(path)
