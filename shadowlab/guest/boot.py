"""Boot the embedded kernel, run one function inside, and say how it ended.

In:    a kernel, the name of a function, a job, a folder, a clock, a seed, deadlines.
Out:   `GuestOutcome`, and what the function wrote into the folder.
Never: leaves a process or a control file behind, whatever happens on either side.

The host's file system is the guest's root, read-only; the folder is the only place that can be written to, and the
host sees to that (`host_side`).  The guest lives in its own session and is pinned to one CPU: its processes take
turns, and spreading them over cores costs a factor of nine.
"""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from shadowlab.errors import CannotRunError
from shadowlab.guest import init
from shadowlab.guest.bundle import bundle_for
from shadowlab.guest.cache import BuiltKernel, Clock
from shadowlab.guest.command_line import INSIDE, kernel_arguments
from shadowlab.guest.control import OutputTail, control_folder, own_libraries
from shadowlab.guest.ending import LAST_LINES, Death, GuestOutcome, Limits, judge_ending, kernel_lines, read_ending
from shadowlab.guest.host_side.confinement import ALL_MEANS, Confinement, Means
from shadowlab.guest.host_side.patience import Patience
from shadowlab.guest.host_side.starting import Start, started
from shadowlab.guest.unwind import cleanup_on_sigterm

INTERPRETER_FLAGS = ("-S", "-s", "-P", "-B", "-X", "utf8")

OnLine = Callable[[str], None]

LOOK_EVERY_MS = 20


def run_in_guest(
    *,
    kernel: BuiltKernel,
    entry: str,
    job: bytes,
    folder: Path,
    clock: Clock,
    seed: int,
    virtual_deadline_ns: int,
    wall_deadline_s: float,
    memory_bytes: int = 1 << 30,
    cpu: int | None = None,
    on_line: OnLine | None = None,
    stopped: Callable[[], bool] | None = None,
    line_fd: int | None = None,
    readable: Sequence[Path] = (),
    reads_everything: bool = False,
    on_confined: Callable[[Confinement], None] | None = None,
    means: Sequence[Means] = ALL_MEANS,
) -> GuestOutcome:
    """Call ``entry`` ("package.module:function") as ``function(job_path, folder) -> exit code`` inside a guest.

    ``folder`` is an existing folder of the host; inside it is `init.JOB_FOLDER`.  ``on_line`` gets every line that the
    function prints, while it runs.  On the real clock ``virtual_deadline_ns`` counts real nanoseconds since boot.
    On the virtual one what the machine's other work takes is not counted towards ``wall_deadline_s``: see `patience`.

    ``stopped``, asked a few times a second, ends the guest and raises KeyboardInterrupt once it is true (signals reach
    only the main thread; this reaches guests that others started).

    ``line_fd``, one end of a socket pair, is the terminal /dev/tty1 inside: a way to speak with the function.

    The guest's process on the host has no privileges and writes to nothing but ``folder``.  It reads the system's
    programs, this Python's environment and ``readable``; with ``reads_everything`` all that its user may read.
    ``on_confined`` is told how far this machine can hold it to that, by the first of the ``means`` that it has.

    Raises `ShadowFailedError` when the function raised, was killed, passed a deadline, or the guest died;
    `CannotRunError` when this kernel or machine cannot do it; `InputError` when the folder cannot be used.
    """
    _check(kernel=kernel, clock=clock, seed=seed)
    memory_folder = find_memory_folder(memory_bytes)
    if cpu is None:
        allowed = sorted(os.sched_getaffinity(0))
        cpu = allowed[threading.get_native_id() % len(allowed)]  # several callers should not all meet on the first
    folder = Path(os.path.realpath(folder))
    boot: dict[str, object] = {
        "entry": entry,
        "path": import_path(),
        "deadline_ns": virtual_deadline_ns,
        "modules": "" if kernel.modules is None else str(kernel.modules / kernel.version),
    }
    bundle = bundle_for(entry, import_path(), INTERPRETER_FLAGS)
    with cleanup_on_sigterm(), control_folder(folder, job=job, boot=boot, bundle=bundle) as control:
        arguments = kernel_arguments(
            clock=clock,
            memory_bytes=memory_bytes,
            init=[f"{init.HERE}/{init.INTERPRETER_LINK}", *INTERPRETER_FLAGS, f"{init.HERE}/{init.PROGRAM_LINK}"],
            inside=INSIDE | ({"LD_LIBRARY_PATH": f"{init.HERE}/{init.LIBRARIES_LINK}"} if own_libraries() else {}),
            line_fd=line_fd,
        )
        start = Start(
            kernel=kernel,
            arguments=[str(kernel.path), *arguments],
            seed=seed,
            memory_folder=memory_folder,
            cpu=cpu,
            folder=folder,
            control=control,
            line_fd=line_fd,
            import_path=import_path(),
            readable=readable,
            reads_everything=reads_everything,
            means=means,
        )
        death = _live(
            start,
            wall_deadline_s=wall_deadline_s,
            starved_counts=clock == "real",
            on_line=on_line,
            stopped=stopped,
            on_confined=on_confined,
        )
        ending = read_ending(control)
    limits = Limits(virtual_deadline_ns=virtual_deadline_ns, wall_deadline_s=wall_deadline_s, memory_bytes=memory_bytes)
    return judge_ending(ending, death, limits)


