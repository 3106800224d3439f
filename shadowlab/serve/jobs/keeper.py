"""Runs questions one after the other, tells how far they are, and keeps their answers.

In: questions as arguments of ``shadowlab whatif``.  Out: documents whenever something changed; answers.
Never: more children at a time than allowed, one beyond its time, an answer of more than :data:`MOST_ANSWER` bytes.

All of it lives on one event loop; a child is watched by two file descriptors, so nothing waits.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shadowlab.errors import EXIT_LEVELS_BROKEN, EXIT_OK, ShadowLabError
from shadowlab.kernel.commands.own import END, KILL, OwnCommand
from shadowlab.serve.jobs.job import Job, State, told

MOST_ANSWER = 32 << 20
MOST_WORDS = 4000
MOST_LINE = 16 << 10
GRACE_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Limits:
    """``seconds`` of one question; ``kept`` answers, the oldest goes first."""

    at_once: int = 1
    waiting: int = 4
    seconds: float = 600.0
    kept: int = 20


class BusyError(ShadowLabError):
    """Too many questions wait."""


@dataclass
class _Asked:
    argv: Sequence[str]
    job: Job
    answer: dict[str, Any] | None = None
    task: asyncio.Task[None] | None = None
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    words: list[str] = field(default_factory=list)
    line: bytes = b""


class Keeper:
    """``start`` starts a command that prints into a file; ``tell`` hears of every change; ``scratch`` holds what
    children print."""

    def __init__(
        self,
        *,
        start: Callable[[Sequence[str], Path], OwnCommand],
        tell: Callable[[Job], None],
        now_s: Callable[[], float],
        scratch: Path,
        limits: Limits,
    ) -> None:
        self._start, self._tell, self._now_s, self._scratch, self._limits = start, tell, now_s, scratch, limits
        self._asked: dict[str, _Asked] = {}
        self._number = 0
        self._free = asyncio.Semaphore(limits.at_once)

    def ask(self, argv: Sequence[str], *, source: str, scenarios: Sequence[str], each: bool) -> Job:
        """Begin it now or later.  Raises BusyError."""
        waiting = sum(one.job.state == "waiting" for one in self._asked.values())
        if waiting >= self._limits.waiting:
            raise BusyError(f"{waiting} questions wait already")
        self._number += 1
        job = Job(
            id=str(self._number),
            source=source,
            scenarios=list(scenarios),
            each=each,
            state="waiting",
            asked_s=self._now_s(),
        )
        one = _Asked(argv, job)
        self._asked[job.id] = one
        over = [name for name, other in self._asked.items() if other.job.over]
        for name in over[: max(0, len(self._asked) - self._limits.kept)]:
            del self._asked[name]
        one.task = asyncio.get_running_loop().create_task(self._live(one))
        self._tell(job)
        return job

    def jobs(self) -> list[Job]:
        """Newest first."""
        return [one.job for one in reversed(self._asked.values())]

    def job(self, name: str) -> Job | None:
        """None for one that is not kept."""
        found = self._asked.get(name)
        return found.job if found else None

    def answer(self, name: str) -> dict[str, Any] | None:
        """None while there is none."""
        return self._asked[name].answer

    def stop(self, name: str) -> Job:
        """It ends soon; one that is over stays as it is."""
        one = self._asked[name]
        one.stop.set()
        return one.job

    async def close(self) -> None:
        """Stop everything, and wait for it."""
        for one in self._asked.values():
            one.stop.set()
        tasks = [one.task for one in self._asked.values() if one.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=2 * GRACE_S)

    async def _live(self, one: _Asked) -> None:
        waiting = asyncio.ensure_future(self._free.acquire())
        stopping = asyncio.ensure_future(one.stop.wait())
        await asyncio.wait([waiting, stopping], return_when=asyncio.FIRST_COMPLETED)
        if one.stop.is_set():
            if waiting.done():
                self._free.release()
            waiting.cancel()
            self._end(one, "stopped")
            return
        try:
            await self._run(one, stopping)
        except (ShadowLabError, OSError) as error:
            self._end(one, "failed", str(error))
        finally:
            stopping.cancel()
            self._free.release()

    async def _run(self, one: _Asked, stopping: asyncio.Future[Any]) -> None:
        output = self._scratch / f"answer-{one.job.id}.json"
        loop = asyncio.get_running_loop()
        child = self._start(one.argv, output)
        ended = asyncio.Event()
        try:
            self._change(one, state="running", began_s=self._now_s())
            loop.add_reader(child.told, self._hear, one, child)
            loop.add_reader(child.ended, ended.set)
            over = asyncio.ensure_future(ended.wait())
            await asyncio.wait([over, stopping], timeout=self._limits.seconds, return_when=asyncio.FIRST_COMPLETED)
            state: State = "done" if ended.is_set() else "stopped" if one.stop.is_set() else "timed out"
            if not ended.is_set():
                child.signal(END)
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(asyncio.shield(over), GRACE_S)
                if not ended.is_set():
                    child.signal(KILL)
            over.cancel()
            self._hear(one, child)
        finally:
            for number in (child.told, child.ended):
                loop.remove_reader(number)
            code = child.exit_code() if ended.is_set() else None
            child.close()
        if state == "done":
            self._finish(one, output, code)
        else:
            limit = f"it took more than {self._limits.seconds:.0f} s" if state == "timed out" else ""
            self._end(one, state, limit)
        with suppress(OSError):
            output.unlink()

    def _finish(self, one: _Asked, output: Path, code: int | None) -> None:
        if code not in (EXIT_OK, EXIT_LEVELS_BROKEN):
            words = "\n".join(one.words)[-MOST_WORDS:] or f"it ended with exit code {code}"
            self._end(one, "failed", words)
            return
        if output.stat().st_size > MOST_ANSWER:
            self._end(one, "failed", f"the answer is larger than {MOST_ANSWER >> 20} MiB")
            return
        try:
            one.answer = json.loads(output.read_text(encoding="utf-8"))
            assert isinstance(one.answer, dict)
        except (ValueError, AssertionError):
            self._end(one, "failed", "it printed no answer")
            return
        self._end(
            one, "done", holds=bool(one.answer.get("holds")), headline=str(one.answer.get("headline", "")), fraction=1.0
        )

    def _hear(self, one: _Asked, child: OwnCommand) -> None:
        try:
            chunk = os.read(child.told, 1 << 16)
        except (BlockingIOError, OSError):
            return
        if not chunk:
            asyncio.get_running_loop().remove_reader(child.told)
        *lines, one.line = (one.line + chunk).split(b"\n")
        one.line = one.line[-MOST_LINE:]
        job = one.job
        for line in lines:
            try:
                found = json.loads(line)
            except ValueError:
                found = None
            if isinstance(found, dict):
                job = told(job, found)
            elif line.strip():
                one.words = [*one.words, line.decode(errors="replace")][-40:]
        if job is not one.job:
            one.job = job
            self._tell(job)

    def _end(self, one: _Asked, state: State, error: str = "", **more: Any) -> None:
        self._change(one, state=state, ended_s=self._now_s(), error=error, works=[], **more)

    def _change(self, one: _Asked, **values: Any) -> None:
        one.job = one.job.model_copy(update=values)
        self._tell(one.job)
