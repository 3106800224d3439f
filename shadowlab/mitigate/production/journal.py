"""The executor's log: what it is about to do, and what came of it, line by line on the disk before it goes on.

In: entries.  Out: one JSON line each, appended and synced; what the lines tell of executions.
Never: a line changed or taken away; two executors on one log.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from shadowlab.errors import InputError, ShadowLabError
from shadowlab.mitigate.production.form import Breaker
from shadowlab.mitigate.production.steps import Plan
from shadowlab.model.units import format_duration
from shadowlab.store.whole import sync_folder, translated

Entry = Mapping[str, Any]
End = Literal["kept", "taken back", "stuck"]
_MODE = 0o600


@dataclass(frozen=True, kw_only=True)
class Execution:
    """``started`` are the steps that may have had an effect, in their order.  ``end`` is None as long as it runs, or
    if whoever ran it died; "stuck" when a way back failed."""

    id: str
    at_ns: int
    plan: Plan
    started: tuple[int, ...] = ()
    end: End | None = None


class Journal:
    """Open as a context: it holds the log's lock.  Raises InputError if another executor does."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1
        self.entries: list[Entry] = []
        self.torn = 0
        """Lines that cannot be read: a machine lost its power while it wrote one."""

    def __enter__(self) -> Journal:
        try:
            new = not self._path.exists()
            self._fd = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)
            if os.fstat(self._fd).st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                self._close()
                raise InputError(f"{self._path}: others may write this log, and what it says is executed: chmod go-w")
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with open(self._fd, "rb", closefd=False) as file:
                text = file.read()
            if new:
                sync_folder(self._path.parent)
        except BlockingIOError as error:
            self._close()
            raise InputError(f"{self._path}: another executor is at work with this log") from error
        except OSError as error:
            self._close()
            raise translated(error, f"open the log {self._path.name}", self._path.parent) from error
        for line in text.splitlines():
            try:
                entry = json.loads(line)
                self.entries.append({**entry, "at_ns": int(entry["at_ns"]), "what": str(entry["what"])})
            except (ValueError, KeyError, TypeError):
                self.torn += bool(line.strip())
        self._ends_open = bool(text) and not text.endswith(b"\n")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def write(self, entry: Entry) -> None:
        """On the disk when this returns.  Raises ShadowLabError: then what was to follow must not happen."""
        line = json.dumps(entry, sort_keys=True, ensure_ascii=True).encode() + b"\n"
        if self._ends_open:
            line, self._ends_open = b"\n" + line, False
        try:
            if os.write(self._fd, line) != len(line):
                self._ends_open = True
                raise ShadowLabError(f"cannot write the log {self._path}: only a part of a line was taken")
            os.fsync(self._fd)
        except OSError as error:
            raise translated(error, f"write the log {self._path.name}", self._path.parent) from error
        self.entries.append(entry)


def executions(entries: Sequence[Entry]) -> list[Execution]:
    """All of them, in the order in which they began."""
    found: dict[str, Execution] = {}
    for one in entries:
        name = str(one.get("id", ""))
        if one["what"] == "begun":
            found[name] = Execution(id=name, at_ns=one["at_ns"], plan=Plan.from_plain(one["plan"]))
        elif name in found and one["what"] == "do":
            found[name] = replace(found[name], started=(*found[name].started, int(one["step"])))
        elif name in found and one["what"] in ("kept", "taken back", "stuck"):
            found[name] = replace(found[name], end=one["what"])
    return list(found.values())


def unfinished(entries: Sequence[Entry]) -> list[Execution]:
    """Those that somebody must still take back: nobody has ended them, or their way back failed."""
    return [one for one in executions(entries) if one.end is None or one.end == "stuck"]


def open_breaker(entries: Sequence[Entry], breaker: Breaker, now_ns: int) -> str:
    """Why nothing is to be executed now; empty if something may."""
    recent = [one for one in executions(entries) if now_ns - one.at_ns < breaker.within_ns]
    failed = [one for one in recent if one.end in ("taken back", "stuck")]
    window = format_duration(breaker.within_ns)
    if len(failed) >= breaker.failures:
        return f"{len(failed)} of the last executions were taken back within {window}, {breaker.failures} open it"
    if len(recent) >= breaker.most:
        return f"{len(recent)} executions were begun within {window}, and {breaker.most} are the most"
    return ""


def dry_run(entries: Sequence[Entry], digest: str, valid_ns: int, now_ns: int) -> Entry | None:
    """The last one of these commands that still holds."""
    for one in reversed(entries):
        if one["what"] == "dry run" and one.get("digest") == digest and now_ns - one["at_ns"] < valid_ns:
            return one
    return None
