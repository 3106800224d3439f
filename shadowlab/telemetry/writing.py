"""Records into a file of ours: JSON lines (plain, gzip, zstd) or Parquet.

In: a path and records, one by one.  Out: the file, complete or not there at all: it is written under another name
beside it and renamed when it is whole.  Never: more in memory than a row group.
"""

from __future__ import annotations

import gzip
import io
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Literal, Protocol, cast

from shadowlab.errors import Fault, InputError
from shadowlab.model.telemetry import TcpRecord
from shadowlab.telemetry.sources.jsonl import header_line, line_of
from shadowlab.telemetry.sources.parquet import ParquetWriter

Kind = Literal["jsonl", "parquet"]
STDOUT = Path("-")


class Writer(Protocol):
    """Takes records."""

    def write(self, record: TcpRecord) -> None:
        """One more record."""

    def flush(self) -> None:
        """Whoever reads along shall see all that was written, as far as the format allows."""


class _Lines:
    def __init__(self, stream: io.TextIOBase) -> None:
        self._stream = stream
        stream.write(header_line() + "\n")

    def write(self, record: TcpRecord) -> None:
        self._stream.write(line_of(record) + "\n")

    def flush(self) -> None:
        self._stream.flush()


def kind_of(path: Path) -> Kind:
    """The kind that the name says.  Raises InputError if it says none."""
    name = path.name.removesuffix(".gz").removesuffix(".zst")
    if path == STDOUT or name.endswith((".jsonl", ".ndjson")):
        return "jsonl"
    if path.name.endswith(".parquet"):
        return "parquet"
    raise InputError(
        f"{path}: the name does not say in which format to write; end it in .jsonl, .jsonl.gz, .jsonl.zst or .parquet, "
        "or give --to"
    )


@contextmanager
def open_writer(path: Path, kind: Kind) -> Iterator[Writer]:
    """Write a file; ``-`` is standard output.  Raises InputError if it cannot be written, CannotRunError if Parquet is
    wanted and its library is missing."""
    if path == STDOUT:
        if kind == "parquet":
            raise InputError("Parquet cannot be written to standard output; name a file")
        stream = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", write_through=False)
        try:
            yield _Lines(stream)
            stream.flush()
        finally:
            with suppress(ValueError, OSError):
                stream.detach()
        return
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with ExitStack() as stack:
            yield (
                stack.enter_context(ParquetWriter(beside)) if kind == "parquet" else _Lines(_text(stack, path, beside))
            )
        beside.replace(path)
    except OSError as error:
        place = str(error.filename or path).replace(str(beside), str(path))
        raise InputError(Fault(place=place, message=f"cannot be written: {error.strerror}")) from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def _text(stack: ExitStack, path: Path, beside: Path) -> io.TextIOWrapper:
    raw: BinaryIO = stack.enter_context(beside.open("wb"))
    if path.name.endswith(".gz"):
        # The time of day must not change what the same records are written as.
        raw = cast(BinaryIO, stack.enter_context(gzip.GzipFile(fileobj=raw, mode="wb", mtime=0)))
    elif path.name.endswith(".zst"):
        import zstandard

        raw = cast(BinaryIO, stack.enter_context(zstandard.ZstdCompressor(level=3).stream_writer(raw, closefd=False)))
    return stack.enter_context(io.TextIOWrapper(raw, encoding="utf-8", newline="\n"))
