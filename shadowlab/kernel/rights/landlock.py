"""Landlock: what a process may do with files from here on, whoever it is (landlock(7); Linux 5.13 and newer).

In: paths that may be read, paths that may be written.  Out: a rule set, put on the calling thread and all it starts.
Never: a right that the process did not have; a rule set only widens what the rule set itself took away.

Reading what is about a file (stat) and walking through folders is never restricted.  Imports little: see
`guest/host_side/launch.py`.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Iterable

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same numbers on every architecture
_VERSION_FLAG = 1
_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_CHANGE_FOLDER = 0b1_1111_1111 << 4  # remove a folder or file; make a device, folder, file, socket, FIFO, link
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_ON_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_TCP = 0b11
"""Bind and connect."""
_SCOPES = 0b11
"""Abstract Unix sockets, signals: only within the domain."""

_TMPFS_MAGIC = 0x01021994

READ = _EXECUTE | _READ_FILE | _READ_DIR

_libc = ctypes.CDLL(None, use_errno=True)


class _RulesetAttr(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneathAttr(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def abi() -> int:
    """The version of the interface: 0 where the kernel has none, or it was switched off at boot, or is filtered."""
    version: int = _libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG))
    return max(version, 0)


def rights(version: int) -> int:
    """Every right over files that this version can take away."""
    newer = (_REFER if version >= 2 else 0) | (_TRUNCATE if version >= 3 else 0) | (_IOCTL_DEV if version >= 5 else 0)
    return READ | _WRITE_FILE | _CHANGE_FOLDER | newer


def cuts_tcp(version: int) -> bool:
    """Whether this version takes TCP away as well: no port can be bound, no connection made."""
    return version >= 4


class Ruleset:
    """Everything is forbidden but what :meth:`allow` names.  Closed by :meth:`enforce`."""

    def __init__(self, version: int) -> None:
        self._rights = rights(version)
        attr = _RulesetAttr(self._rights, _TCP if cuts_tcp(version) else 0, _SCOPES if version >= 6 else 0)
        size = 24 if version >= 6 else 16 if version >= 4 else 8  # what an older kernel does not know must be left out
        self._fd: int = _called(
            _libc.syscall(_CREATE_RULESET, ctypes.byref(attr), ctypes.c_size_t(size), ctypes.c_uint32(0)),
            "make a Landlock rule set",
        )

    def allow(self, path: str | int, *, write: bool = False) -> None:
        """Reading (and writing) of a file, or of a folder and all below; a path that is not there is passed over."""
        try:
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC) if isinstance(path, str) else os.dup(path)
        except (FileNotFoundError, NotADirectoryError):
            return
        try:
            allowed = self._rights if write else READ & self._rights
            if not stat.S_ISDIR(os.fstat(fd).st_mode):
                allowed &= _ON_FILES
            rule = _PathBeneathAttr(allowed, fd)
            _called(
                _libc.syscall(_ADD_RULE, self._fd, ctypes.c_int(_PATH_BENEATH), ctypes.byref(rule), ctypes.c_uint32(0)),
                f"allow {path!r} by Landlock",
            )
        finally:
            os.close(fd)

    def allow_all(self, paths: Iterable[str]) -> None:
        """Reading of each."""
        for path in paths:
            self.allow(path)

    def enforce(self) -> None:
        """For the calling thread and all it starts, for ever.  It must have given up new privileges before."""
        try:
            _called(_libc.syscall(_RESTRICT_SELF, self._fd, ctypes.c_uint32(0)), "confine this process by Landlock")
        finally:
            os.close(self._fd)


def is_tmpfs(fd: int) -> bool:
    """Whether the file system behind a descriptor is memory."""
    told = (ctypes.c_long * 32)()  # struct statfs begins with the file system's number
    _called(_libc.fstatfs(ctypes.c_int(fd), ctypes.byref(told)), "look at a file system")
    return told[0] == _TMPFS_MAGIC


def _called(result: int, tried: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{tried}: {errno.errorcode.get(number, number)}, {os.strerror(number)}")
    return result
