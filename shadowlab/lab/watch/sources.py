"""Telemetry as it grows: what is new since the last look.

In: a receiver's folder, a folder of dumps, one file that somebody appends to, or Prometheus.  Out: new records.
Never: a file read twice from its beginning; more than a bounded part of it in one look; an exception for a file that
vanished, which its writer's retention may do at any time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from shadowlab.errors import InputError
from shadowlab.model.telemetry import TcpRecord
from shadowlab.telemetry.formats import format_named, recognise
from shadowlab.telemetry.live.prometheus import PrometheusSource, aligned, ask
from shadowlab.telemetry.reading import open_telemetry
from shadowlab.telemetry.source import HEAD_BYTES, Source
from shadowlab.telemetry.tally import Tally

SourceKind = Literal["receiver", "dumps", "file", "prometheus"]

MOST_BYTES_A_LOOK = 64 << 20
"""Of one file; the rest comes with the next look."""
FOLLOWED = ("jsonl", "ss")
"""Formats whose files can be read on from where they ended."""
_SEGMENTS = "*.jsonl"
_DUMP_HEAD = b"# instance "


class Listener(Protocol):
    """``look`` gives what is new.  ``unreadable`` counts what was no telemetry, ``missed`` what could not be had at
    all, and ``last_fault`` says why the last time."""

    unreadable: int
    missed: int
    last_fault: str

    def look(self) -> Iterator[TcpRecord]: ...


@dataclass(kw_only=True)
class _Place:
    """How far a file was read."""

    end: int = 0
    format: str = ""
    head: bytes = b""
    """Of an ``ss`` file the last dump's header line, below which the next lines may stand."""
    inode: int = 0


@dataclass(kw_only=True)
class Follower:
    """``look`` gives what is new.  ``unreadable`` counts lines and files that were no telemetry, ``missed`` those that
    could not be opened."""

    kind: SourceKind
    path: Path
    unreadable: int = 0
    missed: int = 0
    last_fault: str = ""
    _places: dict[Path, _Place] = field(default_factory=dict)
    _read: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def look(self) -> Iterator[TcpRecord]:
        """The new records, file by file."""
        if self.kind == "dumps":
            yield from self._dumps()
            return
        files = self._segments() if self.kind == "receiver" else [self.path]
        for gone in set(self._places) - set(files):
            del self._places[gone]
        for one in files:
            yield from self._grown(one)

    def _segments(self) -> list[Path]:
        """Of every instance, in order; links are not followed."""
        try:
            places = sorted(one for one in self.path.iterdir() if one.is_dir() and not one.is_symlink())
            own = [one for one in sorted(self.path.glob(_SEGMENTS)) if not one.is_symlink()]
            return own + [one for place in places for one in sorted(place.glob(_SEGMENTS)) if not one.is_symlink()]
        except OSError as error:
            self._miss(self.path, error)
            return []

    def _dumps(self) -> Iterator[TcpRecord]:
        """Whole files, each once, by name.  A file that changed is another one."""
        try:
            found = sorted(one for one in self.path.iterdir() if one.is_file() and not one.name.startswith("."))
        except OSError as error:
            self._miss(self.path, error)
            return
        for gone in set(self._read) - set(found):
            del self._read[gone]
        for one in found:
            try:
                stat = one.stat()
                mark = (stat.st_mtime_ns, stat.st_size)
                if self._read.get(one) == mark:
                    continue
                self._read[one] = mark
                with open_telemetry(one) as reading:
                    yield from reading.records
                self.unreadable += reading.tally.unreadable
            except InputError as error:
                self.unreadable += 1
                self.last_fault = str(error)
            except OSError as error:
                self._miss(one, error)

    def _grown(self, path: Path) -> Iterator[TcpRecord]:
        place = self._places.setdefault(path, _Place())
        try:
            with path.open("rb") as file:
                stat = os.fstat(file.fileno())
                if stat.st_size < place.end or (place.inode and place.inode != stat.st_ino):  # cut, or another file
                    place.end, place.head = 0, b""
                place.inode = stat.st_ino
                file.seek(place.end)
                block = file.read(MOST_BYTES_A_LOOK)
        except OSError as error:
            self._miss(path, error)
            return
        whole = block[: block.rfind(b"\n") + 1]
        if not whole:
            return
        if not place.format:
            try:
                place.format = (
                    "jsonl" if self.kind == "receiver" else recognise(whole[:HEAD_BYTES], name=str(path)).name
                )
            except InputError as error:
                self.unreadable += 1
                self.last_fault = str(error)
                return
            if place.format not in FOLLOWED:
                wanted = " or ".join(FOLLOWED)
                raise InputError(f"{path} is of the format {place.format}; a file that is followed is of {wanted}")
        tally = Tally(str(path))
        source = Source(name=str(path), blocks=iter((place.head, whole)), tally=tally)
        yield from format_named(place.format).read(source)
        self.unreadable += tally.unreadable
        place.end += len(whole)
        if place.format == "ss" and (at := whole.rfind(b"\n" + _DUMP_HEAD) + 1 or whole.startswith(_DUMP_HEAD)):
            begin = 0 if at is True else int(at)
            place.head = whole[begin : whole.index(b"\n", begin) + 1]

    def _miss(self, path: Path, error: OSError) -> None:
        self.missed += 1
        self.last_fault = f"{path} cannot be read: {error.strerror}"


