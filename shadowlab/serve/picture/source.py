"""What every source can be asked, whatever kind of folder it is.

In: a folder.  Out: documents.  Never: an answer from an older state of the folder than its revision says.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any, Protocol, TypeVar

from shadowlab.errors import ShadowLabError
from shadowlab.serve.picture.shapes import (
    Cycles,
    ForecastAnswer,
    Incident,
    Incidents,
    Indicators,
    Map,
    Overview,
    Paths,
    Series,
    Source,
    Timeline,
)

MOST_KPIS = 8
MOST_POINTS = 2000
MOST_ENTRIES = 1000
_T = TypeVar("_T")


class UnknownError(ShadowLabError):
    """The source has no such path, indicator or incident."""


@dataclass(frozen=True, kw_only=True)
class SeriesWanted:
    """``kind`` and ``subject`` as in the indicators' tables; ``points`` at most."""

    kind: str
    subject: str
    kpis: tuple[str, ...]
    from_s: float | None = None
    to_s: float | None = None
    points: int = 600


class Shown(Protocol):
    """A run or a watch.  Called from several threads.  Raises ShadowLabError for a folder that cannot be read (any
    more), UnknownError for what is not in it."""

    @property
    def id(self) -> str: ...
    @property
    def folder(self) -> Path: ...

    def revision(self) -> str:
        """Changes when anything of the source did; costs a few looks at the disk."""

    def head(self) -> Source: ...
    def overview(self) -> Overview: ...
    def map(self) -> Map: ...
    def paths(self) -> Paths: ...
    def indicators(self) -> Indicators: ...
    def series(self, wanted: SeriesWanted) -> Series: ...
    def incidents(self) -> Incidents: ...
    def incident(self, name: str) -> Incident: ...
    def forecast(self) -> ForecastAnswer: ...
    def timeline(self, limit: int) -> Timeline: ...
    def cycles(self) -> Cycles: ...

    def question(self) -> Sequence[str] | None:
        """What ``shadowlab whatif`` is to be asked about, as its arguments; None if it cannot be asked."""

    def known_until_s(self) -> float | None:
        """Up to where the series of a source that goes on are known; None for others."""


class Kept:
    """What was worked out of a folder, as long as its revision stays."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._revision = ""
        self._values: dict[str, Any] = {}

    def get(self, revision: str, name: str, make: Callable[[], _T]) -> _T:
        """Made once per revision."""
        with self._lock:
            if revision != self._revision:
                self._revision, self._values = revision, {}
            if name not in self._values:
                self._values[name] = make()
            found: _T = self._values[name]
            return found


def revision_of(*files: Path) -> str:
    """A short text that is another one when a file changed, came or went."""
    digest = hashlib.blake2b(digest_size=9)
    for one in files:
        try:
            found = one.stat()
            digest.update(f"{one.name} {found.st_mtime_ns} {found.st_size} {found.st_ino};".encode())
        except OSError:
            digest.update(b"-;")
    return digest.hexdigest()


def updated_s(*files: Path) -> float:
    """When the newest of the files was written, in Unix time; 0 if none is there."""
    newest = 0.0
    for one in files:
        try:
            newest = max(newest, one.stat().st_mtime)
        except OSError:
            continue
    return newest


def plain_id(folder: Path, taken: Container[str]) -> str:
    """From the folder's name, safe in a URL, unlike any that is taken."""
    plain = re.sub(r"[^a-z0-9._-]+", "-", folder.resolve().name.lower()).strip("-._")[:60] or "source"
    name, number = plain, 2
    while name in taken:
        name, number = f"{plain}-{number}", number + 1
    return name
