"""The command line of one guest, as values.

In:    the kernel, the clock, the seed, the folder of the run, the process that is to be the guest's first.
Out:   the argument list and the environment of the host process.
Never: starts anything.
"""

from __future__ import annotations

import os
import string
from collections.abc import Mapping, Sequence

from shadowlab.errors import CannotRunError
from shadowlab.guest.cache import Clock

START_OF_TIME_NS = 1_735_689_600 * 10**9
"""What the virtual wall clock reads at boot: 2025-01-01T00:00:00Z, always, so that runs repeat."""

COMMAND_LINE_BYTES = 4096
"""The kernel's COMMAND_LINE_SIZE on user-mode Linux."""

GUEST_NAME = "SHADOWLAB_GUEST"
"""The variable of the host process that says which program, and which thread of it, started the guest."""

INSIDE = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/run",
    "TMPDIR": "/run/tmp",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "OPENBLAS_NUM_THREADS": "1",  # one CPU inside
}
"""The environment inside the guest; nothing of the host's, so that runs repeat."""

_PLAIN = frozenset(string.ascii_letters + string.digits + "/._-+,:=@")


def quoted(value: str) -> str:
    """One value as the kernel's parser wants it: in double quotes, which themselves cannot be quoted."""
    if '"' in value or "\n" in value:
        raise CannotRunError(f"the path {value!r} contains a double quote or a line break: the guest cannot take it")
    return value if set(value) <= _PLAIN else f'"{value}"'


def kernel_arguments(
    *,
    clock: Clock,
    memory_bytes: int,
    init: Sequence[str],
    inside: Mapping[str, str],
    line_fd: int | None = None,
) -> list[str]:
    """What the kernel is told: its devices, its clock, and its first process with arguments.

    The same for the same job on every machine, whatever the folders: the kernel stirs its command line into its pool of
    chance.
    """
    arguments = [
        f"mem={memory_bytes // 1024}K",
        "root=/dev/root",
        "rootfstype=hostfs",
        "ro",
        "quiet",
        "panic=-1",
        "noreboot",
        "con=null",
        "con0=fd:0,fd:1",
        # The kernel wants a folder for a pid file nobody reads.  Nothing can be created under this one.
        "uml_dir=/dev/null/",
        "umid=shadowlab",
    ]
    if line_fd is not None:
        # And none of the devices that these drivers make by themselves: the root of a lab holds its loopback only.
        arguments += [f"con1=fd:{line_fd},fd:{line_fd}", "dummy.numdummies=0", "ifb.numifbs=0"]
    if clock == "virtual":
        # A tick costs nothing where time is free; to stop and start it around every packet costs a tenth of a run.
        arguments += ["nohz=off", "time-travel=inf-cpu", f"time-travel-start={START_OF_TIME_NS}"]
    arguments += [f"{key}={quoted(value)}" for key, value in sorted(inside.items())]
    arguments += [f"init={quoted(init[0])}", "--", *(quoted(word) for word in init[1:])]
    if sum(len(os.fsencode(word)) + 1 for word in arguments) >= COMMAND_LINE_BYTES:
        raise CannotRunError(f"the guest's command line exceeds {COMMAND_LINE_BYTES} bytes: use a shorter path")
    return arguments


def host_environment(*, seed: int, preload_fd: int | None, name: str) -> dict[str, str]:
    """The environment of the host process, ``name`` to know it by; the launcher adds TMPDIR, where the memory lies.

    The library is named by descriptor: a path may hold spaces, or lead through folders that the guest's user may not.
    """
    environment = {"PATH": INSIDE["PATH"], "HOME": "/", GUEST_NAME: name}
    if preload_fd is not None:
        environment["LD_PRELOAD"] = f"/proc/self/fd/{preload_fd}"
        environment["SHADOWLAB_GUEST_SEED"] = str(seed)
    return environment
