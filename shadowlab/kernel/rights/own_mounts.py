"""A process's own view of the files: ways through folders that its user may not pass, and everything else read-only.

In: paths.  Out: the mounts of the calling process, which left the machine's mount namespace before.
Never: a change to anybody else's mounts.  Raises OSError.  Imports little: see `guest/host_side/launch.py`.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import stat
from collections.abc import Mapping, Sequence

_RDONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT, _BIND, _REC, _PRIVATE = 1, 2, 4, 8, 32, 0x1000, 0x4000, 0x40000
_KEPT = {"nosuid": _NOSUID, "nodev": _NODEV, "noexec": _NOEXEC}
"""A remount that leaves out one of these, where a user namespace inherited it, is refused."""
_OUT_OF_REACH = (errno.ENOENT, errno.EACCES, errno.EINVAL)
"""Hidden below another mount, or in a folder that the process cannot pass through either."""

_libc = ctypes.CDLL(None, use_errno=True)


def keep_private() -> None:
    """What is mounted from here on is seen by nobody else."""
    _mount("none", "/", flags=_REC | _PRIVATE)


def open_doors(doors: Mapping[str, Sequence[str]]) -> None:
    """Cover each folder, which only its owner may pass through, by an empty one that all may; of what it holds only
    the paths given with it appear again, where they were.  A door may lie behind another: outer ones come first."""
    behind = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for paths in doors.values() for path in paths}
    mask = os.umask(0o022)  # of the caller's own all could be forbidden to others: then the doors led nowhere
    for folder, paths in doors.items():
        _mount("none", folder, kind="tmpfs", flags=_NOSUID | _NODEV, options="mode=755,size=1m")
        for path in paths:
            fd = behind[path]
            if stat.S_ISDIR(os.fstat(fd).st_mode):
                os.makedirs(path, mode=0o755, exist_ok=True)
            else:
                os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
            _mount(f"/proc/self/fd/{fd}", path, flags=_BIND | _REC)
            os.close(fd)
    os.umask(mask)


def forbid_writing(*but: str) -> bool:
    """Every mount becomes read-only, but for these folders.  Whether that could be done to every mount in reach."""
    writable = [os.path.realpath(folder) for folder in but]
    for folder in writable:
        _mount(folder, folder, flags=_BIND)
    with open("/proc/self/mountinfo") as file:
        mounts = [line.split() for line in file]
    complete = True
    for words in mounts:
        place = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), words[4])
        if place in writable:
            continue
        kept = sum(_KEPT.get(option, 0) for option in words[5].split(","))
        try:
            _mount("none", place, flags=_REMOUNT | _BIND | _RDONLY | kept)
        except OSError as error:
            complete = complete and error.errno in _OUT_OF_REACH
    return complete


def _mount(source: str, target: str, *, kind: str = "", flags: int, options: str = "") -> None:
    words = [os.fsencode(word) or None for word in (source, target, kind, options)]
    if _libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3]) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"mount {source} on {target}: {os.strerror(number)}")
