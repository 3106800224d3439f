"""Rows appended to a file of blocks, whole frames at a time.  Imported inside the guest: standard library only.

In: rows.  Out: a file (:mod:`~shadowlab.store.frame`) that only ever grows by whole frames.
Never: a row changed; half a frame left by a full disk.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress

from shadowlab.store.frame import encode_rows, encode_schema
from shadowlab.store.records import RecordType

ENDING = ".blocks"
MOST_ROWS = 1 << 16
"""In one block: what a reader unpacks at once."""


class Rows:
    """Rows on their way to a file."""

    def __init__(self, kind: RecordType) -> None:
        self.kind = kind
        self._pack = kind.packer.pack
        self._fixed = bytearray()
        self._strings: list[bytes] = []
        self._string_bytes = 0

    def append(self, *values: int | float | bytes) -> None:
        """One row, a value per column in order.  Raises struct.error for a value that its column has no room for."""
        if self.kind.has_bytes:
            *values, string = values  # type: ignore[assignment]
            self._fixed += self._pack(*values)
            self._strings.append(string)  # type: ignore[arg-type]
            self._string_bytes += len(string)  # type: ignore[arg-type]
        else:
            self._fixed += self._pack(*values)

    @property
    def held_bytes(self) -> int:
        """What waits to be written, before it is compressed."""
        return len(self._fixed) + self._string_bytes

    def take(self, number: int) -> list[bytes]:
        """What is held as frames, the first with this number; nothing is held afterwards."""
        step = MOST_ROWS * self.kind.packer.size
        frames = [
            encode_rows(
                self.kind,
                bytes(self._fixed[at : at + step]),
                self._strings[place * MOST_ROWS : (place + 1) * MOST_ROWS],
                number=number + place,
            )
            for place, at in enumerate(range(0, len(self._fixed), step))
        ]
        self._fixed.clear()
        self._strings.clear()
        self._string_bytes = 0
        return frames


class BlockFile:
    """A new file of blocks; what it holds can be read from the first frame on.  Raises OSError.

    It is created, never taken over, and begins with its schema, so that a reader finds a file without rows in order.
    """

    def __init__(self, path: str, kind: RecordType, names: Mapping[str, Sequence[str]] | None = None) -> None:
        self.rows = Rows(kind)
        self._path = path
        self._names = names or {}
        self._fd = -1
        self._number = 0
        self._end = 0

    def __enter__(self) -> BlockFile:
        self.open()
        return self

    def open(self) -> None:
        """Create the file, empty but for its schema."""
        self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            self.write([encode_schema(self.rows.kind, self._names)])
        except OSError:
            self.close()
            raise

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            self.flush()
        except OSError:
            if error is None:
                raise
        finally:
            self.close()

    def flush(self) -> None:
        """Write what the rows hold."""
        if self.rows.held_bytes:
            self.write(self.rows.take(self._number))

    def write(self, frames: Sequence[bytes]) -> None:
        """Append whole frames.  If that fails, what was written of the frame at hand is cut off again."""
        for frame in frames:
            left = memoryview(frame)
            try:
                while left:
                    left = left[os.write(self._fd, left) :]
            except OSError:
                with suppress(OSError):  # a reader leaves a torn tail out anyway
                    os.ftruncate(self._fd, self._end)
                raise
            self._end += len(frame)
            self._number += 1

    def close(self) -> None:
        """Without a flush."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
