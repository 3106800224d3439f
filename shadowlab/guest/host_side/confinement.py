"""What the host allows the guest's process: who it is, what it may read, and how much of that this machine could do.

In:    the kernel, the folder of the run, who started it, what else is to be readable.
Out:   an order for `launch.py`, and the `Confinement` that it reported.
Never: a process; the deciding half of `launch.py`.

The guest's root can mount the host's files anew and write to them: inside, nothing stops it.  So the host does.
"""

from __future__ import annotations

import marshal
import os
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from shadowlab.errors import CannotRunError
from shadowlab.guest.cache import BuiltKernel
from shadowlab.kernel.rights.privileges import GUEST_USER

Means = Literal["landlock", "binds"]
ALL_MEANS: tuple[Means, ...] = ("landlock", "binds")

PROGRAMS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/nix/store", "/gnu/store")
SETTINGS = tuple(
    f"/etc/{name}"
    for name in (
        *("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "ld.so.preload", "alternatives", "localtime", "timezone"),
        *("passwd", "group", "nsswitch.conf", "hosts", "host.conf", "gai.conf", "resolv.conf", "hostname"),
        *("protocols", "services", "networks", "ethertypes", "iproute2", "mime.types", "locale.alias", "locale.conf"),
        *("profile", "bash.bashrc", "inputrc", "terminfo", "os-release", "debian_version", "ssl/openssl.cnf"),
        *("ssl/certs", "python3", f"python3.{sys.version_info.minor}"),
    )
)
KERNEL_FILES = ("/proc", "/dev/null", "/dev/zero", "/dev/urandom", "/dev/random", "/dev/full")
"""Of other processes' files under /proc the rules forbid what tells more than their names."""
EVERYTHING = ("/",)
_LIBRARIES = tuple(filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(":")))


@dataclass(frozen=True, kw_only=True)
class Confinement:
    """What the guest's process on the host is held by."""

    by: Literal["landlock", "binds", "user"]
    """``landlock``: rules on files; ``binds``: a mount namespace that is read-only but for the run's folder; ``user``:
    nothing but that it is the user it is."""
    user: int
    reads_all: bool
    """Whether it holds the one capability to read what root may read (in a user namespace of its own)."""
    network: str
    abi: int = 0
    """Of Landlock."""

    def describe(self) -> str:
        """One line for people."""
        how = {
            "landlock": f"Landlock (ABI {self.abi})",
            "binds": "read-only binds",
            "user": "its user only: this machine has neither Landlock nor mount namespaces for it",
        }[self.by]
        reading = ", the right to read files" if self.reads_all else ", no rights"
        return f"{how}; user {self.user}{reading}; network: {self.network}"


def write_order(
    *,
    kernel: BuiltKernel,
    arguments: Sequence[str],
    cpu: int,
    environment: dict[str, str],
    folder: Path,
    control: Path,
    memory_folder: Path,
    import_path: Sequence[str],
    readable: Sequence[Path],
    reads_everything: bool,
    report_fd: int,
    means: Sequence[Means],
) -> int:
    """The descriptor of a nameless file with the order.

    What the guest needs must stay readable wherever it is installed.  Started by root it becomes an unprivileged user,
    for whom doors are opened to that; where that does not do, one that keeps the capability to read.
    """
    python = [*import_path, sys.base_prefix, sys.prefix, os.path.realpath(sys.executable)]
    files = filter(None, [kernel.path, kernel.preload, kernel.modules, *readable])
    needed = list(dict.fromkeys([*python, *map(str, files)]))
    order = {
        "parent": os.getpid(),
        "arguments": list(arguments),
        "cpu": cpu,
        "environment": environment,
        "folder": str(folder),
        "control": str(control),
        "memory_folder": str(memory_folder),
        "readable": list(EVERYTHING)
        if reads_everything
        else [*PROGRAMS, *SETTINGS, *KERNEL_FILES, *_LIBRARIES, *needed],
        "user": GUEST_USER,
        "doors": find_doors(needed, given=str(folder)),
        "report": report_fd,
        "means": list(means),
    }
    fd = os.memfd_create("shadowlab-order", 0)
    os.write(fd, marshal.dumps(order))
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def find_doors(paths: Sequence[str], *, given: str) -> dict[str, list[str]] | None:
    """The folders on the way to these paths that only their owners may pass, and what is needed of each.

    Empty: everybody can read everything.  None: something is kept from others in itself, not by where it lies.  Paths
    that are not there are nobody's need; ``given`` will belong to the guest's user.
    """
    doors: dict[str, list[str]] = {}
    wanted = sorted({one for path in (*paths, given) for one in (os.path.abspath(path), os.path.realpath(path))})
    found: list[str] = []
    for path in wanted:
        try:
            mode = os.stat(path).st_mode
        except OSError:
            continue
        if path != given and (not mode & 0o004 or (stat.S_ISDIR(mode) and not mode & 0o001)):
            return None
        above = max((one for one in found if path.startswith(one.rstrip("/") + "/")), key=len, default="")
        between = [folder for folder in _folders_above(path) if len(folder) > len(above)]
        shut = [folder for folder in between if not os.stat(folder).st_mode & 0o001]
        if shut:
            doors.setdefault(shut[0], []).append(path)
        if shut or not above:
            found.append(path)
    return doors


def _folders_above(path: str) -> list[str]:
    """From the root down."""
    return [str(folder) for folder in reversed(Path(path).parents)]


def read_report(report: bytes) -> tuple[Confinement, str]:
    """What the launcher told, and the folder that is to be removed at the end, if there is one.

    Raises CannotRunError with its words if it could not start.
    """
    told = marshal.loads(report)
    if "failed" in told:
        raise CannotRunError(f"the guest's process could not be confined: {told['failed']}")
    confinement = Confinement(
        by=told["by"],
        user=told["user"],
        reads_all=told["reads_all"] and told["user"] == GUEST_USER,
        network=told["network"],
        abi=told["abi"],
    )
    return confinement, told["remove"]


def give_back(folder: Path) -> None:
    """To this process's user whatever in the folder belongs to the guest's; links themselves, not what they name."""
    user, group = os.geteuid(), os.getegid()
    if user != 0:
        return
    for _, folders, files, fd in os.fwalk(folder, follow_symlinks=False):
        for name in (*folders, *files):
            if os.stat(name, dir_fd=fd, follow_symlinks=False).st_uid == GUEST_USER:
                os.chown(name, user, group, dir_fd=fd, follow_symlinks=False)
        if os.fstat(fd).st_uid == GUEST_USER:
            os.fchown(fd, user, group)
