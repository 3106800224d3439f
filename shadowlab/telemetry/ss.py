"""A file of ``ss -tinOHm`` dumps becomes records.

In: the lines of a file: dumps, each after a comment line ``# instance NAME at 2026-11-22T09:00:00Z`` (or seconds since
1970; fractions allowed).  One socket per line as ``-O`` prints it, or two lines without ``-O``.
Out: an :class:`SsReading`: the records, and how much could not be read, where, and why.
Never: more memory than the records kept (at most ``limit``), one line of 64 kB, and a few places; a file's whole text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from typing import Protocol

from shadowlab.errors import Fault, InputError
from shadowlab.model.telemetry import TcpRecord
from shadowlab.telemetry.ss_socket import parse_socket

LONGEST_LINE_BYTES = 65_536
"""A longer line is dropped and counted; the longest honest one seen has some 1500 bytes."""
MOST_RECORDS = 1_000_000
"""Records kept of one file.  A record takes about 2.5 kB, so this many take 2.5 GB; more are counted, not kept."""
PLACES_KEPT = 20
"""Unreadable lines that are located and explained; the rest is counted."""
EXPECTED = (
    "expected dumps of `ss -tinOHm`, each after a line `# instance NAME at 2026-11-22T09:00:00Z`; record one with: "
    '(echo "# instance $(hostname) at $(date -u +%FT%TZ)"; ss -tinOHm) >> FILE'
)

_HEADER = re.compile(r"#\s*instance\s+(\S+)\s+at\s+(\S+)\s*")
_ISO = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(\.\d{1,18})?(Z|[+-]\d\d:?\d\d)")
_EPOCH = re.compile(r"\d{1,10}(?:\.\d{1,18})?")
_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)  # noqa: UP017  (datetime.UTC reads no better)


@dataclass(frozen=True, kw_only=True)
class SsReading:
    """What a file held.  ``unreadable`` counts lines, ``overlong`` those among them that were too long to look at;
    ``beyond_limit`` counts records that were readable but not kept."""

    name: str
    records: tuple[TcpRecord, ...]
    lines: int
    dumps: int
    unreadable: int = 0
    overlong: int = 0
    beyond_limit: int = 0
    first_unreadable: tuple[Fault, ...] = ()


class ByteStream(Protocol):
    """What an open binary file offers."""

    def readline(self, limit: int, /) -> bytes: ...


def bounded_lines(stream: ByteStream) -> Iterator[bytes]:
    """The lines of a binary file, none longer than one byte above :data:`LONGEST_LINE_BYTES`.

    Iterating over the file itself would read a gigabyte without a newline into memory as one line.
    """
    while line := stream.readline(LONGEST_LINE_BYTES + 1):
        yield line
        while len(line) > LONGEST_LINE_BYTES and not line.endswith(b"\n"):
            line = stream.readline(LONGEST_LINE_BYTES + 1)


def parse_moment(text: str) -> int:
    """ISO 8601 with a zone, or seconds since 1970, to Unix nanoseconds.  Raises ValueError."""
    if _EPOCH.fullmatch(text):
        return round(Fraction(text) * 10**9)
    match = _ISO.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:60]!r} is no time; write 2026-11-22T09:00:00Z (with its zone) or seconds since 1970")
    date, clock, fraction, zone = match.groups()
    moment = datetime.fromisoformat(f"{date}T{clock}{'+00:00' if zone == 'Z' else zone}")
    return (moment - _UNIX_EPOCH) // timedelta(seconds=1) * 10**9 + round(Fraction(fraction or 0) * 10**9)


def read_ss(lines: Iterable[bytes], *, name: str, limit: int = MOST_RECORDS) -> SsReading:
    """Read the dumps of one file, line by line.  ``name`` is the file's name as messages should show it.

    Give it :func:`bounded_lines` of an open file.  Raises InputError if no line could be read as a record.
    """
    reader = _Reader(name, limit)
    for line in lines:
        reader.feed(line)
    return reader.finish()


class _Reader:
    """The state between two lines: whose dump it is, and the socket whose second line may still come."""

    def __init__(self, name: str, limit: int) -> None:
        self._name = name
        self._limit = limit
        self._lines = self._dumps = self._unreadable = self._overlong = self._beyond = 0
        self._places: list[Fault] = []
        self._records: list[TcpRecord] = []
        self._instance: str | None = None
        self._at_ns = 0
        self._no_header = "a record before any header line; " + EXPECTED
        self._pending = ""
        self._pending_line = 0

    def feed(self, raw: bytes) -> None:
        self._lines += 1
        if len(raw) > LONGEST_LINE_BYTES:
            self._close()
            self._overlong += 1
            self._refuse(f"longer than {LONGEST_LINE_BYTES} bytes", self._lines)
            return
        # ss prints ASCII, except for the names of programs and cgroups, which are not looked at: latin-1 never fails.
        line = raw.decode("latin-1").rstrip()
        if not line:
            return
        if line[0] in "\t ":
            if not self._pending and line.lstrip()[:1] == "#":
                self._comment(line.lstrip())
            elif self._pending:
                self._pending += line
                self._close()
            else:
                self._refuse("details without a socket before them", self._lines)
            return
        self._close()
        if line[0] == "#":
            self._comment(line)
        elif line.startswith(("State ", "Netid ")):
            pass  # the column titles of ss without -H
        else:
            self._pending, self._pending_line = line, self._lines
            if len(line) > 200:  # details follow on the same line (-O): nothing to wait for
                self._close()

    def finish(self) -> SsReading:
        self._close()
        if not self._records:
            why = "the file is empty" if not self._lines else f"no readable record in {self._lines} lines"
            raise InputError(Fault(place=self._name, message=f"{why}; {EXPECTED}"), *self._places)
        return SsReading(
            name=self._name,
            records=tuple(self._records),
            lines=self._lines,
            dumps=self._dumps,
            unreadable=self._unreadable,
            overlong=self._overlong,
            beyond_limit=self._beyond,
            first_unreadable=tuple(self._places),
        )

    def _comment(self, line: str) -> None:
        match = _HEADER.fullmatch(line)
        if match is None:
            if re.match(r"#\s*instance\b", line):
                self._bad_header("write `# instance NAME at TIME`")
            return
        try:
            self._at_ns = parse_moment(match[2])
        except (ValueError, OverflowError) as error:
            self._bad_header(str(error))
            return
        self._instance = match[1].encode("latin-1").decode("utf-8", "replace")
        self._dumps += 1

    def _bad_header(self, why: str) -> None:
        # What follows must not be put down to the instance of the dump before.
        self._instance = None
        self._no_header = f"a record under the unreadable header of line {self._lines}"
        self._refuse(f"the header cannot be read: {why}", self._lines)

    def _close(self) -> None:
        """Turn the pending socket into a record."""
        if not self._pending:
            return
        text, self._pending = self._pending, ""
        try:
            record = parse_socket(text, instance=self._instance or "", at_ns=self._at_ns, source=self._name)
        except ValueError as error:
            self._refuse(str(error), self._pending_line)
            return
        if self._instance is None:
            self._refuse(self._no_header, self._pending_line)
        elif len(self._records) >= self._limit:
            self._beyond += 1
        else:
            self._records.append(record)

    def _refuse(self, why: str, line: int) -> None:
        self._unreadable += 1
        if len(self._places) < PLACES_KEPT:
            self._places.append(Fault(place=f"{self._name}:{line}", message=why))
