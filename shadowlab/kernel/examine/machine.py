"""What this machine allows and how well it keeps time, read once.

In: nothing.  Out: a :class:`Machine`.  Never: a judgement, and never a change.
"""

from __future__ import annotations

import os
import platform
import resource
import time
from dataclasses import dataclass
from pathlib import Path

from shadowlab.kernel.clock import now_ns

_NAP_NS = 1_000_000
_SYS = Path("/proc/sys")
_SHARED_MEMORY = "/dev/shm"
_UNLIMITED = -1


@dataclass(frozen=True, kw_only=True)
class Lateness:
    """How much later than asked this process woke up."""

    samples: int
    median_ns: int
    p99_ns: int
    max_ns: int


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The facts.  None: this kernel has no such thing, or does not tell."""

    kernel: str
    root: bool
    cpus: int
    """Those that this process may use."""
    cpus_present: int
    open_files: int
    """The hard limit: the soft one is raised when needed.  -1: unlimited."""
    memory_total_bytes: int
    memory_available_bytes: int
    shared_memory_bytes: int | None
    """Free in /dev/shm."""
    shared_memory_exec: bool
    max_user_namespaces: int | None
    max_net_namespaces: int | None
    userns_forbidden_by: str
    """The sysctl that forbids user namespaces to ordinary users; empty if none does."""
    ptrace_scope: int | None
    conntrack_count: int | None
    conntrack_max: int | None
    congestion_allowed: tuple[str, ...]
    lateness: Lateness


def read_machine(*, measure_ns: int = 300_000_000) -> Machine:
    """Read everything; ``measure_ns`` of it are spent on the timers."""
    memory = _memory()
    allowed = _text("net/ipv4/tcp_allowed_congestion_control")
    room = _shared_memory()
    return Machine(
        kernel=f"{platform.system()} {platform.release()} {platform.machine()}",
        root=os.geteuid() == 0,
        cpus=len(os.sched_getaffinity(0)),
        cpus_present=os.cpu_count() or 1,
        open_files=_open_files(),
        memory_total_bytes=memory.get("MemTotal", 0),
        memory_available_bytes=memory.get("MemAvailable", 0),
        shared_memory_bytes=None if room is None else room.f_bavail * room.f_frsize,
        shared_memory_exec=room is not None and not room.f_flag & os.ST_NOEXEC,
        max_user_namespaces=_number("user/max_user_namespaces"),
        max_net_namespaces=_number("user/max_net_namespaces"),
        userns_forbidden_by=_userns_forbidden_by(),
        ptrace_scope=_number("kernel/yama/ptrace_scope"),
        conntrack_count=_number("net/netfilter/nf_conntrack_count"),
        conntrack_max=_number("net/netfilter/nf_conntrack_max"),
        congestion_allowed=tuple((allowed or "").split()),
        lateness=measure_lateness(measure_ns),
    )


def measure_lateness(duration_ns: int) -> Lateness:
    """Naps of a millisecond for so long, each compared with the clock."""
    late: list[int] = []
    end_ns = now_ns() + duration_ns
    while (before_ns := now_ns()) < end_ns or not late:
        time.sleep(_NAP_NS / 1e9)
        late.append(now_ns() - before_ns - _NAP_NS)
    late.sort()
    return Lateness(
        samples=len(late),
        median_ns=late[len(late) // 2],
        p99_ns=late[min(len(late) - 1, len(late) * 99 // 100)],
        max_ns=late[-1],
    )


def _open_files() -> int:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return _UNLIMITED if hard == resource.RLIM_INFINITY else hard


def _memory() -> dict[str, int]:
    """``/proc/meminfo`` in bytes."""
    found = {}
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, rest = line.partition(":")
        number, *unit = rest.split()
        found[name] = int(number) * (1024 if unit else 1)
    return found


def _shared_memory() -> os.statvfs_result | None:
    try:
        return os.statvfs(_SHARED_MEMORY)
    except OSError:
        return None


def _userns_forbidden_by() -> str:
    forbidding = {
        "kernel/unprivileged_userns_clone": 0,
        "kernel/apparmor_restrict_unprivileged_userns": 1,
        "user/max_user_namespaces": 0,
    }
    return next((key.replace("/", ".") for key, value in forbidding.items() if _number(key) == value), "")


def _text(key: str) -> str | None:
    try:
        return (_SYS / key).read_text()
    except OSError:
        return None


def _number(key: str) -> int | None:
    text = _text(key)
    return None if text is None else int(text)
