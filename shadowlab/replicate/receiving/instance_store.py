"""One instance's folder: append-only segments of JSON lines, and the journal of what is in them.

In: checked batches.  Out: whether each was new; after it returns the batch is on the disk, whole and once.
Never: half a batch that anybody takes for one; a segment changed before the last acknowledged byte.

Order of a batch: records to the segment, fsync, entry to the journal, fsync.  Whatever ends the process in between, the
next opening cuts off what no journal entry covers, and the sender, which got no answer, sends it again.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from shadowlab.model.telemetry import TcpRecord
from shadowlab.replicate.receiving.accepted import (
    ENTRY_BYTES,
    Accepted,
    Entry,
    Judgement,
    encode_entry,
    read_journal,
)
from shadowlab.telemetry.sources.jsonl import header_line, line_of

SEGMENT_BYTES = 64 << 20
JOURNAL = "journal"
_LONGEST_JOURNAL = 1 << 20
_ENDING = ".jsonl"
_HEADER = header_line().encode() + b"\n"


class InstanceStore:
    """Open on first use; not for two threads at once."""

    def __init__(self, folder: Path, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._accepted = Accepted()
        self._segment = 1
        self._end = 0
        self._data = self._journal = -1
        self._journal_bytes = 0
        self._open = False
        self.damaged = 0
        """Journal entries that cannot be read."""
        self.cut_bytes = 0
        """Cut off at the last opening: of batches that were never acknowledged."""

    @property
    def missing(self) -> int:
        """Batches that the sender gave up before they came."""
        return self._accepted.missing

    def judge(self, stream: str, sequence: int, oldest: int) -> Judgement:
        """Whether the batch is to be stored.  Raises OSError."""
        self._ready()
        return self._accepted.judge(stream, sequence, oldest)

    def store(self, stream: str, sequence: int, oldest: int, records: Sequence[TcpRecord]) -> None:
        """Store a new batch.  Raises OSError: then nothing of it counts, and it may be sent again."""
        self._ready()
        text = "".join(line_of(record) + "\n" for record in records).encode()
        try:
            if self._end and self._end + len(text) > self._segment_bytes:
                self._next_segment()
            if not self._end:
                text = _HEADER + text
            _write_all(self._data, text, self._end)
            os.fsync(self._data)
            end = self._end + len(text)
            entry = Entry(stream=stream, sequence=sequence, oldest=oldest, segment=self._segment, end=end)
            _write_all(self._journal, encode_entry(entry), self._journal_bytes)
            os.fsync(self._journal)
        except OSError:
            # Undone by opening anew, which trusts only what the journal covers.  The entry itself may be on the disk
            # although its fsync failed: then the batch is stored, and will be known when it comes again.
            self.close()
            raise
        self._end = end
        self._journal_bytes += ENTRY_BYTES
        self._accepted.note(stream, sequence, oldest)

    def close(self) -> None:
        """Give the files back."""
        for one in (self._data, self._journal):
            if one >= 0:
                os.close(one)
        self._data = self._journal = -1
        self._open = False

    def _ready(self) -> None:
        if not self._open:
            try:
                self._recover()
            except OSError:
                self.close()
                raise
            self._open = True

    def _recover(self) -> None:
        self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        journal = self._folder / JOURNAL
        self._journal = os.open(journal, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        entries, self.damaged = read_journal(journal.read_bytes())
        self._accepted = Accepted()
        ends: dict[int, int] = {}
        for entry in entries:
            self._accepted.note(entry.stream, entry.sequence, entry.oldest)
            ends[entry.segment] = max(ends.get(entry.segment, 0), entry.end)
        self._accepted.missing = 0
        there = [int(one.stem) for one in self._folder.glob("*" + _ENDING) if one.stem.isdecimal()]
        self._segment = max([1, *ends, *there])
        self._end = ends.get(self._segment, 0)
        if self.damaged and self._segment not in ends and there:
            self._segment, self._end = self._segment + 1, 0  # what covers the newest segment cannot be told: leave it
        self._journal_bytes = os.fstat(self._journal).st_size // ENTRY_BYTES * ENTRY_BYTES
        os.ftruncate(self._journal, self._journal_bytes)
        if self._journal_bytes > _LONGEST_JOURNAL:
            self._shorten(journal)
        self._open_segment()

    def _open_segment(self) -> None:
        if self._data >= 0:
            os.close(self._data)
            self._data = -1
        path = self._folder / f"{self._segment:06d}{_ENDING}"
        self._data = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
        size = os.fstat(self._data).st_size
        if size < self._end:  # somebody cut it: what is there stays, and nothing is put behind a hole
            self._segment, self._end = self._segment + 1, 0
            self._open_segment()
            return
        self.cut_bytes = size - self._end
        os.ftruncate(self._data, self._end)
        self._sync_folder()

    def _next_segment(self) -> None:
        self._segment, self._end = self._segment + 1, 0
        self._open_segment()

    def _shorten(self, journal: Path) -> None:
        beside = journal.with_name(JOURNAL + ".new")
        try:
            shorter = b"".join(map(encode_entry, self._accepted.entries(self._segment, self._end)))
            opened = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
            try:
                _write_all(opened, shorter, 0)
                os.fsync(opened)
                os.replace(beside, journal)
            except OSError:
                os.close(opened)
                raise
        except OSError:  # the long one does as well
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)
            return
        os.close(self._journal)
        self._journal, self._journal_bytes = opened, len(shorter)

    def _sync_folder(self) -> None:
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _write_all(file: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(file, view, at)
        at += written
        view = view[written:]
