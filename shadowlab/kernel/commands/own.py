"""A command of ours as a child: in a session of its own, and asked to end when the parent dies.

In: arguments, an environment, a file for what it prints.  Out: its progress and its exit code, as file descriptors for
an event loop.  Never: a child of its session left alive by :meth:`OwnCommand.close`.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from shadowlab.errors import ShadowFailedError
from shadowlab.kernel.programs import exit_code
from shadowlab.kernel.rights import privileges

END, KILL = signal.SIGTERM, signal.SIGKILL


class OwnCommand:
    """Started by its constructor's caller with :func:`start`, from a thread that lives as long as the program: the
    kernel tells a child of the end of that thread."""

    def __init__(self, started: subprocess.Popen[bytes]) -> None:
        assert started.stderr is not None
        self._started = started
        self.pid = started.pid
        self.told = started.stderr.fileno()
        """What it writes to stderr; does not block."""
        self.ended = os.pidfd_open(started.pid)
        """Readable when it has ended."""
        os.set_blocking(self.told, False)

    def signal(self, number: int) -> None:
        """To its whole session; nothing happens if nobody is left."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._started.pid, number)

    def exit_code(self) -> int:
        """As shells have it, once it has ended."""
        return exit_code(self._started.wait())

    def close(self) -> None:
        """Kill what is left of it."""
        self.signal(KILL)
        self._started.wait()
        os.close(self.ended)
        if self._started.stderr is not None:
            self._started.stderr.close()


def start(argv: Sequence[str], *, environment: Mapping[str, str], folder: Path, output: Path) -> OwnCommand:
    """``output`` takes its stdout.  Raises ShadowFailedError if it cannot be started."""
    try:
        with output.open("wb") as file:
            started = subprocess.Popen(
                list(argv),
                env=dict(environment),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.PIPE,
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )
    except (OSError, subprocess.SubprocessError) as error:
        raise ShadowFailedError(f"cannot start {argv[0]}: {error}") from error
    return OwnCommand(started)


def _end_with_parent() -> None:
    privileges.set_death_signal(END)
