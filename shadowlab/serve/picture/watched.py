"""The state folder of a watch as a source.

In: the folder.  Out: documents.  Never: a lock that a watch could stumble over; more than :data:`MOST_CYCLES` cycles.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from shadowlab.errors import Fault, InputError
from shadowlab.lab.watch.folder import CYCLES, INCIDENTS, LATEST, MAP, NOW, STATE
from shadowlab.lab.watch.recall import recall_incidents, recall_state
from shadowlab.model.network import Network
from shadowlab.model.plain import from_plain, without_format
from shadowlab.model.units import NS_PER_S
from shadowlab.model.watch.cycle import FORMAT as CYCLE_FORMAT
from shadowlab.model.watch.cycle import Cycle
from shadowlab.model.watch.incident import Incident as Found
from shadowlab.model.watch.incident import Severity
from shadowlab.model.watch.state import WatchState
from shadowlab.serve.picture import cycles, lived
from shadowlab.serve.picture.drawn import Place
from shadowlab.serve.picture.shapes import (
    Cycles,
    ForecastAnswer,
    Incident,
    Incidents,
    Indicators,
    Map,
    Now,
    Overview,
    Paths,
    Series,
    Source,
    Timeline,
)
from shadowlab.serve.picture.source import Kept, SeriesWanted, UnknownError, revision_of, updated_s

LOCK = "lock"
MOST_CYCLES = 500


class Watched:
    """A :class:`~shadowlab.serve.picture.source.Shown`.  ``question``: what `whatif` is asked about, if anything."""

    def __init__(self, name: str, folder: Path, place: Place, question: Sequence[str] | None = None) -> None:
        self._id, self._folder, self._place, self._question = name, folder, place, question
        self._kept, self._of_map = Kept(), Kept()
        self._read: dict[str, Cycle] = {}
        self._files = tuple(folder / one for one in (STATE, LATEST, NOW, MAP))

    @property
    def id(self) -> str:
        return self._id

    @property
    def folder(self) -> Path:
        return self._folder

    def revision(self) -> str:
        return revision_of(*self._files)

    def head(self) -> Source:
        state, incidents, latest = self._state(), self._incidents(), self._latest()
        still = [one for one in incidents if one.open]
        return Source(
            id=self._id,
            kind="watch",
            clock="unix",
            name=state.name,
            title=f"watch of {state.name}",
            state="watching" if is_held(self._folder / LOCK) else "stopped",
            headline=latest.headline if latest else "no cycle is over yet",
            verdict=latest.verdict if latest else "",
            holds=None if latest is None else not any(one.broken_levels for one in latest.paths),
            severity=_severity(latest, still),
            open_incidents=len(still),
            updated_s=updated_s(*self._files),
            revision=self.revision(),
            can_ask=self._question is not None,
            why_not_ask=""
            if self._question is not None
            else "a state folder does not say which telemetry is driven: serve the watch's file instead of its folder",
        )

    def overview(self) -> Overview:
        latest = self._latest()
        return Overview(
            **self.head().model_dump(),
            now=self._now(),
            **({} if latest is None else cycles.overview(latest, self._network(), len(self._cycles()))),
        )

    def map(self) -> Map:
        revision = self.revision()
        network = self._network()
        if network is None:
            return Map(name="", revision=revision, nodes=[], links=[], groups=[])
        points = self._of_map.get(revision_of(self._folder / MAP), "points", lambda: self._place(network))
        return self._kept.get(
            revision, "map", lambda: cycles.drawn(network, points, revision, self._latest(), self._incidents())
        )

    def paths(self) -> Paths:
        latest = self._latest()
        return self._kept.get(
            self.revision(),
            "paths",
            lambda: Paths(paths=[] if latest is None else cycles.rows(latest, self._network())),
        )

    def indicators(self) -> Indicators:
        return cycles.indicators(self._cycles())

    def series(self, wanted: SeriesWanted) -> Series:
        return cycles.series(self._cycles(), wanted, self._incidents())

    def incidents(self) -> Incidents:
        return Incidents(incidents=[lived.head(one) for one in lived.ordered(self._incidents())])

    def incident(self, name: str) -> Incident:
        found = next((one for one in self._incidents() if one.id == name), None)
        if found is None:
            raise UnknownError(f"{self._id} has no incident {name[:80]!r}")
        return lived.whole(found)

    def forecast(self) -> ForecastAnswer:
        return cycles.forecast(self._state(), self._cycles())

    def timeline(self, limit: int) -> Timeline:
        return Timeline(entries=lived.timeline(self._incidents())[-limit:])

    def cycles(self) -> Cycles:
        return Cycles(cycles=[cycles.head(one) for one in self._cycles()])

    def question(self) -> Sequence[str] | None:
        return self._question

    def known_until_s(self) -> float | None:
        return None

    # --- reading ----------------------------------------------------------------------------------------------------

    def _state(self) -> WatchState:
        return self._kept.get(self.revision(), "state", lambda: recall_state(self._folder))

    def _incidents(self) -> tuple[Found, ...]:
        revision = self.revision() + revision_of(self._folder / INCIDENTS)
        return self._kept.get(self.revision(), f"incidents {revision}", lambda: recall_incidents(self._folder))

    def _latest(self) -> Cycle | None:
        def read() -> Cycle | None:
            path = self._folder / LATEST
            return read_cycle(path) if path.exists() else None

        return self._kept.get(self.revision(), "latest", read)

    def _cycles(self) -> tuple[Cycle, ...]:
        """The newest, oldest first; a file that was read is not read again."""

        def read() -> tuple[Cycle, ...]:
            names = sorted(one.name for one in (self._folder / CYCLES).glob("*.json"))[-MOST_CYCLES:]
            last = self._state().cycle
            found = {}
            for name in names:
                try:
                    found[name] = self._read.get(name) or read_cycle(self._folder / CYCLES / name)
                except InputError:  # retention was faster
                    continue
            self._read = found
            return tuple(one for one in found.values() if one.number <= last)

        return self._kept.get(self.revision(), "cycles", read)

    def _network(self) -> Network | None:
        def read() -> Network | None:
            document = _document(self._folder / MAP)
            if document is None:
                return None
            try:
                network: Network = from_plain(Network, document["network"])
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                message = f"cannot be read as a map: {error}"
                raise InputError(Fault(place=str(self._folder / MAP), message=message)) from error
            return network

        return self._of_map.get(revision_of(self._folder / MAP), "network", read)

    def _now(self) -> Now | None:
        document = _document(self._folder / NOW)
        try:
            return (
                None
                if document is None
                else Now(
                    cycle=int(document["cycle"]),
                    stage=str(document["stage"]),
                    since_s=int(document["since_ns"]) / NS_PER_S,
                )
            )
        except (KeyError, TypeError, ValueError):
            return None


def _document(path: Path) -> Mapping[str, Any] | None:
    """None if it is not there, or no object."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def read_cycle(path: Path) -> Cycle:
    """Raises InputError for what is none; keys that this version does not know are passed over."""
    document = _document(path)
    try:
        told = without_format(document, CYCLE_FORMAT)
        known = {name: value for name, value in told.items() if name in Cycle.__dataclass_fields__}
        cycle: Cycle = from_plain(Cycle, known)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(Fault(place=str(path), message=f"cannot be read as a cycle: {error}")) from error
    return cycle


def is_held(path: Path) -> bool:
    """Whether a process holds the lock of a watch."""
    try:
        lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _severity(
    latest: Cycle | None, still: Sequence[Found]
) -> Literal["good", "info", "warning", "critical", "unknown"]:
    grades: tuple[Severity, ...] = ("critical", "warning", "info")
    for grade in grades:
        if any(one.severity == grade for one in still):
            return grade
    return "unknown" if latest is None or latest.status == "failed" else "good"
