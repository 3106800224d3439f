"""The bytes of a file of blocks.  Pure; imported inside the guest: standard library only.

In: the rows of a block, packed.  Out: a frame.  Back: the head of a frame and its directory, checked.
Never: a frame that is taken for whole and is not.

A file is a sequence of frames, each appended in one piece and complete in itself::

    head        40 bytes: magic, version, kind, number of columns, rows, bytes of the body, first and last moment,
                its number in the file, CRC-32 of the head before it and of the directory
    directory   16 bytes per column: bytes stored, CRC-32 of these, bytes per row, codec
    body        the columns, one after another, each compressed for itself

The first frame of a file is a *schema*: one column whose bytes are JSON, the record type and the names that its numbers
stand for.  It holds for all rows until the next schema.  A frame of *rows* has one column in the directory for each of
the record type; byte strings have two, their lengths (u4) and their bytes, each padded to the longest of the block.

A column is stored as *planes*: the first byte of every value, then the second of every value, and so on.  The upper
bytes of counters and moments hardly change from row to row, and compress to nearly nothing.  Planes are also what
slicing with a step gives at the speed of C, so that the guest needs no arrays; and any field of ``tcp_info`` is a few
neighbouring planes, which NumPy reads without touching the others.
"""

from __future__ import annotations

import json
import struct
import zlib
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from shadowlab.store.records import Column, RecordType

VERSION = 1
MAGIC = b"SLbk"
SCHEMA, ROWS = 1, 2
PLAIN, ZLIB, ZSTD = 0, 1, 2
HEAD = struct.Struct("<4sBBHIIqqII")
ENTRY = struct.Struct("<IIIB3x")
_CHECKED_BYTES = HEAD.size - 4
_LENGTH_BYTES = 4
_WORTH_PACKING = 32
"""Fewer bytes are stored as they are."""

Pack = Callable[[bytes], bytes]


@dataclass(frozen=True, kw_only=True)
class Stored:
    """One column in the body of a frame."""

    stored_bytes: int
    crc: int
    width: int
    """Bytes per row, unpacked."""
    codec: int


@dataclass(frozen=True, kw_only=True)
class Head:
    """What a frame says of itself."""

    kind: int
    columns: int
    rows: int
    body_bytes: int
    from_ns: int
    to_ns: int
    number: int

    @property
    def size(self) -> int:
        """Bytes of head and directory."""
        return HEAD.size + self.columns * ENTRY.size


class NewerFormatError(ValueError):
    """The bytes are of a version that this code does not know.  ``version`` is the one found."""

    def __init__(self, version: int) -> None:
        self.version = version
        super().__init__(f"store format {version}")


def fast_zlib(data: bytes) -> bytes:
    """What the guest packs with: the fastest level, since planes compress well by any."""
    return zlib.compress(data, 1)


