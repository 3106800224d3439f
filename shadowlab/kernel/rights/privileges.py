"""What a process may do beyond an ordinary one, and how it gives that up (capabilities(7), credentials(7)).

In: the capabilities to keep, a user to become.  Out: a process with just these, and children that get no others.
Never: a right that was not held before; a process that gave something up does not get it back.

Capabilities are a thread's; everything here is for a process that has one thread, or whose threads have yet to start.
Imports little: see `guest/host_side/launch.py`.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterable, Mapping

CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP = range(9)
NET_BIND_SERVICE, NET_BROADCAST, NET_ADMIN, NET_RAW = range(10, 14)
SYS_CHROOT, SYS_PTRACE, SYS_ADMIN, SYS_RESOURCE, AUDIT_WRITE, SETFCAP = 18, 19, 21, 24, 29, 31

NODE = frozenset(
    {
        *(CHOWN, DAC_OVERRIDE, FOWNER, FSETID, SETGID, SETUID, SETPCAP, SETFCAP, KILL, SYS_CHROOT, AUDIT_WRITE),
        *(NET_BIND_SERVICE, NET_BROADCAST, NET_ADMIN, NET_RAW),
    }
)
"""What a program in a node holds: root over the node's network (interfaces, routes, filters, raw sockets, low ports),
and what daemons do with files and users.  None leads out of the node: to enter another namespace, to mount, to load a
module, to trace a foreign process or to set the clock takes others."""

SEGMENT = NODE | {SYS_ADMIN}
"""What builds and drives a segment holds: SYS_ADMIN to make and enter namespaces and to mount /sys for a program."""

COMMAND = SEGMENT | {SYS_PTRACE}
"""What a command that root types holds: SYS_PTRACE to find the programs that a lab has running by their namespaces."""

KEEPER = frozenset({CHOWN, DAC_OVERRIDE, FOWNER, KILL})
"""What the keeper of root's guest holds once that is up: to end it, and to take its files back."""

GUEST_USER = 65_528
"""Whom the embedded guest's processes run as when root starts them: a number that neither distributions nor systemd
give away (systemd's list of users and groups leaves 65520 to 65533 free), and small enough for a container's map."""

_PR_SET_PDEATHSIG, _PR_SET_SECUREBITS, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 1, 28, 38, 47
_PR_CAPBSET_READ, _PR_CAPBSET_DROP = 23, 24
_AMBIENT_RAISE, _AMBIENT_CLEAR_ALL = 2, 4
_NOROOT, _NO_SETUID_FIXUP = 0b11 << 0, 0b11 << 2
"""Each with the bit that locks it: an exec gives root nothing; a change of user takes nothing away by itself."""
_CAPABILITY_VERSION_3 = 0x20080522
_EVERY_ID = "0 0 4294967295"
_CLONE_NEWUSER = 0x10000000

_libc = ctypes.CDLL(None, use_errno=True)
_zero = ctypes.c_ulong(0)


