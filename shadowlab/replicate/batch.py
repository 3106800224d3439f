"""The batch: what crosses the wire, as bytes and as records.  Pure.

In: lines, or bytes from outside.  Out: bytes, or checked records.
Never: more memory than the limits allow; a batch that is half right: one wrong line and all of it is refused.

Unpacked, a batch is JSON lines: a head (:class:`Head`), then as many records as the head says, each one of our own JSON
lines (``shadowlab.telemetry.sources.jsonl``) and of the head's instance.  Packed it is one zstd frame or gzip member.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from shadowlab.model.telemetry import TcpRecord

VERSION = "batch/1"
MOST_PACKED_BYTES = 4 << 20
MOST_UNPACKED_BYTES = 16 << 20
MOST_RECORDS = 20_000
MOST_LINE_BYTES = 16_384
MOST_SEQUENCE = 2**62
LONGEST_INSTANCE = 64
"""A certificate's common name holds no more."""
ZSTD, GZIP = "zstd", "gzip"
_MOST_WINDOW_BYTES = 8 << 20
_GZIP_BITS = 31
_STREAM_DIGITS = 16


class BatchError(ValueError):
    """Why a batch is refused, in words for its sender."""


class TooLargeError(BatchError):
    """It passes a limit."""


@dataclass(frozen=True, kw_only=True)
class Head:
    """Whose batch it is, and which.  Sequence numbers begin at 1 and count up within a stream; an agent begins a new
    stream when it cannot know how far the old one went."""

    instance: str
    stream: str
    """Sixteen hexadecimal digits."""
    sequence: int
    records: int


def instance_path(instance: str) -> str:
    """The instance as one step of a path, in a URL or below a folder.  Raises ValueError for what can be no name."""
    if not instance or len(instance) > LONGEST_INSTANCE or not instance.isprintable() or instance[0] in ". ":
        raise ValueError(
            f"{instance[:70]!r} cannot name an instance: 1 to {LONGEST_INSTANCE} printable characters, "
            "the first no dot and no blank"
        )
    return quote(instance, safe="")


def batch_path(head: Head) -> str:
    """Where a batch is put."""
    return f"/v1/instances/{instance_path(head.instance)}/streams/{head.stream}/batches/{head.sequence}"


CLOCK_PATH = "/v1/clock"


def encode_batch(head: Head, lines: Sequence[str]) -> bytes:
    """Unpacked.  The lines are records, as many as the head says."""
    first = {
        "shadowlab": VERSION,
        "instance": head.instance,
        "stream": head.stream,
        "sequence": head.sequence,
        "records": head.records,
    }
    return "\n".join([json.dumps(first, ensure_ascii=False), *lines, ""]).encode()


def pack(data: bytes) -> tuple[str, bytes]:
    """Content coding and packed bytes: zstd if its library is there, else gzip."""
    try:
        import zstandard
    except ImportError:
        packer = zlib.compressobj(1, zlib.DEFLATED, _GZIP_BITS)
        return GZIP, packer.compress(data) + packer.flush()
    return ZSTD, zstandard.ZstdCompressor(level=1, write_checksum=True).compress(data)


def unpack(coding: str, packed: bytes, *, most_bytes: int = MOST_UNPACKED_BYTES) -> bytes:
    """Raises BatchError for another coding, damage, or more than ``most_bytes``: no more than that is ever unpacked."""
    if coding == GZIP:
        unpacker = zlib.decompressobj(_GZIP_BITS)
        try:
            data = unpacker.decompress(packed, most_bytes + 1)
        except zlib.error as error:
            raise BatchError(f"the gzip data is damaged: {error}") from None
        whole = unpacker.eof and not unpacker.unused_data
    elif coding == ZSTD:
        try:
            import zstandard
        except ImportError:
            raise BatchError("zstd is not understood here; send gzip") from None
        try:
            with zstandard.ZstdDecompressor(max_window_size=_MOST_WINDOW_BYTES).stream_reader(packed) as reader:
                data = reader.read(most_bytes + 1)
                whole = len(data) <= most_bytes and not reader.read(1) and _ends_with_frame(packed, data)
        except zstandard.ZstdError as error:
            raise BatchError(f"the zstd data is damaged: {error}") from None
    else:
        raise BatchError(f"content coding {coding[:40]!r} is neither zstd nor gzip")
    if len(data) > most_bytes:
        raise TooLargeError(f"more than {most_bytes} bytes when unpacked")
    if not whole:
        raise BatchError("the packed data breaks off, or goes on after its end")
    return data


def _ends_with_frame(packed: bytes, data: bytes) -> bool:
    """Whether a zstd frame is whole: a reader takes one that breaks off for one that ends."""
    import zstandard

    unpacker = zstandard.ZstdDecompressor(max_window_size=_MOST_WINDOW_BYTES).decompressobj()
    # What comes out is known to be small: it was read above.
    return unpacker.decompress(packed) == data and unpacker.eof and not unpacker.unused_data


def decode_batch(data: bytes) -> tuple[Head, list[TcpRecord]]:
    """Everything checked.  Raises BatchError with the first thing wrong and its line."""
    from shadowlab.telemetry.checked import checked_record

    if not data.endswith(b"\n"):
        raise BatchError("the last line does not end")
    lines = data[:-1].split(b"\n")
    head = _head(_object(lines[0], 1))
    if head.records != len(lines) - 1:
        raise BatchError(f"line 1: {head.records} records are announced, {len(lines) - 1} lines follow")
    records = []
    for number, line in enumerate(lines[1:], start=2):
        try:
            record = checked_record(_object(line, number))
        except BatchError:
            raise
        except ValueError as error:
            raise BatchError(f"line {number}: {error}") from None
        if record.instance != head.instance:
            raise BatchError(f"line {number}: a record of {record.instance[:70]!r} in a batch of {head.instance!r}")
        records.append(record)
    return head, records


def _object(line: bytes, number: int) -> dict[str, Any]:
    if len(line) > MOST_LINE_BYTES:
        raise TooLargeError(f"line {number} is longer than {MOST_LINE_BYTES} bytes")
    try:
        value = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BatchError(f"line {number} is no JSON: {str(error)[:100]}") from None
    if not isinstance(value, dict):
        raise BatchError(f"line {number} is no JSON object")
    return value


def _head(value: dict[str, Any]) -> Head:
    if value.get("shadowlab") != VERSION:
        raise BatchError(f"line 1: the version is {str(value.get('shadowlab'))[:40]!r}, not {VERSION!r}")
    wrong = [
        name
        for name, kind in (("instance", str), ("stream", str), ("sequence", int), ("records", int))
        if type(value.get(name)) is not kind
    ]
    if wrong:
        raise BatchError(f"line 1: {', '.join(wrong)} missing or of the wrong type")
    head = Head(**{name: value[name] for name in ("instance", "stream", "sequence", "records")})
    if not is_stream(head.stream):
        raise BatchError(f"line 1: stream {head.stream[:40]!r} is not {_STREAM_DIGITS} hexadecimal digits")
    if not 1 <= head.sequence <= MOST_SEQUENCE:
        raise BatchError("line 1: the sequence number is out of range")
    if not 0 <= head.records <= MOST_RECORDS:
        raise TooLargeError(f"line 1: more than {MOST_RECORDS} records")
    return head


def is_stream(text: str) -> bool:
    """Whether this can name a stream."""
    return len(text) == _STREAM_DIGITS and not set(text) - set("0123456789abcdef")
