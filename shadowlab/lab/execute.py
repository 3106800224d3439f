"""Where jobs run: the embedded kernel, or a private segment of the host's; several at once, one per core.

In: jobs.  Out: what each left in its folder, read back.  Never: a run that outlives the program or its deadline.
"""

from __future__ import annotations

import json
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from shadowlab.errors import CannotRunError, DiskFullError, InputError, ShadowFailedError
from shadowlab.guest.boot import run_in_guest
from shadowlab.guest.cache import BuiltKernel, find_kernel, kernel_hash, need_kernel
from shadowlab.guest.init import JOB_FOLDER
from shadowlab.kernel.capability import probe_host
from shadowlab.kernel.private import describe_private, run_private, user_namespace_suffices
from shadowlab.lab import inside
from shadowlab.lab.interrupt import Interrupted
from shadowlab.lab.job import Job
from shadowlab.model.traffic.workload import congestion_controls
from shadowlab.store.whole import translated
from shadowlab.traffic.tcp_socket import RECEIVE_BUFFER_BYTES, SEND_BUFFER_BYTES

KernelChoice = Literal["auto", "embedded", "host"]
ClockChoice = Literal["auto", "virtual", "real"]

_ENTRY = f"{inside.__name__}:{inside.run.__name__}"
LEAST_GUEST_BYTES = 1 << 30
_BOOT_NS = 30 * 10**9
_SLOWEST = 5
"""A run may take so many times its expected wall time before it is given up."""
_LEAST_ROOM_BYTES = 256 << 10
"""With less than this left on a disk, it is the disk that a run failed by."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A kernel and a clock to run jobs on."""

    kind: Literal["embedded", "host"]
    clock: Literal["virtual", "real"]
    kernel: BuiltKernel | None

    @property
    def description(self) -> str:
        """The kernel, for results: the same on every machine that has the same one."""
        if self.kernel is None:
            return f"Linux {os.uname().release} (host)"
        return f"Linux {self.kernel.version} (embedded, {self.kernel.key})"

    @property
    def identity(self) -> str:
        """The same for the same bytes of a kernel, which the key, made from what it was built of, cannot promise."""
        return self.description if self.kernel is None else f"{self.description} {kernel_hash(self.kernel)}"


def choose_place(kernel: KernelChoice, clock: ClockChoice) -> Place:
    """The place that fits; raises CannotRunError naming what is missing, InputError for what contradicts itself.

    ``auto`` prefers the embedded kernel on the virtual clock, where a run repeats byte for byte; the host kernel is
    taken when there is no embedded one and the host can do everything, or when the real clock is asked for.
    """
    if kernel == "host" and clock == "virtual":
        raise InputError("--clock virtual needs the embedded kernel: leave out --kernel host, or use --clock real")
    if kernel == "host":
        return _host()
    if kernel == "auto" and clock != "virtual":
        embedded = find_kernel("real" if clock == "real" else "virtual")
        if clock == "real" or embedded is None:
            try:
                return _host()
            except CannotRunError as error:
                if embedded is None:
                    raise CannotRunError(
                        f"{error}\nand there is no embedded kernel yet: run 'shadowlab kernel build' "
                        "(about three minutes, once)"
                    ) from error
    chosen: Literal["virtual", "real"] = "real" if clock == "real" else "virtual"
    return Place(kind="embedded", clock=chosen, kernel=need_kernel(chosen))


def _host() -> Place:
    missing = probe_host().missing
    if missing:
        cures = "; ".join(dict.fromkeys(piece.cure for piece in missing))
        raise CannotRunError(
            f"the host kernel cannot carry a shadow, it lacks: {', '.join(piece.name for piece in missing)}\n"
            f"what mends that: {cures}\nwhat does without: --kernel embedded"
        )
    return Place(kind="host", clock="real", kernel=None)