def _called(result: int, tried: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{tried}: {os.strerror(number)}")
    return result


def _prctl(option: int, value: int, tried: str, more: int = 0) -> int:
    return _called(_libc.prctl(ctypes.c_int(option), ctypes.c_ulong(value), ctypes.c_ulong(more), _zero, _zero), tried)


def unshare(flags: int, tried: str) -> None:
    """unshare(2).  Raises OSError."""
    _called(_libc.unshare(ctypes.c_int(flags)), tried)


def no_new_privileges() -> None:
    """From here on no program that is started gives any: neither its owner's identity nor capabilities of its file."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1, "give up new privileges")


def set_death_signal(number: int) -> None:
    """The signal when the thread that started this process ends.  A change of user or capabilities takes it away."""
    _prctl(_PR_SET_PDEATHSIG, number, "ask to be killed when the parent ends")


def keep_only(kept: Iterable[int]) -> None:
    """Of the capabilities that this process holds keep these, and let nothing that it starts get others.

    A process without any, as an ordinary user's, is left as it is.  Raises OSError.
    """
    held = read_capabilities()["permitted"]
    if not held:
        return
    wanted = held & _mask(kept)
    if held >> SETPCAP & 1:
        _drop_from_bounding(wanted)
    _set_capabilities(wanted, inheritable=0)
    _prctl(_PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL, "clear the ambient capabilities")


def limit_programs(kept: Iterable[int]) -> None:
    """A program that root starts, or becomes, from here on holds these at most; this process keeps what it holds.

    So if the program cannot be started, the way back is open.  Raises OSError.
    """
    held = read_capabilities()["permitted"]
    if not held >> SETPCAP & 1:
        return
    _drop_from_bounding(_mask(kept))
    _set_capabilities(held, inheritable=0)
    _prctl(_PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL, "clear the ambient capabilities")


def become(user: int, *, kept: Iterable[int] = ()) -> None:
    """Become another user and group for ever, without other groups, keeping these capabilities over an exec.

    Root's own number may be asked for: then it is root in name only.  Raises OSError.
    """
    wanted = _mask(kept)
    may_lock = bool(read_capabilities()["permitted"] >> SETPCAP & 1)
    if may_lock:
        # The second bit also lets access(2) count capabilities: hostfs asks with it before it opens a file.
        _prctl(_PR_SET_SECUREBITS, _NOROOT | _NO_SETUID_FIXUP, "make root an ordinary user")
        _drop_from_bounding(wanted)
    if user != os.geteuid():
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    _set_capabilities(wanted, inheritable=wanted)
    _prctl(_PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL, "clear the ambient capabilities")
    for number in sorted(_numbers(wanted)):
        _prctl(_PR_CAP_AMBIENT, _AMBIENT_RAISE, "keep a capability over an exec", more=number)


def enter_user_namespace(more: int = 0) -> None:
    """As root: a user namespace (and ``more`` of others) in which every user and group means what it means outside.

    What this process may do it may do there only: over files by their modes and owners as before, over the machine
    itself (its network, its mounts, its settings) nothing.  Raises OSError.
    """
    if _mask((SETUID, SETGID, SETFCAP)) & ~read_capabilities()["effective"]:
        raise OSError(errno.EPERM, "map the users of a user namespace: not permitted")
    asked, answer = os.pipe(), os.pipe()
    own = os.getpid()
    mapper = os.fork()
    if mapper == 0:  # a map of all users can only be written from outside
        try:
            os.close(asked[1])
            if os.read(asked[0], 1):
                for name in ("uid_map", "gid_map"):
                    with open(f"/proc/{own}/{name}", "w") as file:
                        file.write(_EVERY_ID)
                os.write(answer[1], b"1")
        finally:
            os._exit(0)
    os.close(answer[1])
    os.close(asked[0])
    try:
        unshare(_CLONE_NEWUSER | more, "make a user namespace")
        os.write(asked[1], b"1")
        mapped = bool(os.read(answer[0], 1))
    finally:
        os.close(asked[1])
        os.close(answer[0])
        os.waitpid(mapper, 0)
    if not mapped:
        raise OSError(errno.EPERM, "map the users of a user namespace: not permitted")


def enter_own_user_namespace(more: int = 0) -> None:
    """As an ordinary user: a user namespace (and ``more`` of others) that knows this user only.  Raises OSError."""
    user, group = os.geteuid(), os.getegid()
    unshare(_CLONE_NEWUSER | more, "make a user namespace")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def user_namespaces_work() -> bool:
    """Whether :func:`enter_user_namespace` would succeed: tried in a child."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            enter_user_namespace()
            code = 0
        except OSError:
            pass
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1] == 0


def read_capabilities(pid: int | str = "thread-self") -> Mapping[str, int]:
    """The sets of a process as bit masks: ``inheritable``, ``permitted``, ``effective``, ``bounding``, ``ambient``."""
    names = {"CapInh": "inheritable", "CapPrm": "permitted", "CapEff": "effective", "CapBnd": "bounding"}
    names |= {"CapAmb": "ambient"}
    with open(f"/proc/{pid}/status") as file:
        lines = (line.split(":") for line in file if line.startswith("Cap"))
        return {names[name]: int(value, 16) for name, value in lines}


def _mask(numbers: Iterable[int]) -> int:
    return sum(1 << number for number in set(numbers))


def _numbers(mask: int) -> set[int]:
    return {number for number in range(64) if mask >> number & 1}


def _drop_from_bounding(kept: int) -> None:
    for number in range(64):
        if _libc.prctl(_PR_CAPBSET_READ, ctypes.c_ulong(number), _zero, _zero, _zero) < 0:
            return  # the kernel knows no more
        if not kept >> number & 1:
            _prctl(_PR_CAPBSET_DROP, number, f"give up capability {number}")


def _set_capabilities(mask: int, *, inheritable: int) -> None:
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    sets = (ctypes.c_uint32 * 6)(low, low, inheritable & 0xFFFFFFFF, high, high, inheritable >> 32)
    _called(_libc.capset(ctypes.byref(header), ctypes.byref(sets)), "give up capabilities")