@dataclass(kw_only=True)
class Asker:
    """Prometheus, asked for what came since the last answer, ``back_ns`` at most.  ``wall_ns`` is Unix time.

    Nothing of a look is given when a query fails: it is asked again, so that no field of a record is lost."""

    source: PrometheusSource
    back_ns: int
    now_ns: Callable[[], int]
    wall_ns: Callable[[], int]
    unreadable: int = 0
    missed: int = 0
    last_fault: str = ""
    _answered_ns: int = 0

    def look(self) -> Iterator[TcpRecord]:
        """The records of the steps that have passed since."""
        step_ns = self.source.step_ns
        to_ns = aligned(self.wall_ns(), step_ns)
        from_ns = max(self._answered_ns + step_ns, aligned(to_ns - self.back_ns, step_ns))
        if from_ns > to_ns:
            return
        tally = Tally(self.source.site.base)
        try:
            found = list(ask(self.source, from_ns, to_ns, now_ns=self.now_ns, tally=tally))
        except InputError as error:
            self.missed += 1
            self.last_fault = str(error)
            return
        self.unreadable += tally.unreadable
        if tally.places:
            self.last_fault = str(tally.places[0])
        self._answered_ns = to_ns
        yield from found


@dataclass(kw_only=True)
class Window:
    """The newest records of every connection, as far back as ``length_ns`` before the newest of all.  At most ``most``
    are held; the oldest beyond are dropped and counted."""

    length_ns: int
    most: int = 200_000
    newest_ns: int = 0
    dropped: int = 0
    _records: list[TcpRecord] = field(default_factory=list)

    def add(self, records: Iterator[TcpRecord]) -> int:
        """How many came in."""
        count = 0
        for one in records:
            count += 1
            self._records.append(one)
            if len(self._records) > 2 * self.most:
                self._cut()
        self._cut()
        return count

    def _cut(self) -> None:
        if not self._records:
            return
        self.newest_ns = max(self.newest_ns, max(one.at_ns for one in self._records))
        since = self.newest_ns - self.length_ns
        kept = [one for one in self._records if one.at_ns >= since]
        if len(kept) > self.most:
            kept.sort(key=lambda one: one.at_ns)
            self.dropped += len(kept) - self.most
            kept = kept[-self.most :]
        self._records = kept

    @property
    def records(self) -> tuple[TcpRecord, ...]:
        """In the order in which they came."""
        return tuple(self._records)

    def last_heard(self) -> Mapping[str, int]:
        """By instance, the moment of its newest record."""
        found: dict[str, int] = {}
        for one in self._records:
            found[one.instance] = max(found.get(one.instance, 0), one.at_ns)
        return found
