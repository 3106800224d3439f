"""All sources that are served.

In: the folders that were named: runs, state folders of watches, or folders that hold such.  Out: sources by id.
Never: a folder outside of those that were named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import RLock

from shadowlab.errors import InputError, ShadowLabError
from shadowlab.lab.recorded.cures import RESULT
from shadowlab.lab.recorded.watched import WATCHED_FILE
from shadowlab.lab.watch.folder import STATE
from shadowlab.serve.picture.drawn import Place
from shadowlab.serve.picture.run import Run
from shadowlab.serve.picture.shapes import Source
from shadowlab.serve.picture.source import Shown, plain_id, updated_s
from shadowlab.serve.picture.watched import Watched

MOST_SOURCES = 100


class Library:
    """``questions``: what `whatif` is asked about a state folder, by folder."""

    def __init__(
        self, named: Sequence[Path], place: Place, questions: Mapping[Path, Sequence[str]] | None = None
    ) -> None:
        self._named, self._place, self._questions = tuple(named), place, questions or {}
        self._lock = RLock()
        self._ids: dict[Path, str] = {}
        self._sources: dict[str, Shown] = {}

    def scan(self) -> None:
        """Look for new folders, and for those that are gone."""
        folders = [folder for one in self._named for folder in self._within(one)][:MOST_SOURCES]
        with self._lock:
            for folder in folders:
                if folder not in self._ids:
                    self._ids[folder] = plain_id(folder, set(self._ids.values()))
            wanted = {self._ids[folder]: folder for folder in folders}
            self._sources = {
                name: self._sources.get(name) or self._open(name, folder) for name, folder in wanted.items()
            }

    def sources(self) -> list[Shown]:
        """Those that are named first come first; within a folder the newest."""
        with self._lock:
            return list(self._sources.values())

    def get(self, name: str) -> Shown | None:
        """None for an unknown one."""
        with self._lock:
            return self._sources.get(name)

    def head(self, one: Shown) -> Source:
        """Its head, or one that says why it cannot be read."""
        try:
            return one.head()
        except ShadowLabError as error:
            return Source(
                id=one.id,
                kind="watch" if isinstance(one, Watched) else "run",
                name=one.folder.name,
                title=one.folder.name,
                clock="unix" if isinstance(one, Watched) else "run",
                state="unreadable",
                headline=str(error)[:500],
                verdict="",
                holds=None,
                severity="unknown",
                open_incidents=0,
                updated_s=updated_s(one.folder),
                revision=one.revision(),
                can_ask=False,
                why_not_ask="it cannot be read",
            )

    def check(self) -> None:
        """Raises InputError for a named folder that is nothing to be shown; an empty one may become one."""
        for one in self._named:
            if not one.is_dir():
                raise InputError(
                    f"{one} is no folder: name one of a run, the state folder of a watch, or where such are"
                )
            if not kind_of(one) and not self._within(one) and any(one.iterdir()):
                raise InputError(
                    f"{one} is neither the folder of a run ({RESULT}, {WATCHED_FILE}) nor of a watch ({STATE}), "
                    "and holds none"
                )

    def _within(self, folder: Path) -> list[Path]:
        if kind_of(folder):
            return [folder]
        try:
            found = [one for one in folder.iterdir() if one.is_dir() and not one.is_symlink() and kind_of(one)]
        except OSError:
            return []
        return sorted(found, key=lambda one: (-updated_s(one / RESULT, one / STATE, one / WATCHED_FILE), one.name))

    def _open(self, name: str, folder: Path) -> Shown:
        if kind_of(folder) == "watch":
            return Watched(name, folder, self._place, self._questions.get(folder))
        return Run(name, folder, self._place)


def kind_of(folder: Path) -> str:
    """``run``, ``watch``, or empty."""
    if (folder / STATE).is_file():
        return "watch"
    return "run" if (folder / RESULT).is_file() or (folder / WATCHED_FILE).is_file() else ""
