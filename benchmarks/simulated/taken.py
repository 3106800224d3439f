"""What a command takes: seconds of wall and of processor, all its descendants' included.

In: a command.  Out: what it printed, and `Taken`.  On a busy machine the processor's time is nearer to the truth.
A guest's processes are left over when it powers off; this process becomes their parent then, so none goes uncounted.
"""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, kw_only=True)
class Taken:
    """Seconds; and the most memory one of its processes held: of a guest, that of its kernel, all it ever used."""

    wall_s: float
    cpu_s: float
    most_bytes: int


def take(command: Sequence[str], *, given: str = "", cpu: int | None = None) -> tuple[str, Taken]:
    """Run it, with ``given`` on its stdin, on one processor if one is named.  Raises CalledProcessError."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    words = command if cpu is None else ["taskset", "-c", str(cpu), *command]
    done = subprocess.run(words, input=given, check=True, text=True, stdout=subprocess.PIPE)
    wall_s = time.monotonic() - begin
    while True:
        try:
            os.wait()
        except ChildProcessError:
            break
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done.stdout, Taken(wall_s=wall_s, cpu_s=cpu_s, most_bytes=after.ru_maxrss * 1024)
