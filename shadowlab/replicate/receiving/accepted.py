"""Which batches of an instance are stored.  Pure.

In: a stream and a number, or a journal's bytes.  Out: whether it is new; bytes to append to the journal.
Never: a batch that is new twice.

Of each stream a low mark is kept, below which all is known, and the numbers above it.  The sender says with each batch
which is the oldest that may still come: what lies below will not, and is counted as missing if it never came.

A journal entry is fixed in size and carries its own checksum.  It is written after the batch's records are on the disk:
what a segment holds beyond the last entry's end is of a batch that was never acknowledged.
"""

from __future__ import annotations

import struct
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

MOST_AHEAD = 4096
"""How far a number may be above the low mark: what is remembered of a stream is bounded by it."""
MOST_STREAMS = 4096
"""Streams remembered of an instance; the one longest unused is forgotten first.  An agent begins one per boot."""
Judgement = Literal["new", "known", "ahead"]
_ENTRY = struct.Struct("<QQQIQI")
ENTRY_BYTES = _ENTRY.size


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One batch was stored: where it ends in which segment."""

    stream: str
    sequence: int
    oldest: int
    segment: int
    end: int


@dataclass
class _Stream:
    low: int = 0
    above: set[int] = field(default_factory=set)


class Accepted:
    """What is known of one instance's streams."""

    def __init__(self) -> None:
        self._streams: OrderedDict[str, _Stream] = OrderedDict()
        self.missing = 0
        """Batches that senders gave up before they came."""

    def judge(self, stream: str, sequence: int, oldest: int) -> Judgement:
        """Whether a batch is to be stored.  Changes nothing."""
        known = self._streams.get(stream, _Stream())
        if sequence <= known.low or sequence in known.above:
            return "known"
        low = max(known.low, min(oldest, sequence) - 1)
        return "ahead" if sequence - low > MOST_AHEAD else "new"

    def note(self, stream: str, sequence: int, oldest: int) -> None:
        """It is stored."""
        if stream not in self._streams:
            while len(self._streams) >= MOST_STREAMS:
                self._streams.popitem(last=False)
        known = self._streams.setdefault(stream, _Stream())
        self._streams.move_to_end(stream)
        known.above.add(sequence)
        low = min(oldest, sequence) - 1
        if low > known.low:
            below = {one for one in known.above if one <= low}
            if known.low or below:  # not at the first sight of a stream that this receiver has lost
                self.missing += low - known.low - len(below)
            known.low = low
            known.above -= below
        while known.low + 1 in known.above:
            known.low += 1
            known.above.remove(known.low)

    def entries(self, segment: int, end: int) -> Iterator[Entry]:
        """The shortest journal that says the same."""
        for stream, known in self._streams.items():
            numbers = sorted(known.above)
            if known.low:
                numbers.insert(0, known.low)
            for number in numbers:
                yield Entry(stream=stream, sequence=number, oldest=known.low + 1, segment=segment, end=end)


def encode_entry(entry: Entry) -> bytes:
    """The bytes to append."""
    data = _ENTRY.pack(int(entry.stream, 16), entry.sequence, entry.oldest, entry.segment, entry.end, 0)
    return data[:-4] + zlib.crc32(data[:-4]).to_bytes(4, "little")


def read_journal(data: bytes) -> tuple[list[Entry], int]:
    """Its whole entries in order, and how many are damaged.  A tail that breaks off is none."""
    entries, damaged = [], 0
    for at in range(0, len(data) - ENTRY_BYTES + 1, ENTRY_BYTES):
        stream, sequence, oldest, segment, end, checksum = _ENTRY.unpack_from(data, at)
        if zlib.crc32(data[at : at + ENTRY_BYTES - 4]) != checksum:
            damaged += 1
            continue
        entries.append(Entry(stream=f"{stream:016x}", sequence=sequence, oldest=oldest, segment=segment, end=end))
    return entries, damaged
