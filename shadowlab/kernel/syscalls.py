"""Thin typed calls for what Python 3.11's ``os`` lacks, and the one place where an errno becomes our error.

In: numbers, paths.  Out: nothing, or :class:`~shadowlab.errors.KernelRefusedError` saying what was tried and why not.
Never: a decision.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal

from shadowlab.errors import KernelRefusedError

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x00020000, 0x10000000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE, MS_SLAVE, MS_SHARED = 0x1000, 0x4000, 0x40000, 0x80000, 0x100000
MNT_DETACH, UMOUNT_NOFOLLOW = 2, 8
_SYS_FSOPEN, _SYS_FSCONFIG, _SYS_FSMOUNT = 430, 431, 432  # the same on every architecture
_SYS_BPF = 321 if os.uname().machine == "x86_64" else 280
_FSOPEN_CLOEXEC, _FSCONFIG_CMD_CREATE, _FSMOUNT_CLOEXEC = 1, 6, 1
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36

# The handle of the running program is enough: libc is linked into it.  Nothing is looked up until a call is made.
_libc = ctypes.CDLL(None, use_errno=True)

_HINTS = {
    errno.EPERM: "operation not permitted: it needs root, or a user namespace in which we are root",
    errno.ENOSPC: "no room: the limit in /proc/sys/user (max_net_namespaces, max_user_namespaces) is reached",
    errno.EMFILE: "too many open files: raise the limit (ulimit -n); each node takes two",
}
_MISSING = ", this kernel lacks a module that the embedded kernel has"
_WORD_HINTS = {
    "Specified qdisc kind is unknown": _MISSING,
    "TC classifier not found": _MISSING,
    "Unknown device type": _MISSING,
}


def refusal(tried: str, number: int, words: str = "") -> KernelRefusedError:
    """The error for an errno.  ``words`` are the kernel's own, where it gave any; they say more than the number."""
    return KernelRefusedError(
        tried=tried,
        errno_name=errno.errorcode.get(number, str(number)),
        why=words + _WORD_HINTS.get(words.rstrip("."), "") or _HINTS.get(number) or os.strerror(number).lower(),
    )


class refusing:
    """Translates an OSError of what is done within it at the border, keeping its cause."""

    def __init__(self, tried: str) -> None:
        self._tried = tried

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise refusal(self._tried, error.errno or 0) from error


def _check(result: int, tried: str) -> None:
    if result != 0:
        raise refusal(tried, ctypes.get_errno())


def unshare(flags: int, tried: str) -> None:
    """Leave namespaces for fresh ones; of network namespaces, only the calling thread does."""
    _check(_libc.unshare(ctypes.c_int(flags)), tried)


def setns(fd: int, kind: int, tried: str) -> None:
    """Move the calling thread into the namespace behind ``fd``."""
    _check(_libc.setns(ctypes.c_int(fd), ctypes.c_int(kind)), tried)


def make_mounts_private() -> None:
    """No mount made from here on is seen outside of this mount namespace."""
    _check(
        _libc.mount(b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None), "make the mount namespace private"
    )


def mount(source: str, target: str, kind: str, flags: int, tried: str, options: str = "") -> None:
    """mount(2); ``kind`` may be empty for a bind or a change of propagation."""
    words = [os.fsencode(word) for word in (source, target, kind, options)]
    _check(_libc.mount(words[0], words[1], words[2] or None, ctypes.c_ulong(flags), words[3] or None), tried)


def detached_mount(kind: str, tried: str) -> int:
    """A descriptor of a fresh file system's root, mounted nowhere; it is gone when that is closed."""
    context = _call(tried, _SYS_FSOPEN, os.fsencode(kind), ctypes.c_uint(_FSOPEN_CLOEXEC))
    try:
        _call(tried, _SYS_FSCONFIG, ctypes.c_int(context), ctypes.c_uint(_FSCONFIG_CMD_CREATE), None, None, 0)
        return _call(tried, _SYS_FSMOUNT, ctypes.c_int(context), ctypes.c_uint(_FSMOUNT_CLOEXEC), ctypes.c_uint(0))
    finally:
        os.close(context)


def bpf(command: int, attributes: bytes, tried: str) -> int:
    """bpf(2).  ``attributes`` is the beginning of the kernel's union; the rest of it is zeros."""
    held = ctypes.create_string_buffer(attributes, len(attributes))
    return _call(tried, _SYS_BPF, ctypes.c_int(command), held, ctypes.c_uint(len(attributes)))


def _call(tried: str, number: int, *arguments: object) -> int:
    """A system call that libc has no name for."""
    result: int = _libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        raise refusal(tried, ctypes.get_errno())
    return result


def unmount(target: str, tried: str, *, in_use: bool = True) -> None:
    """Take the topmost mount of a path away, at once for new users of the path, for old ones when they leave it.

    Without ``in_use`` one that is used, or that holds other mounts, is refused (EBUSY)."""
    flags = UMOUNT_NOFOLLOW | (MNT_DETACH if in_use else 0)
    _check(_libc.umount2(os.fsencode(target), ctypes.c_int(flags)), tried)


def adopt_orphans() -> None:
    """Descendants that lose their parent become children of this process instead of init's."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1, "become the parent of orphaned descendants")


def die_with_parent(parent: int) -> None:
    """Be killed when the thread that started this process ends; end at once if process ``parent`` has ended already."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL, "ask to be killed when the parent ends")
    if os.getppid() != parent:
        raise SystemExit(f"the process {parent} that started this one has ended")


def _prctl(option: int, value: int, tried: str) -> None:
    zero = ctypes.c_ulong(0)
    _check(_libc.prctl(ctypes.c_int(option), ctypes.c_ulong(value), zero, zero, zero), tried)