def _check(*, kernel: BuiltKernel, clock: Clock, seed: int) -> None:
    if clock == "virtual" and not kernel.virtual_clock:
        raise CannotRunError(
            f"kernel {kernel.key} ({kernel.version}) has no virtual clock: "
            "run 'shadowlab kernel build', or use --clock real"
        )
    if not 0 <= seed < 1 << 64:
        raise ValueError(f"seed {seed}: must be from 0 to 2**64 - 1")


def import_path() -> list[str]:
    """Where the function's modules are found inside: where they are found here, editable installs included."""
    own = str(Path(__file__).resolve().parents[2])
    # Not the folder of the program that was started, nor the working folder: searching one more moves the guest's
    # chance, and the same seed would give another result by `python -m shadowlab` than by `shadowlab`.
    started_in = {str(Path(sys.argv[0] or ".").absolute().parent), str(Path.cwd()), ""} - {own}
    return list(dict.fromkeys([*(entry for entry in sys.path if entry not in started_in), own]))


def find_memory_folder(memory_bytes: int) -> Path:
    """A folder for the file that is the guest's memory (it is unlinked at once): best one that is memory itself."""
    candidates = [Path("/dev/shm"), Path(os.environ.get("TMPDIR") or "/tmp"), Path("/var/tmp")]
    for candidate in candidates:
        try:
            room = os.statvfs(candidate)
        except OSError:
            continue
        runs_programs = not room.f_flag & os.ST_NOEXEC
        if runs_programs and room.f_bavail * room.f_frsize >= memory_bytes and os.access(candidate, os.W_OK | os.X_OK):
            return candidate
    names = ", ".join(str(candidate) for candidate in candidates)
    raise CannotRunError(
        f"no place for {memory_bytes >> 20} MiB of guest memory: none of {names} is writable, has that much room, "
        "and may hold programs (mount option exec)"
    )


def _live(
    start: Start,
    *,
    wall_deadline_s: float,
    starved_counts: bool,
    on_line: OnLine | None,
    stopped: Callable[[], bool] | None,
    on_confined: Callable[[Confinement], None] | None,
) -> Death:
    """The host process from its start to its end.  On any exception it is killed first."""
    started_ns = time.monotonic_ns()
    output = OutputTail(start.control / init.OUTPUT_FILE)
    console_fd = os.memfd_create("shadowlab-console")
    try:
        with started(start, console_fd=console_fd) as (process, confinement):
            if on_confined is not None:
                on_confined(confinement)
            last = deque[str](maxlen=LAST_LINES)
            patience = Patience(
                pid=process.pid,
                started_ns=started_ns,
                allowed_ns=int(wall_deadline_s * 1e9),
                starved_counts=starved_counts,
            )
            in_time = _follow(process.pid, patience, output, on_line, last, stopped)
        _pass_on([*output.new_lines(), *output.last_line()], on_line, last)
        console = os.pread(console_fd, 1 << 20, max(0, os.fstat(console_fd).st_size - (1 << 20)))
    finally:
        os.close(console_fd)
    return Death(
        returncode=process.returncode,
        past_wall_deadline=not in_time,
        kernel_lines=kernel_lines(console),
        output_lines=tuple(last),
        wall_ns=time.monotonic_ns() - started_ns,
    )


def _follow(
    pid: int,
    patience: Patience,
    output: OutputTail,
    on_line: OnLine | None,
    last: deque[str],
    stopped: Callable[[], bool] | None,
) -> bool:
    """Pass lines on until the process ends (True) or its time is up (False)."""
    pidfd = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        while not poll.poll(LOOK_EVERY_MS):
            _pass_on(output.new_lines(), on_line, last)
            if stopped is not None and stopped():
                raise KeyboardInterrupt
            if patience.is_over(time.monotonic_ns()):
                return False
        return True
    finally:
        os.close(pidfd)


def _pass_on(lines: list[str], on_line: OnLine | None, last: deque[str]) -> None:
    last.extend(lines)
    if on_line is not None:
        for line in lines:
            on_line(line)
