"""The bytes of a telemetry file, unpacked, in blocks; and lines cut from blocks.

In: an open binary file, plain or packed (gzip, zstd, xz: told by content).  Out: blocks of at most 256 kB.
Never: a whole file in memory; an expansion without bound.

A truncated or damaged archive gives what could be unpacked, and the fault goes to the tally with its offset.
"""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

from shadowlab.errors import CannotRunError
from shadowlab.telemetry.tally import Tally

BLOCK_BYTES = 262_144
LONGEST_LINE_BYTES = 65_536
"""A longer line of text is dropped and counted; the longest honest line of ``ss`` seen has some 1500 bytes."""
MOST_EXPANSION = 500
"""Bytes out for one byte in, above which an archive is a bomb: dumps of a busy host shrink 10- to 60-fold, zeroes
1030-fold (gzip) or more."""
EXPANSION_FREE_BYTES = 64 * 2**20
"""Before this much has come out, no expansion is suspect."""
MOST_WINDOW_BYTES = 128 * 2**20
"""The memory an unpacker may ask for."""

_GZIP, _ZSTD, _XZ = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0"


class ByteStream(Protocol):
    """What an open binary file offers.  An empty answer is the end."""

    def read(self, size: int, /) -> bytes: ...


class Packed:
    """The packing of a file, and how much of it was read: for a progress bar."""

    def __init__(self) -> None:
        self.packing = ""
        self.bytes_read = 0


def read_blocks(
    stream: ByteStream, tally: Tally, packed: Packed | None = None, *, most_expansion: int = MOST_EXPANSION
) -> Iterator[bytes]:
    """The unpacked content.  Raises CannotRunError if zstd is needed and not installed."""
    packed = packed or Packed()
    raw = _raw(stream, packed)
    first = next(raw, b"")
    while len(first) < 6 and (more := next(raw, b"")):
        first += more
    blocks = _chain(first, raw)
    for magic, name, open_unpacker, damage in (
        (_GZIP, "gzip", _gzip, (zlib.error,)),
        (_XZ, "xz", _xz, (lzma.LZMAError,)),
        (_ZSTD, "zstd", _zstd, _zstd_errors),
    ):
        if first.startswith(magic):
            packed.packing = name
            errors = damage() if callable(damage) else damage
            yield from _unpack(blocks, tally, packed, open_unpacker, errors, most_expansion)
            return
    yield from blocks


def _raw(stream: ByteStream, packed: Packed) -> Iterator[bytes]:
    while block := stream.read(BLOCK_BYTES):
        packed.bytes_read += len(block)
        yield block


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


class _Unpacker(Protocol):
    """What ``bz2``, ``lzma`` call a decompressor; gzip and zstd are made alike."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = ...) -> bytes: ...


def _unpack(
    blocks: Iterator[bytes],
    tally: Tally,
    packed: Packed,
    open_unpacker: Callable[[], _Unpacker],
    errors: tuple[type[Exception], ...],
    most_expansion: int,
) -> Iterator[bytes]:
    unpacker, fresh, given = open_unpacker(), True, 0
    for block in blocks:
        data = block
        while True:
            try:
                out = unpacker.decompress(data, BLOCK_BYTES)
            except errors as error:
                what = "bytes after the archive's end" if fresh and given else "the archive is damaged"
                tally.refuse(f"byte {packed.bytes_read - len(data)}", f"{what} ({packed.packing}: {error})")
                return
            fresh = False
            data = b""
            given += len(out)
            for start in range(0, len(out), BLOCK_BYTES):
                yield out[start : start + BLOCK_BYTES]
            if given > EXPANSION_FREE_BYTES and given > most_expansion * packed.bytes_read:
                tally.refuse(
                    f"byte {packed.bytes_read}",
                    f"the archive expands more than {most_expansion}-fold ({given} bytes so far): unpack it yourself "
                    "if you trust it",
                )
                return
            if unpacker.eof:
                data = unpacker.unused_data.lstrip(b"\0")  # tapes and some tools pad with zeroes
                unpacker, fresh = open_unpacker(), True  # archives may be appended to each other
                if not data:
                    break
            elif unpacker.needs_input:
                break
    if not fresh:
        tally.refuse(f"byte {packed.bytes_read}", f"the archive ({packed.packing}) breaks off here")


def _xz() -> _Unpacker:
    return lzma.LZMADecompressor(memlimit=MOST_WINDOW_BYTES)


class _Gzip:
    """``zlib`` with the face of the other unpackers."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=31)
        self._full = False

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._full

    def decompress(self, data: bytes, max_length: int = BLOCK_BYTES) -> bytes:
        out = self._inflate.decompress(self._inflate.unconsumed_tail + data, max_length)
        # Below the limit everything was taken; at the limit more may wait inside, even without unconsumed input.
        self._full = len(out) >= max_length and not self._inflate.eof
        return out


def _gzip() -> _Unpacker:
    return _Gzip()


def _zstd_errors() -> tuple[type[Exception], ...]:
    try:
        import zstandard
    except ImportError:
        raise CannotRunError(
            "this file is packed with zstd, and the Python package zstandard is not installed: pip install zstandard"
        ) from None
    return (zstandard.ZstdError,)


class _Zstd:
    """``zstandard`` cannot bound what one call gives, so it is fed small pieces: 512 bytes give 16 MB at the worst
    (128 kB for each four bytes of a run)."""

    PIECE = 512

    def __init__(self) -> None:
        import zstandard

        # A frame's header may ask for a window of gigabytes; above the limit it is refused.
        self._inflate = zstandard.ZstdDecompressor(max_window_size=MOST_WINDOW_BYTES).decompressobj()
        self._waiting = b""

    @property
    def eof(self) -> bool:
        return bool(self._inflate.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._inflate.unused_data) + self._waiting

    @property
    def needs_input(self) -> bool:
        return not self._waiting

    def decompress(self, data: bytes, max_length: int = BLOCK_BYTES) -> bytes:
        data = self._waiting + data
        self._waiting = data[self.PIECE :]
        return bytes(self._inflate.decompress(data[: self.PIECE]))


def _zstd() -> _Unpacker:
    return _Zstd()


def split_lines(blocks: Iterator[bytes], longest: int = LONGEST_LINE_BYTES) -> Iterator[bytes]:
    """The lines without their ends; of one longer than ``longest`` the first ``longest`` + 1 bytes."""
    rest, dropping = b"", False
    for block in blocks:
        lines = block.split(b"\n")
        if len(lines) == 1:
            if not dropping:
                rest += block
                if len(rest) > longest:
                    yield rest[: longest + 1]
                    rest, dropping = b"", True
            continue
        if dropping:
            dropping = False
        else:
            lines[0] = rest + lines[0]
            if len(lines[0]) > longest:
                lines[0] = lines[0][: longest + 1]
            yield lines[0]
        rest = lines.pop()
        del lines[0]
        yield from lines
        if len(rest) > longest:
            yield rest[: longest + 1]
            rest, dropping = b"", True
    if rest:
        yield rest