def encode_schema(kind: RecordType, names: Mapping[str, Sequence[str]], *, number: int = 0) -> bytes:
    """The frame that begins a file.  The same bytes for the same record type and names."""
    columns = []
    for one in kind.columns:
        fields: dict[str, object] = {"name": one.name, "kind": one.kind}
        for key in ("unit", "meaning", "names", "content"):
            if getattr(one, key):
                fields[key] = getattr(one, key)
        if one.unknown is not None:
            fields["unknown"] = one.unknown
        columns.append(fields)
    used = {one.names for one in kind.columns if one.names}
    content = {
        "record": kind.name,
        "meaning": kind.meaning,
        "columns": columns,
        "names": {key: list(value) for key, value in names.items() if key in used},
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    return _frame(SCHEMA, 1, 0, 0, [(text, len(text))], number, fast_zlib, ZLIB)


def decode_schema(text: bytes) -> tuple[RecordType, dict[str, tuple[str, ...]]]:
    """Back again.  Raises ValueError for what :func:`encode_schema` does not write."""
    try:
        content = json.loads(text)
        columns = tuple(Column(**fields) for fields in content["columns"])
        kind = RecordType(name=content["record"], meaning=content["meaning"], columns=columns)
        return kind, {key: tuple(value) for key, value in content["names"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a schema: {error}") from error


def encode_rows(
    kind: RecordType,
    fixed: bytes | bytearray,
    strings: Sequence[bytes] = (),
    *,
    number: int,
    pack: Pack = fast_zlib,
    codec: int = ZLIB,
) -> bytes:
    """A frame of rows: ``fixed`` is their columns of fixed size, packed row by row; ``strings`` their byte strings."""
    row_bytes = kind.packer.size
    rows = len(fixed) // row_bytes
    columns = []
    at = 0
    for one in kind.numbers:
        columns.append((b"".join([fixed[at + k :: row_bytes] for k in range(one.size)]), one.size))
        at += one.size
    if kind.has_bytes:
        longest = max(map(len, strings), default=0)
        lengths = array("I", map(len, strings)).tobytes()
        whole = b"".join([one.ljust(longest, b"\0") for one in strings])
        columns.append((b"".join([lengths[k::_LENGTH_BYTES] for k in range(_LENGTH_BYTES)]), _LENGTH_BYTES))
        columns.append((b"".join([whole[k::longest] for k in range(longest)]), longest))
    moments = bytearray(8 * rows)
    for k in range(8):
        moments[k::8] = fixed[k::row_bytes]
    times = array("q", bytes(moments))
    return _frame(ROWS, rows, min(times), max(times), columns, number, pack, codec)


def encode_planes(
    rows: int, from_ns: int, to_ns: int, columns: Sequence[tuple[bytes, int]], *, number: int, pack: Pack, codec: int
) -> bytes:
    """A frame of rows whose columns are planes already, each with its bytes per row."""
    return _frame(ROWS, rows, from_ns, to_ns, columns, number, pack, codec)


def _frame(
    kind: int,
    rows: int,
    from_ns: int,
    to_ns: int,
    columns: Sequence[tuple[bytes, int]],
    number: int,
    pack: Pack,
    codec: int,
) -> bytes:
    directory, body = [], []
    for plain, width in columns:
        packed = pack(plain) if len(plain) >= _WORTH_PACKING else plain
        stored, used = (packed, codec) if len(packed) < len(plain) else (plain, PLAIN)
        directory.append(ENTRY.pack(len(stored), zlib.crc32(stored), width, used))
        body.append(stored)
    whole = b"".join(body)
    index = b"".join(directory)
    head = HEAD.pack(MAGIC, VERSION, kind, len(columns), rows, len(whole), from_ns, to_ns, number, 0)[:_CHECKED_BYTES]
    return b"".join((head, zlib.crc32(index, zlib.crc32(head)).to_bytes(4, "little"), index, whole))


def decode_head(data: bytes) -> Head | None:
    """The head that these bytes begin with; None if they begin with none.  Its CRC is not looked at yet.

    Raises NewerFormatError: where a later version keeps what, only its own reader knows.
    """
    if len(data) < HEAD.size:
        return None
    magic, version, kind, columns, rows, body_bytes, from_ns, to_ns, number, _ = HEAD.unpack_from(data)
    if magic != MAGIC:
        return None
    if version > VERSION:
        raise NewerFormatError(version)
    return Head(
        kind=kind, columns=columns, rows=rows, body_bytes=body_bytes, from_ns=from_ns, to_ns=to_ns, number=number
    )


def decode_directory(head: Head, data: bytes) -> tuple[Stored, ...] | None:
    """The directory behind a head, ``data`` being both; None if they are damaged or not all there."""
    if len(data) < head.size:
        return None
    index = data[HEAD.size : head.size]
    crc = zlib.crc32(index, zlib.crc32(data[:_CHECKED_BYTES]))
    if crc != int.from_bytes(data[_CHECKED_BYTES : HEAD.size], "little"):
        return None
    stored = tuple(
        Stored(stored_bytes=size, crc=crc, width=width, codec=codec)
        for size, crc, width, codec in ENTRY.iter_unpack(index)
    )
    return stored if sum(one.stored_bytes for one in stored) == head.body_bytes else None
