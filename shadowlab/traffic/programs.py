"""Programs of a run: any command in a node, begun and ended on the timeline, its output kept.

In: what to run where and when, the moment of the run's zero.  Out: the output in files, how each one ended.
Never: a program that outlives the run, more output than :data:`MOST_OUTPUT_BYTES` of each.
Imported inside the guest: standard library only.

On the virtual clock a program computes in no time at all: time passes while it waits.  What it draws from the kernel's
chance is the same in every run of the same seed.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Protocol

from shadowlab.errors import KernelRefusedError
from shadowlab.kernel.loop import Loop
from shadowlab.model.traffic.workload import Program

MOST_OUTPUT_BYTES = 1 << 20
CUT = b"\n[output cut here]\n"
FOLDER = "programs"
"""In the run's folder: ``NAME.txt`` is the output, ``NAME/`` the working folder of each."""
_CHUNK_BYTES = 1 << 16


class RunningProgram(Protocol):
    """A program that was started."""

    @property
    def output(self) -> int: ...
    @property
    def ended(self) -> int: ...
    def signal(self, number: int) -> None: ...
    def exit_code(self) -> int: ...
    def close(self) -> None: ...


class ProgramDoor(Protocol):
    """The part of a segment that starts programs."""

    def start_program(
        self, node: str, argv: Sequence[str], environment: Mapping[str, str], folder: str
    ) -> RunningProgram: ...


class Programs:
    """All programs of a run.  Enter it, :meth:`start` it, let the loop run; leaving it ends what still runs."""

    def __init__(self, *, loop: Loop, door: ProgramDoor, programs: Sequence[Program], folder: str) -> None:
        self._folder = f"{folder}/{FOLDER}"
        self._all = [_One(loop, door, one, self._folder) for one in programs]

    def __enter__(self) -> Programs:
        if self._all:
            os.makedirs(self._folder, exist_ok=True)
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End what still runs."""
        for one in self._all:
            one.close()

    def refusals(self) -> list[str]:
        """Of those that could not be started, why."""
        return [f"program {one.name}: {one.why}" for one in self._all if one.why]

    def start(self, zero_ns: int) -> None:
        """Let each begin and end at its moments after ``zero_ns`` (monotonic)."""
        for one in self._all:
            one.arm(zero_ns)

    def summary(self) -> dict[str, dict[str, object]]:
        """By name: node, argv, ``state`` (waiting, running, ended, refused), exit code, moments, octets of output."""
        return {one.name: one.summary() for one in self._all}


class _One:
    def __init__(self, loop: Loop, door: ProgramDoor, program: Program, folder: str) -> None:
        self.name = program.name
        self._loop = loop
        self._door = door
        self._program = program
        self._path = f"{folder}/{program.name}.txt"
        self._work = f"{folder}/{program.name}"
        self._running: RunningProgram | None = None
        self._zero_ns = 0
        self._state = "waiting"
        self.why = ""
        self._exit_code: int | None = None
        self._began_ns: int | None = None
        self._ended_ns: int | None = None
        self._stopped = False
        self._written = 0
        self._dropped = 0
        self._file = -1
        self._open_output = True

    def arm(self, zero_ns: int) -> None:
        self._zero_ns = zero_ns
        self._loop.at(zero_ns + self._program.begin_ns, self._begin)
        if self._program.end_ns is not None:
            self._loop.at(zero_ns + self._program.end_ns, partial(self._stop, signal.SIGTERM))
            self._loop.at(zero_ns + self._program.end_ns + self._program.grace_ns, partial(self._stop, signal.SIGKILL))

    def summary(self) -> dict[str, object]:
        return {
            "node": self._program.node,
            "argv": list(self._program.argv),
            "state": self._state,
            "why": self.why,
            "exit_code": self._exit_code,
            "stopped": self._stopped,
            "began_ns": self._began_ns,
            "ended_ns": self._ended_ns,
            "output_bytes": self._written,
            "output_dropped_bytes": self._dropped,
        }

    def close(self) -> None:
        """The run is over: what still runs is killed, and that is no failure of it."""
        if self._running is not None:
            self._stopped = True
            self._running.signal(signal.SIGKILL)
            self._conclude()

    def _begin(self, due_ns: int) -> None:
        os.makedirs(self._work, exist_ok=True)
        program = self._program
        try:
            self._running = running = self._door.start_program(
                program.node, program.argv, program.environment, self._work
            )
        except KernelRefusedError as error:
            self._state, self.why = "refused", str(error)
            os.rmdir(self._work)
            return
        self._state, self._began_ns = "running", self._loop.now_ns - self._zero_ns
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        self._watch(running.output, self._on_output, "output")
        self._watch(running.ended, self._on_end, "end")

    def _watch(self, fd: int, callback: Callable[[int], bool], what: str) -> None:
        self._loop.add(fd, select.EPOLLIN, callback, name=f"program {self.name}, {what}")

    def _stop(self, number: int, due_ns: int) -> None:
        if self._running is not None:
            self._stopped = True
            self._running.signal(number)

    def _on_output(self, events: int) -> bool:
        if self._running is None:
            return False
        chunk = self._read(self._running.output)
        if chunk == b"":
            self._loop.remove(self._running.output)  # it closed its output and may work on
            self._open_output = False
        return chunk is not None

    def _read(self, fd: int) -> bytes | None:
        try:
            chunk = os.read(fd, _CHUNK_BYTES)
        except BlockingIOError:
            return None
        room = MOST_OUTPUT_BYTES - self._written
        if len(chunk) > room and not self._dropped:
            os.write(self._file, chunk[:room] + CUT)
        elif room > 0:
            os.write(self._file, chunk)
        self._written += min(len(chunk), room)
        self._dropped += max(len(chunk) - room, 0)
        return chunk

    def _on_end(self, events: int) -> bool:
        self._conclude()
        return True

    def _conclude(self) -> None:
        """It has ended or was killed: take what it wrote last, and end what it left behind."""
        running = self._running
        if running is None:
            return
        self._exit_code = running.exit_code()
        self._ended_ns = self._loop.now_ns - self._zero_ns
        while self._open_output and self._read(running.output):
            pass
        if self._open_output:
            self._loop.remove(running.output)
        self._loop.remove(running.ended)
        running.close()
        os.close(self._file)
        with suppress(OSError):  # it left something there
            os.rmdir(self._work)
        self._state, self._running = "ended", None