@dataclass(frozen=True, kw_only=True)
class Work:
    """A job with the folder its raw records go to, the wall time it is expected to take, and what a guest is given."""

    name: str
    job: Job
    folder: Path
    expected_wall_s: float
    memory_bytes: int = LEAST_GUEST_BYTES
    files: Mapping[str, bytes] = field(default_factory=dict)
    """What the inside reads beside the job, by name in the folder."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """What the inside reported of one job."""

    report: Mapping[str, object]
    wall_s: float
    confined_by: str
    """What held its process to its place on this machine, in a line."""


def execute(
    place: Place,
    works: Sequence[Work],
    on_progress: Callable[[str, float], None],
    interrupted: Callable[[], bool],
    *,
    on_done: Callable[[int, Done], None] | None = None,
    on_failed: Callable[[int, ShadowFailedError], None] | None = None,
) -> tuple[Done, ...]:
    """Run all works, as many at once as there are cores (one on the real clock, where they would disturb each other).

    The first failure stops the others and is raised when all have ended, and so is Interrupted when ``interrupted()``.
    ``on_done`` is called with the index of each work as it ends, in the thread that ran it.  With ``on_failed`` a
    shadow that failed is told there, the others go on, and it is not among what is returned.
    """
    cores = sorted(os.sched_getaffinity(0))[: 1 if place.clock == "real" else None]
    pool = _Pool(place=place, on_progress=on_progress, on_done=on_done, on_failed=on_failed)
    waiting: queue.SimpleQueue[tuple[int, Work]] = queue.SimpleQueue()
    for item in enumerate(works):
        waiting.put(item)
    threads = [
        threading.Thread(target=pool.work_off, args=(waiting, core), name=f"core-{core}")
        for core in cores[: len(works)]
    ]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                if interrupted():
                    raise Interrupted
                thread.join(0.1)
    finally:
        pool.stop.set()
        for thread in threads:
            if thread.ident is not None:
                thread.join()
    if pool.errors:
        raise pool.errors[0]
    return tuple(pool.done[index] for index in range(len(works)) if index in pool.done)


class _Pool:
    def __init__(
        self,
        *,
        place: Place,
        on_progress: Callable[[str, float], None],
        on_done: Callable[[int, Done], None] | None = None,
        on_failed: Callable[[int, ShadowFailedError], None] | None = None,
    ) -> None:
        self._on_done = on_done
        self._on_failed = on_failed
        self.stop = threading.Event()
        self.done: dict[int, Done] = {}
        self.errors: list[BaseException] = []
        self._place = place
        self._on_progress = on_progress

    def work_off(self, waiting: queue.SimpleQueue[tuple[int, Work]], core: int) -> None:
        while not self.stop.is_set():
            try:
                index, work = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                self.done[index] = done = self._run(work, core)
                if self._on_done is not None:
                    self._on_done(index, done)
            except ShadowFailedError as error:
                if self._on_failed is None or self.stop.is_set():
                    self.errors.append(error)
                    self.stop.set()
                else:
                    self._on_failed(index, error)
            except BaseException as error:  # noqa: BLE001 - raised again in the main thread, which called execute
                self.errors.append(error)
                self.stop.set()

    def _run(self, work: Work, core: int) -> Done:
        started = time.monotonic()
        job = work.job.to_bytes()
        try:
            work.folder.mkdir(parents=True, exist_ok=True)
            for name, content in work.files.items():
                (work.folder / name).write_bytes(content)
            confined_by = self._segment(work, job, core)
            report = read_report(work)
        except (OSError, ShadowFailedError, CannotRunError) as error:
            if _is_full(work.folder, len(job)):
                message = f"no space left in {work.folder}; free some, or choose another folder with --out"
                raise DiskFullError(f"{work.name}: {message}") from error
            if isinstance(error, OSError):
                raise translated(error, f"execute {work.name!r}", work.folder) from error
            if isinstance(error, ShadowFailedError):
                raise ShadowFailedError(f"{work.name}: {error}") from error
            raise
        self._on_progress(work.name, 1.0)
        return Done(report=report, wall_s=time.monotonic() - started, confined_by=confined_by)

    def _segment(self, work: Work, job: bytes, core: int) -> str:
        seconds = work.job.duration_ns / 1e9
        known: list[str] = []

        def on_line(line: str) -> None:
            if line.startswith(inside.PROGRESS):
                self._on_progress(work.name, min(1.0, float(line.split()[1]) / seconds))

        deadline_s = 60 + _SLOWEST * work.expected_wall_s + (seconds if self._place.clock == "real" else 0)
        if self._place.kernel is not None:
            run_in_guest(
                kernel=self._place.kernel,
                entry=_ENTRY,
                job=job,
                folder=work.folder,
                clock=self._place.clock,
                seed=work.job.seed,
                virtual_deadline_ns=work.job.duration_ns + _BOOT_NS,
                wall_deadline_s=deadline_s,
                memory_bytes=work.memory_bytes,
                cpu=core,
                on_line=on_line,
                stopped=self.stop.is_set,
                on_confined=lambda confinement: known.append(confinement.describe()),
            )
        else:
            own_users = user_namespace_suffices(
                receive_bytes=RECEIVE_BUFFER_BYTES,
                send_bytes=SEND_BUFFER_BYTES,
                congestion_controls={
                    *(flow.tcp.congestion_control for flow in work.job.flows),
                    *congestion_controls(work.job.workloads),
                },
            )
            known.append(describe_private(own_users=own_users))
            run_private(
                entry=_ENTRY,
                job=job,
                folder=work.folder,
                wall_deadline_s=deadline_s,
                on_line=on_line,
                stopped=self.stop.is_set,
                own_users=own_users,
            )
        return known[0]


def _is_full(folder: Path, freed_bytes: int) -> bool:
    """Whether a failure there has this plain reason: hardly more room is left than what the end of the job freed."""
    try:
        room = os.statvfs(folder)
    except OSError:
        return False
    return room.f_bavail * room.f_frsize < freed_bytes + _LEAST_ROOM_BYTES


def read_report(work: Work) -> Mapping[str, object]:
    """What the inside wrote last.  Its own failures (a refused operation) come back as errors."""
    try:
        report: dict[str, object] = json.loads((work.folder / inside.REPORT_FILE).read_text())
    except (OSError, ValueError) as error:
        raise ShadowFailedError("the segment ended without a report") from error
    if report.get("error"):
        raise ShadowFailedError(str(report["error"]).replace(JOB_FOLDER, str(work.folder)))
    return report
