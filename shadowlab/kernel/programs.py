"""Any program inside a node: started in the namespace the calling thread is in, with its own view of the machine.

In: arguments, an environment, streams, the hosts file of the lab.  Out: a running program.
Never: a mount that is seen outside of the program's own mount namespace; a right beyond `privileges.NODE`, unless it is
a program of ours that looks at all nodes.

A program is root over its node's network, and of the machine it holds what daemons need of files and users: nothing
that leads into another namespace.  It may gain rights from files as anywhere else (sudo, su, ping work).
As with ``ip netns exec``, /sys shows the node's own interfaces.  /etc/hosts names the lab's nodes.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import termios
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, Any, NoReturn

from shadowlab.kernel import syscalls
from shadowlab.kernel.rights import privileges

NOT_FOUND, NOT_EXECUTABLE, TIMED_OUT = 127, 126, 124
PIPE, STDOUT, NO_INPUT = subprocess.PIPE, subprocess.STDOUT, subprocess.DEVNULL
KILL = signal.SIGKILL
Started = subprocess.Popen[bytes]
START_ERRORS = (OSError, subprocess.SubprocessError)
_HOSTS = "/etc/hosts"


def own_view(hosts: str | None) -> None:
    """Give the calling process a mount namespace with the node's /sys and the lab's /etc/hosts."""
    syscalls.unshare(syscalls.CLONE_NEWNS, "make a mount namespace for a program")
    slave = syscalls.MS_REC | syscalls.MS_SLAVE
    syscalls.mount("none", "/", "", slave, "keep a program's mounts to itself")
    syscalls.mount("node", "/sys", "sysfs", 0, "mount /sys for a program")
    if hosts is not None and os.path.isfile(_HOSTS):
        syscalls.mount(hosts, _HOSTS, "", syscalls.MS_BIND, f"mount {hosts} on {_HOSTS}")


def start(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: str | None,
    stdin: int | IO[bytes],
    stdout: int | IO[bytes],
    stderr: int | IO[bytes],
    hosts: str | None,
    terminal: bool = False,
    rights: frozenset[int] = privileges.NODE,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, with these rights.  Raises OSError if it cannot be started.

    With ``terminal`` its standard input is a terminal, and becomes the one that controls it.
    """

    def prepare() -> None:
        own_view(hosts)
        privileges.keep_only(rights)
        if terminal:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    return subprocess.Popen(
        list(argv),
        env=dict(environment),
        cwd=folder,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
        preexec_fn=prepare,
    )


class Running:
    """A program beside the run: its output is to be read from ``output``, its end makes ``ended`` readable.

    Both are file descriptors for an event loop.  :meth:`close` leaves nothing of the program's session alive.
    """

    def __init__(self, started: subprocess.Popen[bytes]) -> None:
        assert started.stdout is not None
        self._started = started
        self.output = started.stdout.fileno()
        self.ended = os.pidfd_open(started.pid)
        os.set_blocking(self.output, False)

    def signal(self, number: int) -> None:
        """Send a signal to its whole session; nothing happens if nobody is left."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._started.pid, number)

    def exit_code(self) -> int:
        """As shells have it, once it has ended."""
        return exit_code(self._started.wait())

    def close(self) -> None:
        """Kill what is left of it."""
        self.signal(signal.SIGKILL)
        self._started.wait()
        os.close(self.ended)
        if self._started.stdout is not None:
            self._started.stdout.close()


def become(argv: Sequence[str], *, environment: Mapping[str, str], hosts: str | None) -> NoReturn:
    """Let this process become the program, streams, terminal, exit code and all.  Raises OSError if it cannot."""
    own_view(hosts)
    privileges.limit_programs(privileges.NODE)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and a program would inherit that
        signal.signal(number, signal.SIG_DFL)
    os.execvpe(argv[0], list(argv), dict(environment))


def why_not(argv: Sequence[str], error: Exception) -> tuple[int, str]:
    """The exit code and the words for a program that could not be started, as shells have them."""
    code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
    return code, f"{argv[0]}: {getattr(error, 'strerror', None) or error}"


def exit_code(returncode: int) -> int:
    """A program's return code as shells have it: 128 and the signal's number for one that was killed."""
    return returncode if returncode >= 0 else 128 - returncode


def collect(started: subprocess.Popen[bytes], stdin: bytes, timeout_s: float | None) -> dict[str, Any]:
    """Feed a program and gather what it writes until it ends; its session is killed when the time is up.

    ``exit_code`` (124 when stopped, as timeout(1) has it), ``stdout``, ``stderr``.
    """
    stopped = False
    with started:
        try:
            stdout, stderr = started.communicate(stdin, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            stopped = True
            os.killpg(started.pid, signal.SIGKILL)
            stdout, stderr = started.communicate()
        except BaseException:
            os.killpg(started.pid, signal.SIGKILL)
            raise
    code = TIMED_OUT if stopped else exit_code(started.returncode)
    return {"exit_code": code, "stdout": stdout, "stderr": stderr}
