"""The raw records of a run, written in few large pieces: a file of blocks per record type, and lines of JSON.

In: rows and lines.  Out: the files of :data:`shadowlab.store.records.RECORDS` and :mod:`shadowlab.monitor.layout`.
Never: a record decoded.  Imported inside the guest: standard library only.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping, Sequence

from shadowlab.errors import ShadowLabError
from shadowlab.monitor.layout import EVENTS_FILE, TRACE_FILE
from shadowlab.store.recorder import ENDING, BlockFile, Rows
from shadowlab.store.records import RECORDS

FLUSH_BYTES = 1 << 20
"""Of one record type, before they are compressed."""
FLUSH_EVERY_NS = 5_000_000_000
"""So much network time is lost at most when a run is killed."""

_LINES = (TRACE_FILE, EVENTS_FILE)


class RawFiles:
    """All raw files of one run folder.  Enter it to create them empty; leaving writes what is held.

    ``names`` are what the numbers in the records stand for: the run's ``path``, ``flow`` and ``interface`` list.
    """

    def __init__(self, folder: str, names: Mapping[str, Sequence[str]] | None = None) -> None:
        self._folder = folder
        self._blocks = {name: BlockFile(f"{folder}/{name}{ENDING}", kind, names) for name, kind in RECORDS.items()}
        self._open: dict[str, int] = {}
        self._held: dict[str, bytearray] = {name: bytearray() for name in _LINES}
        self._flushed_ns = 0

    def __enter__(self) -> RawFiles:
        try:
            for block in self._blocks.values():
                block.open()
            for name in _LINES:
                path = f"{self._folder}/{name}"
                self._open[name] = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        except OSError as error:
            self._close()
            raise self._told(error) from error
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            self.flush()
        except ShadowLabError:
            if error is None:
                raise
        finally:
            self._close()

    def rows(self, name: str) -> Rows:
        """Where the records of a type go: :meth:`~shadowlab.store.recorder.Rows.append`.  Raises KeyError."""
        return self._blocks[name].rows

    def record_trace(self, at_ns: int, path: str, hops: Sequence[str], flow: str = "") -> None:
        """The nodes a path leads through, from its source to where it ends, as the kernel routes it at ``at_ns``: its
        probes', or those of one ``flow`` of it."""
        fields: dict[str, object] = {"at_ns": at_ns, "path": path, "hops": list(hops)}
        self._line(TRACE_FILE, fields | ({"flow": flow} if flow else {}))

    def record_event(self, at_ns: int, reason: str, operation: str, outcome: Mapping[str, object]) -> None:
        """An operation of the timeline: when, why, its one-line description, and what came of it."""
        self._line(EVENTS_FILE, {"at_ns": at_ns, "reason": reason, "operation": operation, "outcome": dict(outcome)})

    def flush(self, at_least: int = 1) -> None:
        """Write every file that holds ``at_least`` bytes.  Raises ShadowLabError when the folder is full."""
        try:
            for block in self._blocks.values():
                if block.rows.held_bytes >= at_least:
                    block.flush()
            for name, held in self._held.items():
                if len(held) >= at_least:
                    self._write(name, held)
        except OSError as error:
            raise self._told(error) from error

    def flush_in_time(self, at_ns: int) -> None:
        """Write what has become much, and at every :data:`FLUSH_EVERY_NS` of network time whatever there is."""
        due = at_ns - self._flushed_ns >= FLUSH_EVERY_NS
        self.flush(1 if due else FLUSH_BYTES)
        if due:
            self._flushed_ns = at_ns

    def _line(self, name: str, fields: Mapping[str, object]) -> None:
        text = json.dumps(fields, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        self._held[name] += text.encode() + b"\n"

    def _write(self, name: str, held: bytearray) -> None:
        view = bytes(held)
        held.clear()
        while view:
            view = view[os.write(self._open[name], view) :]

    def _told(self, error: OSError) -> ShadowLabError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return ShadowLabError(
                f"no space left for the run folder {self._folder}: free some, or choose another --out"
            )
        return ShadowLabError(f"cannot write the raw records in {self._folder}: {error.strerror}")

    def _close(self) -> None:
        for block in self._blocks.values():
            block.close()
        for fd in self._open.values():
            os.close(fd)
        self._open.clear()
