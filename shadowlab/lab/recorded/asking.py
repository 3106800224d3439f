"""What can be asked, whatever holds the answers: a run's folder, or a receiver's segments.

In: a folder.  Out: an :class:`Asked`.  Never: an answer to a misspelt question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Protocol

from shadowlab.errors import InputError
from shadowlab.model.kpi import SeriesTable
from shadowlab.store.sheet import Sheet
from shadowlab.store.window import Window, matching


@dataclass(frozen=True, kw_only=True)
class Listed:
    """An indicator that there are values of."""

    name: str
    unit: str
    subject: str
    """The kind of its subjects."""


class Asked(Protocol):
    """Values over time of subjects of some kinds, and the records behind them."""

    @property
    def folder(self) -> Path: ...
    @property
    def kinds(self) -> tuple[str, ...]:
        """Of subjects."""

    @property
    def zero_ns(self) -> int:
        """The Unix time of the zero that moments count from; 0 if nobody knows it."""

    @property
    def goes_on(self) -> bool:
        """Whether a process writes into it now."""

    def listed(self) -> tuple[Listed, ...]:
        """Every indicator."""

    def subjects(self, kind: str) -> tuple[str, ...]:
        """Every subject of a kind."""

    def known_until_ns(self) -> int:
        """Up to where nothing will change any more."""

    def ask(self, names: Sequence[str], patterns: Sequence[str], window: Window) -> dict[str, SeriesTable]:
        """The indicators of a window by kind of subject."""

    def raw_types(self) -> tuple[str, ...]:
        """The record types that there are."""

    def raw(self, name: str, patterns: Sequence[str], from_ns: int | None, to_ns: int | None) -> tuple[Sheet, int]:
        """The records of a type with ``from_ns <= moment < to_ns``, and how many bytes of it are damaged."""


def open_asked(folder: Path) -> Asked:
    """What lies in a folder.  Raises InputError if that is nothing that can be asked."""
    from shadowlab.lab.recorded.folder import Recorded
    from shadowlab.lab.recorded.segments import Segments, holds_segments

    return Segments(folder) if holds_segments(folder) else Recorded(folder)


def check_names(folder: Path, names: Sequence[str], known: Sequence[str]) -> None:
    """Raises InputError for an indicator that there is none of."""
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            meant = f"did you mean {near[0]}? " if near else ""
            raise InputError(f"{folder} has no indicator {name!r}; {meant}'shadowlab query {folder} --list' shows them")


def chosen_of(folder: Path, subjects: Mapping[str, Sequence[str]], patterns: Sequence[str]) -> dict[str, list[int]]:
    """The numbers of the subjects of each kind that a pattern fits.  Raises InputError if none fits at all."""
    chosen = {kind: matching(some, patterns) for kind, some in subjects.items()}
    if patterns and not any(chosen.values()):
        raise InputError(
            f"no subject fits {' '.join(patterns)!r} among the {' and '.join(f'{kind}s' for kind in subjects)} "
            f"of {folder}; 'shadowlab query {folder} --list' shows them"
        )
    return chosen
