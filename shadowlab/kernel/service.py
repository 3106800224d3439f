"""A module of ours as a process that ends with the one that started it, however that ends.

In: the module's name, its words, an environment.  Out: a process to wait for and to end.
Never: a process left behind by a supervisor that was killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from shadowlab.kernel.syscalls import die_with_parent

_PARENT = "SHADOWLAB_SERVED_BY"


class Service:
    """A process, running or ended."""

    def __init__(self, started: subprocess.Popen[bytes], since_s: float) -> None:
        self._started = started
        self.pid = started.pid
        self.since_s = since_s

    def code(self) -> int | None:
        """As shells have it; None while it runs."""
        code = self._started.poll()
        return code if code is None or code >= 0 else 128 - code

    def end(self, patience_s: float = 5.0) -> None:
        """Ask its whole session to end, then insist."""
        for number, wait_s in ((signal.SIGTERM, patience_s), (signal.SIGKILL, None)):
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)
            with suppress(subprocess.TimeoutExpired):
                self._started.wait(wait_s)
                if number == signal.SIGKILL:
                    return


def start(module: str, words: Sequence[str], environment: Mapping[str, str]) -> Service:
    """``python -m MODULE WORDS``, in a session of its own.  Raises OSError."""
    started = subprocess.Popen(
        [sys.executable, "-m", module, *words],
        env={**os.environ, **environment, _PARENT: str(os.getpid())},
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    return Service(started, time.monotonic())


def tie_to_parent() -> None:
    """The first thing that the started module does."""
    die_with_parent(int(os.environ.pop(_PARENT)))
