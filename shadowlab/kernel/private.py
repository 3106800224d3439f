"""One function in a private segment of the host's kernel: a process of its own, in fresh namespaces, that dies with us.

In: "package.module:function", a job, a folder.  Out: the function's lines while it runs, its exit code at the end.
Never: an interface, route or mount of the machine in reach of that function; never a process left behind.

The counterpart of the embedded kernel's :func:`shadowlab.guest.boot.run_in_guest`: both call the same function alike.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path

from shadowlab.errors import ShadowFailedError
from shadowlab.kernel.netns import enter_private_segment
from shadowlab.kernel.rights import privileges
from shadowlab.kernel.syscalls import die_with_parent

JOB_FILE = "job.json"
_LOOK_EVERY_MS = 100
_LAST_LINES = 20


def run_private(
    *,
    entry: str,
    job: bytes,
    folder: Path,
    wall_deadline_s: float,
    on_line: Callable[[str], None],
    stopped: Callable[[], bool],
    own_users: bool = False,
) -> int:
    """Call ``entry`` as ``function(job_path, folder)``; its exit code.

    ``own_users``: root, too, takes a user namespace (see `enter_private_segment`); ask :func:`user_namespace_suffices`.

    Raises ShadowFailedError when it raised, was killed, or passed its deadline; KeyboardInterrupt when ``stopped()``.
    """
    job_path = folder / JOB_FILE
    job_path.write_bytes(job)
    last: deque[str] = deque(maxlen=_LAST_LINES)
    try:
        child = subprocess.Popen(
            [sys.executable, "-m", __name__, str(os.getpid()), str(int(own_users)), entry, str(job_path), str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            in_time = _follow(child, time.monotonic() + wall_deadline_s, on_line, last, stopped)
        finally:
            with contextlib.suppress(ProcessLookupError):  # the whole session: scripts it started as well
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            if child.stdout is not None:
                child.stdout.close()
    finally:
        job_path.unlink(missing_ok=True)
    if not in_time:
        raise ShadowFailedError(f"the run on the host kernel was stopped after its deadline of {wall_deadline_s:.0f} s")
    if child.returncode not in (0, 1):
        raise ShadowFailedError("the run on the host kernel died:\n" + "\n".join(last))
    return child.returncode


def _follow(
    child: subprocess.Popen[bytes],
    deadline_s: float,
    on_line: Callable[[str], None],
    last: deque[str],
    stopped: Callable[[], bool],
) -> bool:
    """Pass lines on until the child ends (True) or its time is up (False)."""
    assert child.stdout is not None
    poll = select.poll()
    poll.register(child.stdout, select.POLLIN)
    rest = b""
    while True:
        if stopped():
            raise KeyboardInterrupt
        if time.monotonic() >= deadline_s:
            return False
        if not poll.poll(_LOOK_EVERY_MS):
            continue
        chunk = os.read(child.stdout.fileno(), 1 << 16)
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines if chunk else [*lines, rest]:
            text = line.decode(errors="replace")
            last.append(text)
            on_line(text)
        if not chunk:
            child.wait()
            return True


def user_namespace_suffices(*, receive_bytes: int, send_bytes: int, congestion_controls: Iterable[str]) -> bool:
    """Whether root gives nothing away by a user namespace.

    In there buffers end at the machine's limits, and a congestion control that is not loaded is not to be had.
    """
    limits = [Path("/proc/sys/net/core/rmem_max"), Path("/proc/sys/net/core/wmem_max")]
    loaded = Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text().split()
    return set(congestion_controls) <= set(loaded) and all(
        int(limit.read_text()) >= wanted for limit, wanted in zip(limits, (receive_bytes, send_bytes), strict=True)
    )


def describe_private(*, own_users: bool) -> str:
    """What holds a segment on the host's kernel, in a line."""
    if os.geteuid() != 0 or (own_users and Path("/proc/sys/user/max_user_namespaces").read_text() != "0\n"):
        return "namespaces of its own for users, mounts and network"
    return f"namespaces of its own for mounts and network, and {len(privileges.SEGMENT)} capabilities of root's"


def main(parent: int, own_users: int, entry: str, job_path: str, folder: str) -> int:
    """The child: tie its life to the parent's, leave the machine's namespaces and rights, call the function."""
    enter_private_segment(own_users=bool(own_users))
    die_with_parent(parent)  # last: giving up rights takes the death signal away
    module, _, function = entry.partition(":")
    code: int = getattr(import_module(module), function)(job_path, folder)
    return code


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]))
