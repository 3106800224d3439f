"""The guest's host process before it becomes the kernel: it gives up whatever it does not need.

In:    an order (see `confinement.write_order`) in a nameless file, whose descriptor is the argument.
Out:   one report to the order's pipe: who the process has become and what confines it, or why it could not start.
Never: a kernel started with more than was reported.

A program, imported by nobody.  The order of its steps is the point: first what takes rights (namespaces, folders of
somebody else's), then another user, then the rules; the death signal last, for a change of user takes it away.
It imports little: it stands in the way of every boot (10 ms).
"""

from __future__ import annotations

import marshal
import os
import signal
import sys
from typing import Any

sys.path.insert(0, os.path.abspath(__file__ + "/../../../.."))

from shadowlab.kernel.rights import landlock, privileges
from shadowlab.kernel.rights import own_mounts as own_mounts_of

_CLONE_NEWNS, _CLONE_NEWNET = 0x00020000, 0x40000000

Order = dict[str, Any]


def main(order_fd: int) -> None:
    with open(order_fd, "rb") as file:
        order = marshal.loads(file.read())
    _tie_life_to(order["parent"])
    os.sched_setaffinity(0, {order["cpu"]})
    try:
        report = _confine(order)
    except OSError as error:
        os.write(order["report"], marshal.dumps({"failed": str(error)}))
        sys.exit(1)
    _tie_life_to(order["parent"])
    os.write(order["report"], marshal.dumps(report))
    os.close(order["report"])
    environment = order["environment"] | {"TMPDIR": report["tmpdir"]}
    os.execve(order["arguments"][0], order["arguments"], environment)


def _tie_life_to(parent: int) -> None:
    privileges.set_death_signal(signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


def _confine(order: Order) -> dict[str, object]:
    version = landlock.abi() if "landlock" in order["means"] else 0
    use_binds = not version and "binds" in order["means"]
    user, reads_all, own_network, own_mounts = _separate(order, use_binds=use_binds)
    memory, tmpdir, memory_name = _make_memory_folder(order["memory_folder"], keep_name=use_binds)
    if user != os.geteuid() and not _succeeds(_give, order["folder"], memory, user):
        user = os.geteuid()  # that user does not exist here: a user namespace that maps root alone, a squashed share
        _give(order["folder"], memory, user)

    ruleset, held = None, False
    if version:  # while folders that the other user could not pass through can still be opened
        ruleset = landlock.Ruleset(version)
        ruleset.allow_all(order["readable"])
        ruleset.allow(order["folder"], write=True)
        ruleset.allow(memory, write=True)
    elif use_binds and own_mounts:
        held = own_mounts_of.forbid_writing(order["folder"], tmpdir)
        os.chdir(order["control"])

    user = _become(user, order["folder"], memory, reads_all=reads_all)
    privileges.no_new_privileges()
    if ruleset is not None:
        ruleset.enforce()
    return {
        "user": user,
        "by": "landlock" if version else "binds" if held else "user",
        "abi": version,
        "reads_all": reads_all,
        "network": "none" if own_network else "no TCP" if landlock.cuts_tcp(version) else "the host's",
        "tmpdir": tmpdir,
        "remove": memory_name,
    }


def _separate(order: Order, *, use_binds: bool) -> tuple[int, bool, bool, bool]:
    """The user to become; whether it reads all that root reads; whether the network and the mounts are its own now.

    Root tries: an unprivileged user for whom doors are opened to what it needs; one that keeps the capability to read;
    root in name only.  What a machine refuses (a container without rights, user namespaces switched off) is gone
    without.
    """
    own = os.geteuid()
    if own != 0:
        if use_binds and _succeeds(privileges.enter_own_user_namespace, _CLONE_NEWNET | _CLONE_NEWNS):
            own_mounts_of.keep_private()
            return own, False, True, True
        return own, False, False, False
    doors = order["doors"]
    spaces = _CLONE_NEWNET | (_CLONE_NEWNS if use_binds or doors else 0)
    entered = doors is not None and _succeeds(privileges.unshare, spaces, "leave the machine's namespaces")
    if entered and spaces & _CLONE_NEWNS:
        own_mounts_of.keep_private()
        own_mounts_of.open_doors(doors)
    if entered or doors == {}:
        return order["user"], False, entered, entered
    spaces = _CLONE_NEWNET | (_CLONE_NEWNS if use_binds else 0)
    user, reads_all = own, False
    if _succeeds(privileges.enter_user_namespace, spaces):
        user, reads_all, entered = order["user"], True, True
    else:
        entered = _succeeds(privileges.unshare, spaces, "leave the machine's namespaces")
    if entered and use_binds:
        own_mounts_of.keep_private()
    return user, reads_all, entered, entered


def _succeeds(attempt: Any, *arguments: object) -> bool:
    try:
        attempt(*arguments)
    except OSError:
        return False
    return True


def _make_memory_folder(parent: str, *, keep_name: bool) -> tuple[int, str, str]:
    """A folder of its own for the file that is the guest's memory: descriptor, path, and a name that must be removed.

    In a file system that is memory the folder needs no name, and then nothing is left whatever happens.
    """
    name = f"{parent}/shadowlab-{os.getpid()}"
    while True:
        try:
            os.mkdir(name, 0o700)
            break
        except FileExistsError:  # somebody else's, or of a killed run whose number we have
            name += "-"
    fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY)
    if keep_name or not landlock.is_tmpfs(fd):
        return fd, name, name
    os.rmdir(name)
    os.set_inheritable(fd, True)
    return fd, f"/proc/self/fd/{fd}", ""


def _give(folder: str, memory: int, user: int) -> None:
    """The run's folder with all that is in it, and the memory's, to the user; links are given, not followed."""
    os.fchown(memory, user, user)
    for _, folders, files, fd in os.fwalk(folder, follow_symlinks=False):
        os.fchown(fd, user, user)
        for name in (*folders, *files):
            os.chown(name, user, user, dir_fd=fd, follow_symlinks=False)


def _become(user: int, folder: str, memory: int, *, reads_all: bool) -> int:
    """Become the user with no capability, or the one to read; the user it came to be, where the machine refuses."""
    try:
        privileges.become(user, kept=(privileges.DAC_READ_SEARCH,) if reads_all else ())
    except OSError:
        own = os.geteuid()
        if user == own:
            raise
        _give(folder, memory, own)
        privileges.become(own)
        return own
    return user


if __name__ == "__main__":
    main(int(sys.argv[1]))
