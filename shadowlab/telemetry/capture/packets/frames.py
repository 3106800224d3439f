"""Frames of a capture, many at a time: columns over one piece of the file's octets.

In: blocks of octets.  Out: :class:`Frames`, and :class:`Pieces`, which gathers the blocks to pieces of bounded size.
Never: more than one piece, and what was left over of the one before, in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PIECE_BYTES = 4 << 20
"""Octets looked at in one go: few enough for a piece's columns to stay in the processor's caches, enough for the cost
of a numpy call not to matter (1 to 8 MB were equally fast, 16 MB took a quarter longer)."""
LONGEST_FRAME = 1 << 18
"""Captures of longer frames are taken for damaged, as libpcap does (MAXIMUM_SNAPLEN, 262144)."""
MOST_FRAMES = 1 << 18
"""Frames of one :class:`Frames`; bounds the arrays made from it, whatever the frames' size."""
PADDING = 64
"""Octets after the last frame that may be read (they are zero), so that a look at a header needs no bounds check."""

Column = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Frames:
    """Columns of equal length: frame i is ``octets[start[i] : start[i] + captured[i]]``.

    ``octets`` has :data:`PADDING` zeros at its end.  ``wire`` is the length before the frame was cut to ``captured``.
    ``at_ns`` is Unix time.  ``link_type`` is the number of the LINKTYPE registry.  ``number`` is the first frame's
    place in the file, from 1.
    """

    octets: NDArray[np.uint8]
    start: Column
    captured: Column
    wire: Column
    at_ns: Column
    link_type: Column
    number: int

    def first(self, count: int) -> Frames:
        """The first ``count`` of them."""
        return Frames(
            octets=self.octets,
            start=self.start[:count],
            captured=self.captured[:count],
            wire=self.wire[:count],
            at_ns=self.at_ns[:count],
            link_type=self.link_type[:count],
            number=self.number,
        )


class Pieces:
    """A stream, piece by piece: ``octets[at:]`` is what has not been used yet, ``base`` the offset of ``octets[0]``."""

    def __init__(self, blocks: Iterator[bytes], piece_bytes: int = PIECE_BYTES) -> None:
        self._blocks = blocks
        self._piece_bytes = piece_bytes
        self.octets = b""
        self.at = 0
        self.base = 0
        self._padded: NDArray[np.uint8] | None = None

    @property
    def offset(self) -> int:
        """Where the unused part begins, in the stream."""
        return self.base + self.at

    @property
    def left(self) -> int:
        """Octets at hand."""
        return len(self.octets) - self.at

    def more(self) -> bool:
        """Drop what was used, read a further piece behind the rest; False at the end of the stream."""
        gathered, size = [self.octets[self.at :]], 0
        while size < self._piece_bytes and (block := next(self._blocks, b"")):
            gathered.append(block)
            size += len(block)
        if not size:
            return False
        self.octets = b"".join(gathered)
        self.base += self.at
        self.at = 0
        self._padded = None
        return True

    def need(self, count: int) -> bool:
        """Read until ``count`` octets are at hand; False if the stream ends before."""
        while self.left < count:
            if not self.more():
                return False
        return True

    def skip(self, count: int) -> bool:
        """Pass over ``count`` octets without keeping them; False if the stream ends before."""
        while count > self.left:
            count -= self.left
            self.at = len(self.octets)
            if not self.more():
                return False
        self.at += count
        return True

    def padded(self) -> NDArray[np.uint8]:
        """All octets at hand, and the padding."""
        if self._padded is None:
            self._padded = np.frombuffer(self.octets + bytes(PADDING), np.uint8)
        return self._padded


def joined(parts: list[Frames]) -> Frames:
    """Frames over the same octets, one behind the other."""
    if len(parts) == 1:
        return parts[0]

    def column(name: str) -> Column:
        return np.concatenate([getattr(part, name) for part in parts])

    return Frames(
        octets=parts[0].octets,
        start=column("start"),
        captured=column("captured"),
        wire=column("wire"),
        at_ns=column("at_ns"),
        link_type=column("link_type"),
        number=parts[0].number,
    )


def word_view(octets: NDArray[np.uint8], kind: str) -> NDArray[Any]:
    """Words of numpy type ``kind`` (``>u2``, ``<u4``…) beginning at *every* octet: ``word_view(o, ">u4")[i]`` is at i.

    The words overlap and are unaligned; only reading by index makes sense.
    """
    size = np.dtype(kind).itemsize
    return np.ndarray(shape=(max(len(octets) - size + 1, 0),), dtype=kind, buffer=octets.data, strides=(1,))
