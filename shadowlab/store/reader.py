"""A file of blocks as NumPy arrays, also while it is being written, and after whatever ended its writer.

In: a path.  Out: the record type, the names, and the rows of a window, only the columns asked for.
Never: a row whose bytes are not those that were written; a torn tail taken for an error.  Runs outside the segment.

The heads are walked without reading the bodies between them: their moments are the index by time.  What follows the
last whole frame is the *tail*: being written, or left by a writer that was killed; :meth:`BlockReader.refresh` looks
again whether it is whole now.  Bytes in the middle that are no frame are *damage*: they are stepped over and counted.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from shadowlab.errors import InputError, ShadowLabError
from shadowlab.store.frame import (
    HEAD,
    MAGIC,
    PLAIN,
    SCHEMA,
    VERSION,
    ZLIB,
    ZSTD,
    Head,
    NewerFormatError,
    Stored,
    decode_directory,
    decode_head,
    decode_schema,
)
from shadowlab.store.records import BYTES, Column, RecordType

_LOOK_BYTES = 4096
"""Read at once where a head is expected: it and its directory are rarely longer."""
_SEARCH_BYTES = 1 << 20
_MOST_SCHEMA = 1 << 28
_LENGTH = 4
"""Bytes of the length of a byte string."""
Planes = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Block:
    """Where a frame of rows lies."""

    at: int
    head: Head
    stored: tuple[Stored, ...]


class Strings:
    """A column of byte strings of N rows, each of its own length."""

    def __init__(self, lengths: NDArray[np.uint32], parts: Sequence[Planes]) -> None:
        self.lengths = lengths
        """Shape (N,)."""
        self._parts = parts

    def field(self, offset: int, kind: str) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The little-endian number of ``kind`` at ``offset`` of every string, shape (N,), and where the string is long
        enough to hold it; elsewhere the value is zero and means nothing."""
        dtype = np.dtype(kind).newbyteorder("<")
        end = offset + dtype.itemsize
        values = [
            np.ascontiguousarray(_widened(part, end)[offset:end].T).view(dtype).reshape(part.shape[1])
            for part in self._parts
        ]
        found: NDArray[Any] = np.concatenate(values) if values else np.zeros(0, dtype=dtype)
        return found, self.lengths >= end

    def __getitem__(self, row: int) -> bytes:
        for part in self._parts:
            if row < part.shape[1]:
                return part[:, row].tobytes()
            row -= part.shape[1]
        raise IndexError(row)

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[bytes]:
        start = 0
        for part in self._parts:
            whole = np.ascontiguousarray(part.T)
            for row, length in zip(whole, self.lengths[start : start + len(whole)], strict=True):
                yield row[:length].tobytes()
            start += len(whole)

    def chosen(self, rows: NDArray[np.bool_]) -> Strings:
        """Some of the rows."""
        parts, start = [], 0
        for part in self._parts:
            parts.append(part[:, rows[start : start + part.shape[1]]])
            start += part.shape[1]
        return Strings(self.lengths[rows], parts)


@dataclass(frozen=True, kw_only=True, eq=False)
class Records:
    """Rows: an array of shape (N,) for every column of fixed size, and the byte strings if they were asked for."""

    numbers: Mapping[str, NDArray[Any]]
    strings: Strings | None

    def __len__(self) -> int:
        return len(next(iter(self.numbers.values()), ()))

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.numbers[name]


