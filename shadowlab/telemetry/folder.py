"""A folder that a receiver writes, read as one stream: all segments of all instances.

In: a folder.  Out: the bytes of its ``*.jsonl`` files, one after the other, instance by instance, oldest segment first.
Never: a link followed out of the folder; more than one file open.
"""

from __future__ import annotations

import io
from pathlib import Path

from shadowlab.errors import Fault, InputError

_ENDING = ".jsonl"


def instance_folders(path: Path) -> tuple[tuple[Path, int], ...]:
    """Of a folder that a receiver writes the instances' folders with the bytes in their segments, by name; none for
    any other path."""
    if not path.is_dir() or any(path.glob("*" + _ENDING)):
        return ()
    found = []
    for place in sorted(one for one in path.iterdir() if one.is_dir() and not one.is_symlink()):
        sizes = [one.stat().st_size for one in place.glob("*" + _ENDING) if one.is_file() and not one.is_symlink()]
        if sum(sizes):
            found.append((place, sum(sizes)))
    return tuple(found)


class SegmentFolder(io.RawIOBase):
    """Reads like a file.  A segment's last line is whole or, while it is being written, cut: it then ends there."""

    def __init__(self, folder: Path) -> None:
        """Raises InputError for a folder that holds no segment."""
        self.segments = sorted(
            one
            for place in (folder, *(one for one in folder.iterdir() if one.is_dir() and not one.is_symlink()))
            for one in place.glob("*" + _ENDING)
            if one.is_file() and not one.is_symlink()
        )
        if not self.segments:
            message = "is a folder without segments (*.jsonl) of a receiver, itself or one level below"
            raise InputError(Fault(place=str(folder), message=message))
        self.size_bytes = sum(one.stat().st_size for one in self.segments)
        self._next = 0
        self._file: io.FileIO | None = None
        self._ends_line = True

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        """At most ``size`` bytes of one segment; empty at the end of the last."""
        while True:
            if self._file is None:
                if self._next == len(self.segments):
                    return b""
                self._next += 1
                try:
                    self._file = self.segments[self._next - 1].open("rb", buffering=0)
                except FileNotFoundError:  # its receiver keeps it no longer
                    continue
            data = self._file.read(size)
            if data:
                self._ends_line = data.endswith(b"\n")
                return data
            self._file.close()
            self._file = None
            if not self._ends_line:
                self._ends_line = True
                return b"\n"

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        super().close()
