"""A telemetry file, opened: its format found, its packing undone, its records streamed.

In: a path (``-`` is standard input), optionally the format's name and what the content leaves open.
Out: a :class:`Reading`: the records, once, in file order, and the tally.
Never: a whole file in memory; an exception for a bad part.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from shadowlab.errors import Fault, InputError
from shadowlab.model.telemetry import TcpRecord
from shadowlab.telemetry.blocks import ByteStream, Packed, read_blocks
from shadowlab.telemetry.folder import SegmentFolder
from shadowlab.telemetry.formats import format_named, recognise
from shadowlab.telemetry.source import HEAD_BYTES, Format, Source
from shadowlab.telemetry.tally import Tally

STDIN = Path("-")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One file being read.  ``records`` can be iterated once; the tally is complete when they are exhausted."""

    name: str
    format: Format
    records: Iterator[TcpRecord]
    tally: Tally
    packed: Packed
    size_bytes: int | None
    """None for a pipe."""

    def check(self) -> None:
        """After the last record.  Raises InputError if there was not one."""
        if self.tally.records:
            return
        passed = "; ".join(f"{why}: {count}" for why, count in self.tally.passed_over.items())
        why = "the file is empty" if not self.packed.bytes_read else f"no readable record of format {self.format.name}"
        message = f"{why}{f' ({passed})' if passed else ''}; {self.format.expects}"
        raise InputError(Fault(place=self.name, message=message), *self.tally.places)


@contextmanager
def open_telemetry(
    path: Path,
    *,
    format_name: str | None = None,
    instance: str = "",
    at_ns: int | None = None,
    interval_ns: int | None = None,
    follow: Callable[[], bool] | None = None,
) -> Iterator[Reading]:
    """Open a file, or a folder that a receiver writes.

    With ``follow`` the end of the file is no end: it is called there, and waits; False ends it.

    Raises InputError if the file cannot be read or its format is not recognised, CannotRunError if a library lacks.
    """
    name = "standard input" if path == STDIN else str(path)
    try:
        if path != STDIN and path.is_dir():
            if follow:
                raise InputError(Fault(place=name, message="is a folder; of a receiver's only one segment is followed"))
            stream = cast(BinaryIO, SegmentFolder(path))
        else:
            stream = sys.stdin.buffer if path == STDIN else cast(BinaryIO, path.open("rb", buffering=0))
    except OSError as error:
        raise InputError(Fault(place=name, message=f"cannot be read: {error.strerror}")) from error
    with nullcontext() if path == STDIN else stream:
        source: ByteStream = _Growing(stream, follow) if follow else stream
        if path == STDIN:
            source = _Available(source)
        try:
            yield _open(source, path, name, format_name, instance, at_ns, interval_ns, _size(stream))
        except OSError as error:
            if error.filename is not None:
                raise
            raise InputError(Fault(place=name, message=f"cannot be read: {error.strerror}")) from error


def _open(
    stream: ByteStream,
    path: Path,
    name: str,
    format_name: str | None,
    instance: str,
    at_ns: int | None,
    interval_ns: int | None,
    size: int | None,
) -> Reading:
    tally, packed = Tally(name), Packed()
    blocks = read_blocks(stream, tally, packed)
    head = b""
    known = format_named(format_name) if format_name else None
    while len(head) < (HEAD_BYTES if known is None else 1) and (block := next(blocks, b"")):
        head += block
        if known is None and len(head) >= 512 and isinstance(stream, _Growing):
            break
    chosen = known or recognise(head[:HEAD_BYTES], name=name)
    source = Source(
        name=name,
        blocks=_chain(head, blocks),
        tally=tally,
        path=path if path != STDIN and not packed.packing and path.is_file() else None,
        instance=instance,
        at_ns=at_ns,
        interval_ns=interval_ns,
    )
    return Reading(
        name=name,
        format=chosen,
        records=_counted(chosen.read(source), tally),
        tally=tally,
        packed=packed,
        size_bytes=size,
    )


def _counted(records: Iterator[TcpRecord], tally: Tally) -> Iterator[TcpRecord]:
    for record in records:
        tally.records += 1
        yield record


def _chain(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if head:
        yield head
    yield from rest


def _size(stream: BinaryIO) -> int | None:
    if isinstance(stream, SegmentFolder):
        return stream.size_bytes
    try:
        return os.fstat(stream.fileno()).st_size or None
    except OSError:  # no file at all
        return None


class _Available:
    """A pipe: gives what is there rather than waiting for a full block."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream

    def read(self, size: int, /) -> bytes:
        read1 = getattr(self._stream, "read1", self._stream.read)
        data: bytes = read1(size)
        return data


class _Growing:
    """A file that somebody still writes to.  If it was cut shorter than what was read, it is read anew."""

    def __init__(self, stream: BinaryIO, wait: Callable[[], bool]) -> None:
        self._stream = stream
        self._wait = wait
        self._read = 0

    def read(self, size: int, /) -> bytes:
        read1 = getattr(self._stream, "read1", self._stream.read)
        while True:
            data: bytes = read1(size)
            self._read += len(data)
            if data or not self._wait():
                return data
            if (_size(self._stream) or 0) < self._read and self._stream.seekable():
                self._stream.seek(0)
                self._read = 0