class BlockReader:
    """One file of blocks.  Entering opens it and walks its heads.

    Raises ShadowLabError if it cannot be read, InputError if it is no file of blocks or one of a later version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.kind: RecordType | None = None
        """None until its first frame is there."""
        self.names: Mapping[str, tuple[str, ...]] = {}
        self.blocks: list[Block] = []
        self.damaged_bytes = 0
        self._fd = -1
        self._end = 0

    def __enter__(self) -> BlockReader:
        try:
            self._fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            self.refresh()
        except OSError as error:
            self.close()
            raise ShadowLabError(f"cannot read the records {self.path}: {error.strerror or error}") from error
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """The rows read so far stay as they are."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    @property
    def rows(self) -> int:
        """In all whole blocks."""
        return sum(one.head.rows for one in self.blocks)

    @property
    def tail_bytes(self) -> int:
        """Behind the last whole frame: being written, or torn."""
        return max(0, os.fstat(self._fd).st_size - self._end)

    def refresh(self) -> int:
        """Take in the frames that have become whole since; how many blocks these are."""
        before = len(self.blocks)
        size = os.fstat(self._fd).st_size
        at = self._end
        while size - at >= HEAD.size:
            found = self._frame(at, size)
            if found is None:
                further = self._search(at + 1, size)
                if further is None:
                    break
                self.damaged_bytes += further - at
                at = further
                continue
            self._take(at, *found)
            at += found[0].size + found[0].body_bytes
            self._end = at
        if self._end == 0 and size >= len(MAGIC) and os.pread(self._fd, len(MAGIC), 0) != MAGIC:
            raise InputError(f"{self.path} is no file of blocks of ShadowLab's store")
        return len(self.blocks) - before

    def read(
        self, columns: Sequence[str] | None = None, *, from_ns: int | None = None, to_ns: int | None = None
    ) -> Records:
        """The rows with ``from_ns <= moment < to_ns``, in the order they were written; all columns unless told.

        A block whose bytes do not fit their checksum is left out and counted in ``damaged_bytes``.
        """
        if self.kind is None:
            return Records(numbers={}, strings=None)
        wanted = [one for one in self.kind.columns if columns is None or one.name in columns]
        moment = self.kind.columns[0]
        blocks = self.between(from_ns, to_ns)
        most = sum(one.head.rows for one in blocks)
        # Filled in place: touching fresh memory twice takes longer than unpacking.
        numbers = {one.name: np.empty(most, dtype=f"<{one.kind}") for one in wanted if one.kind != BYTES}
        strings: list[Strings] = []
        rows = 0
        for block in blocks:
            whole = (from_ns is None or block.head.from_ns >= from_ns) and (to_ns is None or block.head.to_ns < to_ns)
            try:
                content = self._unpacked(block, wanted if whole else [*wanted, moment])
            except ValueError:
                self.damaged_bytes += block.head.size + block.head.body_bytes
                self.blocks.remove(block)
                continue
            inside = None if whole else _inside(_values(content[moment.name], moment.kind), from_ns, to_ns)
            count = block.head.rows if inside is None else int(np.count_nonzero(inside))
            for name, values in numbers.items():
                _fill(values[rows : rows + count], content[name] if inside is None else content[name][:, inside])
            if wanted and wanted[-1].kind == BYTES:
                text: Strings = content[wanted[-1].name]
                strings.append(text if inside is None else text.chosen(inside))
            rows += count
        numbers = {name: values[:rows] for name, values in numbers.items()}
        return Records(numbers=numbers, strings=_joined(strings) if wanted and wanted[-1].kind == BYTES else None)

    def between(self, from_ns: int | None, to_ns: int | None) -> list[Block]:
        """The blocks that may hold rows of a window, by their heads."""
        return [
            one
            for one in self.blocks
            if (to_ns is None or one.head.from_ns < to_ns) and (from_ns is None or one.head.to_ns >= from_ns)
        ]

    def _frame(self, at: int, size: int) -> tuple[Head, tuple[Stored, ...]] | None:
        """The whole frame at ``at``, None if there is none."""
        data = os.pread(self._fd, _LOOK_BYTES, at)
        try:
            head = decode_head(data)
        except NewerFormatError as error:
            raise InputError(
                f"{self.path} is of store format {error.version}, and this ShadowLab reads up to {VERSION}: "
                "update it, or use the one that wrote the run"
            ) from error
        if head is None or at + head.size + head.body_bytes > size:
            return None
        if head.size > len(data):
            data = os.pread(self._fd, head.size, at)
        stored = decode_directory(head, data)
        return None if stored is None else (head, stored)

    def _search(self, at: int, size: int) -> int | None:
        """Where the next whole frame begins."""
        while at < size:
            data = os.pread(self._fd, _SEARCH_BYTES + len(MAGIC) - 1, at)
            place = data.find(MAGIC)
            while place >= 0:
                if self._frame(at + place, size) is not None:
                    return at + place
                place = data.find(MAGIC, place + 1)
            at += _SEARCH_BYTES
        return None

    def _take(self, at: int, head: Head, stored: tuple[Stored, ...]) -> None:
        if head.kind != SCHEMA:
            self.blocks.append(Block(at=at, head=head, stored=stored))
            return
        try:
            (one,) = stored
            kind, names = decode_schema(self._column(at + head.size, one))
        except ValueError as error:
            raise InputError(f"{self.path}: its schema is damaged ({error}), so its records cannot be read") from error
        if self.kind is not None and kind.columns != self.kind.columns:
            raise InputError(f"{self.path} holds records of two kinds: {self.kind.name} and then another {kind.name}")
        self.kind, self.names = kind, names

    def _unpacked(self, block: Block, wanted: Sequence[Column]) -> dict[str, Any]:
        """The planes of the columns of fixed size, and the strings."""
        assert self.kind is not None
        at = block.at + block.head.size
        rows = block.head.rows
        content: dict[str, Any] = {}
        widths = [one.width for one in block.stored]
        wide = [_LENGTH if one.kind == BYTES else one.size for one in self.kind.columns]
        if widths[: len(wide)] != wide or len(widths) != len(wide) + self.kind.has_bytes:
            raise ValueError("the columns of a block are not those of the schema")
        stored = iter(block.stored)
        for column in self.kind.columns:
            one = next(stored)
            if column.kind == BYTES:
                text = next(stored)
                if column in wanted:
                    lengths = _values(self._planes(at, one, rows), "u4")
                    content[column.name] = Strings(lengths, [self._planes(at + one.stored_bytes, text, rows)])
                at += text.stored_bytes
            elif column in wanted:
                content[column.name] = self._planes(at, one, rows)
            at += one.stored_bytes
        return content

    def _planes(self, at: int, one: Stored, rows: int) -> Planes:
        data = self._column(at, one, rows * one.width)
        return np.frombuffer(data, dtype=np.uint8).reshape(one.width, rows)

    def _column(self, at: int, one: Stored, size: int | None = None) -> bytes:
        """The bytes of a column, unpacked.  Raises ValueError if they are not those that were written."""
        data = os.pread(self._fd, one.stored_bytes, at)
        if len(data) != one.stored_bytes or zlib.crc32(data) != one.crc:
            raise ValueError("a checksum does not fit")
        most = _MOST_SCHEMA if size is None else size
        try:
            if one.codec == ZLIB:
                data = zlib.decompressobj().decompress(data, most + 1)
            elif one.codec == ZSTD:
                if zstandard.frame_content_size(data) > most:
                    raise ValueError("a column has more values than there are rows")
                data = zstandard.ZstdDecompressor().decompress(data, max_output_size=most)
            elif one.codec != PLAIN:
                raise ValueError(f"codec {one.codec} is not known")
        except (zlib.error, zstandard.ZstdError) as error:
            raise ValueError(str(error)) from error
        if size is not None and len(data) != size:
            raise ValueError("a column has not as many values as there are rows")
        return data


