"""The raw files of a run, written in few large pieces.

In: records.  Out: the files of :mod:`shadowlab.monitor.layout`.  Never: a record decoded.
Imported inside the guest: standard library only.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping, Sequence

from shadowlab.errors import ShadowLabError
from shadowlab.monitor.layout import EVENTS_FILE, PROBES_FILE, QUEUES_FILE, TCP_FILE, TRACE_FILE

FLUSH_BYTES = 1 << 20

_NAMES = (PROBES_FILE, TCP_FILE, QUEUES_FILE, TRACE_FILE, EVENTS_FILE)


class RawFiles:
    """All raw files of one run folder.  Enter it to create them empty; leaving writes what is held."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._open: dict[str, int] = {}
        self._held: dict[str, bytearray] = {name: bytearray() for name in _NAMES}
        self.probes = self._held[PROBES_FILE]
        """Append records here; :meth:`flush` empties it."""
        self.tcp = self._held[TCP_FILE]
        self.queues = self._held[QUEUES_FILE]

    def __enter__(self) -> RawFiles:
        try:
            for name in _NAMES:
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
        for name, held in self._held.items():
            if len(held) >= at_least:
                self._write(name, held)

    def _line(self, name: str, fields: Mapping[str, object]) -> None:
        text = json.dumps(fields, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        self._held[name] += text.encode() + b"\n"

    def _write(self, name: str, held: bytearray) -> None:
        view = bytes(held)
        held.clear()
        try:
            while view:
                view = view[os.write(self._open[name], view) :]
        except OSError as error:
            raise self._told(error) from error

    def _told(self, error: OSError) -> ShadowLabError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return ShadowLabError(
                f"no space left for the run folder {self._folder}: free some, or choose another --out"
            )
        return ShadowLabError(f"cannot write the raw records in {self._folder}: {error.strerror}")

    def _close(self) -> None:
        for fd in self._open.values():
            os.close(fd)
        self._open.clear()
