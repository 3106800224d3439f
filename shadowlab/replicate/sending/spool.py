"""The spool: batches on the disk until the receiver has acknowledged them.

In: packed batches.  Out: the oldest that waits.  Never: more bytes than its bound (the oldest segment goes first, and
is counted); a batch handed out that is not whole on the disk.

A folder of append-only segments, named by the number of the first batch they were opened for, a file ``stream`` and a
lock.  A process that dies loses nothing that was appended.  A machine that dies may lose what the kernel had not
written yet, and with it the count: so after another boot, or when no segment is left, a new stream begins.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from shadowlab.errors import CannotRunError, InputError
from shadowlab.replicate.batch import is_stream
from shadowlab.replicate.sending.frames import Frame, decode_frame, encode_frame, frames_of

_ENDING = ".spool"
_SEGMENTS_WITHIN_BOUND = 8
_LARGEST_SEGMENT = 4 << 20
MOST_WAITING = 100_000
"""Batches that wait at most: where each lies is kept in memory."""


@dataclass(frozen=True, slots=True)
class _Place:
    stream: str
    sequence: int
    segment: Path
    offset: int
    size: int


class Spool:
    """One agent's spool; opened by ``with``.  Raises CannotRunError if the folder cannot be used."""

    def __init__(self, folder: Path, *, most_bytes: int, boot: bytes, new_stream: str) -> None:
        """``new_stream`` names the stream to begin, should one have to."""
        self._folder = folder
        self._most_bytes = most_bytes
        self._segment_bytes = min(_LARGEST_SEGMENT, max(1, most_bytes // _SEGMENTS_WITHIN_BOUND))
        self._boot = boot
        self.stream = new_stream
        self.next_sequence = 1
        self.dropped = 0
        """Batches that went unsent because the spool was full."""
        self._lock = -1
        self._file = -1
        self._waiting: deque[_Place] = deque()
        self._sizes: dict[Path, int] = {}
        self._active = Path()

    def __enter__(self) -> Spool:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._read()
            self._begin_segment()
        except BlockingIOError as error:
            self.__exit__()
            raise InputError(f"another agent uses the spool {self._folder}; give each its own with --spool") from error
        except OSError as error:
            self.__exit__()
            raise CannotRunError(f"the spool {self._folder} cannot be used: {error.strerror}") from error
        return self

    def __exit__(self, *_: object) -> None:
        for one in (self._file, self._lock):
            if one >= 0:
                os.close(one)
        self._file = self._lock = -1

    def __len__(self) -> int:
        """Batches that wait."""
        return len(self._waiting)

    @property
    def size_bytes(self) -> int:
        """What the segments take on the disk."""
        return sum(self._sizes.values())

    def append(self, frame: Frame) -> None:
        """Put a batch at the end; its stream and sequence number are ours.

        Raises OSError if it cannot be written: then nothing of it is left, and the number is free."""
        data = encode_frame(frame)
        if self._sizes[self._active] and self._sizes[self._active] + len(data) > self._segment_bytes:
            self._begin_segment()
        offset = self._sizes[self._active]
        try:
            _write_all(self._file, data)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, offset)
            # Should that fail as well, what is left is no whole frame; it is stepped over.
            self._sizes[self._active] = os.fstat(self._file).st_size
            raise
        self._sizes[self._active] += len(data)
        self._waiting.append(_Place(frame.stream, frame.sequence, self._active, offset, len(data)))
        self.next_sequence += 1
        while len(self._sizes) > 1 and (self.size_bytes > self._most_bytes or len(self._waiting) > MOST_WAITING):
            self._drop_oldest_segment()

    def oldest(self) -> tuple[Frame, int] | None:
        """The batch that waits longest, and the least number of its stream that may still come."""
        while self._waiting:
            place = self._waiting[0]
            try:
                with place.segment.open("rb") as file:
                    file.seek(place.offset)
                    frame = decode_frame(file.read(place.size))
            except OSError:
                frame = None
            if frame is not None:
                return frame, frame.sequence
            self._waiting.popleft()  # somebody removed or damaged it under us
            self.dropped += 1
        return None

    def acknowledge(self, frame: Frame) -> None:
        """The batch is stored at the receiver, or will never be taken: forget it."""
        if self._waiting and (self._waiting[0].stream, self._waiting[0].sequence) == (frame.stream, frame.sequence):
            self._waiting.popleft()
        waiting_in = self._waiting[0].segment if self._waiting else None
        if waiting_in is None and self._sizes[self._active]:
            with contextlib.suppress(OSError):  # no room for an empty file: the next time
                self._begin_segment()
        for segment in list(self._sizes):
            if segment in (waiting_in, self._active):
                break
            self._remove(segment)

    def _read(self) -> None:
        segments = sorted(self._folder.glob("*" + _ENDING))
        last = 0
        stream, boot = self._read_stream()
        for segment in segments:
            data = segment.read_bytes()
            self._sizes[segment] = len(data)
            last = max(last, _first_of(segment) - 1)
            for offset, size, frame in frames_of(data):
                self._waiting.append(_Place(frame.stream, frame.sequence, segment, offset, size))
                if frame.stream == stream:
                    last = max(last, frame.sequence)
        if segments and stream and boot == self._boot and any(self._boot):
            self.stream, self.next_sequence = stream, last + 1
        else:
            # Numbers go on, so that the names of segments stay in order; the stream is another one.
            self.next_sequence = last + 1
            self._write_stream()

    def _read_stream(self) -> tuple[str, bytes]:
        try:
            stream, _, boot = (self._folder / "stream").read_text("ascii").strip().partition(" ")
            return (stream, bytes.fromhex(boot)) if is_stream(stream) else ("", b"")
        except (OSError, ValueError):
            return "", b""

    def _write_stream(self) -> None:
        beside = self._folder / "stream.new"
        beside.write_text(f"{self.stream} {self._boot.hex()}\n", "ascii")
        beside.replace(self._folder / "stream")

    def _begin_segment(self) -> None:
        segment = self._folder / f"{self.next_sequence:020d}{_ENDING}"
        opened = os.open(segment, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if self._file >= 0:
            os.close(self._file)
        self._file, self._active = opened, segment
        self._sizes.setdefault(segment, os.fstat(opened).st_size)

    def _drop_oldest_segment(self) -> None:
        segment = next(iter(self._sizes))
        while self._waiting and self._waiting[0].segment == segment:
            self._waiting.popleft()
            self.dropped += 1
        self._remove(segment)

    def _remove(self, segment: Path) -> None:
        with contextlib.suppress(FileNotFoundError):
            segment.unlink()
        del self._sizes[segment]


def _first_of(segment: Path) -> int:
    text = segment.name.removesuffix(_ENDING)
    return int(text) if text.isdecimal() and text.isascii() else 0


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        written = os.write(file, view)
        if written == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        view = view[written:]