def read_records(path: Path, columns: Sequence[str] | None = None) -> Records:
    """All rows of a file.  Raises ShadowLabError if it cannot be read, InputError if it is none of ours."""
    with BlockReader(path) as reader:
        return reader.read(columns)


def _values(planes: Planes, kind: str) -> NDArray[Any]:
    return np.ascontiguousarray(planes.T).view(f"<{kind}").reshape(planes.shape[1])


def _fill(values: NDArray[Any], planes: Planes) -> None:
    """The numbers of some planes into an array."""
    raw = values.view(np.uint8).reshape(len(values), len(planes))
    for k, plane in enumerate(planes):
        raw[:, k] = plane


def _inside(moments: NDArray[np.int64], from_ns: int | None, to_ns: int | None) -> NDArray[np.bool_]:
    """Which rows lie in the window."""
    inside: NDArray[np.bool_] = np.ones(len(moments), dtype=np.bool_)
    if from_ns is not None:
        inside &= moments >= from_ns
    if to_ns is not None:
        inside &= moments < to_ns
    return inside


def _widened(planes: Planes, width: int) -> Planes:
    missing = width - len(planes)
    return planes if missing <= 0 else np.vstack([planes, np.zeros((missing, planes.shape[1]), dtype=np.uint8)])


def _joined(strings: Sequence[Strings]) -> Strings:
    lengths = [one.lengths for one in strings]
    joined = np.concatenate(lengths) if lengths else np.zeros(0, dtype=np.uint32)
    return Strings(joined, [part for one in strings for part in one._parts])
