"""What this machine can run, what holds it back, what that means, and the one command that mends it.

In: facts: the host kernel's capability, its queueing disciplines, the machine's limits, the kernels in the cache, how a
guest would be confined.
Out: a :class:`Diagnosis`.  Never: a change; nothing here is done for the user.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from shadowlab.guest.cache import BuiltKernel
from shadowlab.guest.host_side.confinement import Confinement
from shadowlab.kernel.capability import CONTROL, HostCapability, Piece
from shadowlab.kernel.examine.disciplines import DISCIPLINES
from shadowlab.kernel.examine.machine import Machine
from shadowlab.monitor.void_windows import LATE_NS

State = Literal["ok", "weak", "missing"]
"""In order, present but a limit to somebody, not there."""

GUEST_MEMORY_BYTES = 1 << 30
"""What a guest of the usual size may fill."""
FEW_FILES, FEW_NAMESPACES = 4096, 1000
CONNTRACK_FULL = 0.8
STOCK_KERNEL = "apt-get install linux-image-amd64 && reboot"
MODULES = {
    "veth": "veth",
    "netem": "sch_netem",
    "ifb": "ifb",
    "matchall and mirred": "cls_matchall act_mirred",
    "bridge": "bridge",
}
OWN_NAMESPACES = "sysctl -w kernel.unprivileged_userns_clone=1"
TRACING_FORBIDDEN = 2
"""Of Yama's scopes the first that wants a capability even for a process's own children."""
ALLOWED = "net.ipv4.tcp_allowed_congestion_control"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    topic: str
    name: str
    state: State
    found: str
    means: str
    mend: str = ""
    """The command; empty when there is nothing to mend."""


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """Everything that was looked at, and what can run."""

    findings: tuple[Finding, ...]
    embedded_virtual: bool
    embedded_real: bool
    host: bool

    @property
    def can_run(self) -> bool:
        return self.embedded_virtual or self.embedded_real or self.host


def diagnose(
    machine: Machine,
    capability: HostCapability,
    disciplines: Mapping[str, str],
    kernels: Sequence[BuiltKernel],
    confinement: Confinement | str,
) -> Diagnosis:
    """Pure: facts in, findings out."""
    return Diagnosis(
        findings=(
            *_embedded(kernels),
            *_confinement(confinement, machine),
            *_host(machine, capability),
            *_disciplines(disciplines),
            *_congestion(machine, capability),
            *_time(machine),
            *_limits(machine),
        ),
        embedded_virtual=any(kernel.virtual_clock for kernel in kernels),
        embedded_real=bool(kernels),
        host=not capability.missing,
    )


def _embedded(kernels: Sequence[BuiltKernel]) -> Iterator[Finding]:
    topic, name = "embedded kernel", "virtual clock"
    virtual = [kernel for kernel in kernels if kernel.virtual_clock]
    if not virtual:
        yield Finding(
            topic=topic,
            name=name,
            state="missing",
            found="none in the cache" + (", Debian's has the real clock only" if kernels else ""),
            means="runs neither repeat exactly nor go faster than real time",
            mend="shadowlab kernel build",
        )
    for kernel in virtual:
        exact = kernel.repeats_exactly
        yield Finding(
            topic=topic,
            name=f"Linux {kernel.version}",
            state="ok" if exact else "weak",
            found=str(kernel.path),
            means="runs repeat byte for byte, without root and without netem on the host"
            if exact
            else "runs with one seed may differ by a timer tick",
            mend="" if exact else "apt-get install linux-source-6.12 && shadowlab kernel build",
        )


def _confinement(confinement: Confinement | str, machine: Machine) -> Iterator[Finding]:
    topic, name = "embedded kernel", "confinement"
    if isinstance(confinement, str):
        yield Finding(
            topic=topic,
            name=name,
            state="missing",
            found=confinement,
            means="the embedded kernel's process cannot be started",
            mend="shadowlab doctor --json",
        )
    else:
        weak = confinement.by == "user"
        yield Finding(
            topic=topic,
            name=name,
            state="weak" if weak else "ok",
            found=f"confined by {confinement.describe()}",
            means="a program that breaks out of the guest could change whatever this user may change"
            if weak
            else "whatever runs in the guest changes no file but its run's folder",
            mend=OWN_NAMESPACES if weak else "",
        )
    if machine.ptrace_scope is not None and machine.ptrace_scope >= TRACING_FORBIDDEN:
        yield Finding(
            topic=topic,
            name="tracing",
            state="missing",
            found=f"kernel.yama.ptrace_scope={machine.ptrace_scope}",
            means="the embedded kernel traces its own processes, which this forbids",
            mend="sysctl -w kernel.yama.ptrace_scope=1",
        )


def _host(machine: Machine, capability: HostCapability) -> Iterator[Finding]:
    topic = "host kernel"
    missing = capability.missing
    yield Finding(
        topic=topic,
        name=machine.kernel,
        state="weak" if missing else "ok",
        found="cannot carry a shadow: " + ", ".join(one.name for one in missing) if missing else "can carry a shadow",
        means="--kernel host does not work here; the embedded kernel needs none of it" if missing else "",
        mend=_mend(missing[0]) if missing else "",
    )
    for piece in capability.pieces:
        if not piece.name.startswith(CONTROL):
            yield Finding(
                topic=topic,
                name=piece.name,
                state="ok" if piece.present else "missing",
                found=piece.why or "there",
                means=f"for {piece.needed_for}",
                mend="" if piece.present else _mend(piece),
            )
    yield Finding(
        topic="rights",
        name="root",
        state="ok",
        found="yes" if machine.root else "no",
        means="named labs and full buffers on the host kernel" if machine.root else "nothing here needs it by itself",
    )
    forbidden = machine.userns_forbidden_by
    yield Finding(
        topic="rights",
        name="user namespaces",
        state="ok" if not forbidden else "weak" if machine.root else "missing",
        found=f"forbidden to ordinary users by {forbidden}" if forbidden else "allowed",
        means="--kernel host without root" if not forbidden else "--kernel host works for root only",
        mend=f"sysctl -w {forbidden}={_permissive(forbidden)}" if forbidden else "",
    )


def _mend(piece: Piece) -> str:
    """The command for a piece of the host kernel; ``nft`` shows what drops packets, which we cannot know."""
    if piece.name in MODULES:
        return f"modprobe -a {MODULES[piece.name]} || {STOCK_KERNEL}"
    by_name = {"private namespaces": OWN_NAMESPACES, "packets": "nft list ruleset"}
    return by_name.get(piece.name, STOCK_KERNEL)


def _allow(control: str, machine: Machine) -> str:
    allowed = " ".join([*machine.congestion_allowed, control])
    return f"modprobe tcp_{control} && sysctl -w {ALLOWED}='{allowed}'"


def _permissive(key: str) -> int:
    return {"kernel.unprivileged_userns_clone": 1, "user.max_user_namespaces": 10_000}.get(key, 0)


def _disciplines(disciplines: Mapping[str, str]) -> Iterator[Finding]:
    for kind, why in disciplines.items():
        yield Finding(
            topic="queueing disciplines of the host kernel",
            name=kind,
            state="missing" if why else "ok",
            found=why or "there",
            means=f"for {DISCIPLINES[kind]}",
            mend=f"modprobe sch_{kind} || {STOCK_KERNEL}" if why else "",
        )


def _congestion(machine: Machine, capability: HostCapability) -> Iterator[Finding]:
    topic = "congestion controls of the host kernel"
    for piece in capability.pieces:
        if piece.name.startswith(CONTROL):
            yield Finding(
                topic=topic,
                name=piece.name,
                state="ok" if piece.present else "missing",
                found=piece.why or "there",
                means=f"for {piece.needed_for}",
                mend="" if piece.present else _allow(piece.name.removeprefix(CONTROL), machine),
            )
    yield Finding(
        topic=topic,
        name="without rights over the namespace",
        state="ok",
        found=" ".join(machine.congestion_allowed) or "unknown",
        means=f"what {ALLOWED} lets any program choose",
    )


def _time(machine: Machine) -> Iterator[Finding]:
    late = machine.lateness
    weak = late.p99_ns > LATE_NS
    yield Finding(
        topic="time",
        name="timers",
        state="weak" if weak else "ok",
        found=f"late by {_us(late.median_ns)}, 99 % by less than {_us(late.p99_ns)}, at most {_us(late.max_ns)} "
        f"({late.samples} naps)",
        means="runs on the real clock will often be void; the virtual clock does not mind"
        if weak
        else "good enough for runs on the real clock",
        mend="shadowlab run --clock virtual SCENARIO" if weak else "",
    )
    few = machine.cpus < 2
    yield Finding(
        topic="time",
        name="CPUs",
        state="weak" if few else "ok",
        found=f"{machine.cpus} of {machine.cpus_present} may be used",
        means="cures are rehearsed one after another" if few else f"{machine.cpus} cures are rehearsed at once",
        mend=f"taskset -cp 0-{machine.cpus_present - 1} $$" if few and machine.cpus_present > 1 else "",
    )


def _limits(machine: Machine) -> Iterator[Finding]:
    files = machine.open_files
    yield _limit(
        "open files",
        weak=0 <= files < FEW_FILES,
        found="unlimited" if files < 0 else str(files),
        means="each node of a shadow takes two"
        + ("" if files < 0 else f": at most {max(0, files - 100) // 2} nodes on the host kernel"),
        mend=f"ulimit -Hn {FEW_FILES * 16}",
    )
    yield _limit(
        "memory",
        weak=machine.memory_available_bytes < GUEST_MEMORY_BYTES,
        found=f"{_mib(machine.memory_available_bytes)} free of {_mib(machine.memory_total_bytes)}",
        means="a guest of the usual size may fill 1024 MiB; several run at once, one per CPU",
        mend="ps -e --sort=-rss -o rss,args | head",
    )
    yield from _shared_memory(machine)
    namespaces = machine.max_net_namespaces
    if namespaces is not None:
        yield _limit(
            "network namespaces",
            weak=namespaces < FEW_NAMESPACES,
            found=str(namespaces),
            means="each node of a shadow on the host kernel is one",
            mend="sysctl -w user.max_net_namespaces=100000",
        )
    if machine.conntrack_max is not None and machine.conntrack_count is not None:
        yield _limit(
            "connection tracking",
            weak=machine.conntrack_count > CONNTRACK_FULL * machine.conntrack_max,
            found=f"{machine.conntrack_count} of {machine.conntrack_max}",
            means="when full, the host kernel drops packets, in the shadow's namespaces too",
            mend=f"sysctl -w net.netfilter.nf_conntrack_max={4 * machine.conntrack_max}",
        )


def _shared_memory(machine: Machine) -> Iterator[Finding]:
    room = machine.shared_memory_bytes
    small = room is None or room < GUEST_MEMORY_BYTES
    yield _limit(
        "/dev/shm",
        weak=small or not machine.shared_memory_exec,
        found="not there"
        if room is None
        else f"{_mib(room)} free, programs {'allowed' if machine.shared_memory_exec else 'forbidden'}",
        means="the embedded kernel's memory lies there; else in TMPDIR, which is slower on a disk",
        mend="mount -o remount,exec,size=4G /dev/shm" if room is not None else "mount -t tmpfs -o size=4G shm /dev/shm",
    )


def _limit(name: str, *, weak: bool, found: str, means: str, mend: str) -> Finding:
    return Finding(
        topic="limits",
        name=name,
        state="weak" if weak else "ok",
        found=found,
        means=means,
        mend=mend if weak else "",
    )


def _us(ns: int) -> str:
    return f"{ns / 1000:.0f} µs"


def _mib(size: int) -> str:
    return f"{size >> 20} MiB"
