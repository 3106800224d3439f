"""The state of a watch on the disk: one rename makes a cycle valid, and whatever else is there follows from it.

In: a folder, the state, a cycle.  Out: files (``docs/reference/watch-state.md``).
Never: a cycle that counts in part; a file that grows for ever; a file that is not the watch's touched.

Order of a commit: what the new state names, and the incidents it no longer holds; then ``state.json``; then what can be
made again from it.  Killed before the rename the cycle never was, behind it nothing is missing but copies.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from shadowlab.errors import Fault, InputError
from shadowlab.model.plain import to_plain
from shadowlab.model.watch.cycle import FORMAT as CYCLE_FORMAT
from shadowlab.model.watch.cycle import Cycle
from shadowlab.model.watch.incident import Incident
from shadowlab.model.watch.state import WatchState
from shadowlab.store.whole import write_whole

INCIDENT_FORMAT = "watch-incident/1"
STATE, LATEST, NOW, METRICS, MAP = "state.json", "latest.json", "now.json", "metrics.prom", "map.json"
CYCLES, INCIDENTS, SCRATCH = "cycles", "incidents", "scratch"
_CYCLE = re.compile(r"([0-9]{8,})\.json")
_INCIDENT = re.compile(r"([0-9]+)-[0-9]+-[a-z]+\.json")
_NAMED = re.compile(r"(?:calibration-[0-9]+\.json|baseline-[0-9]+\.jsonl)")


class Disk(Protocol):
    """The few things that are done to files, so that a test can kill between any two."""

    def write(self, path: Path, content: bytes) -> None:
        """Whole and synced, or not at all."""

    def remove(self, path: Path) -> None:
        """Nothing if it is not there."""

    def read(self, path: Path) -> bytes | None:
        """None if it is not there."""

    def names(self, folder: Path) -> dict[str, int]:
        """The plain files in a folder with their sizes; none if there is no folder."""

    def make(self, folder: Path) -> None:
        """The folder, and what leads to it."""


class RealDisk:
    """The machine's."""

    def write(self, path: Path, content: bytes) -> None:
        write_whole(path, content)

    def remove(self, path: Path) -> None:
        with suppress(FileNotFoundError):
            path.unlink()

    def read(self, path: Path) -> bytes | None:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None

    def names(self, folder: Path) -> dict[str, int]:
        found = {}
        with suppress(FileNotFoundError):
            for one in folder.iterdir():
                with suppress(FileNotFoundError):
                    if one.is_file() and not one.is_symlink():
                        found[one.name] = one.stat().st_size
        return found

    def make(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)


class StateFolder:
    """``keep_*``: what retention leaves."""

    def __init__(
        self, path: Path, *, keep_cycles: int, keep_incidents_ns: int, keep_bytes: int, disk: Disk | None = None
    ) -> None:
        self.path = path
        self._keep_cycles = keep_cycles
        self._keep_incidents_ns = keep_incidents_ns
        self._keep_bytes = keep_bytes
        self._disk = disk or RealDisk()
        self._resolved: dict[str, int] = {}
        """When each incident whose file is here was resolved."""

    # --- opening ----------------------------------------------------------------------------------------------------

    def open(self, name: str) -> WatchState:
        """The state that was left, or a fresh one; what a kill left of a cycle that never was is removed.

        Raises InputError for a state that cannot be read, or is another watch's."""
        for folder in (self.path, self.path / CYCLES, self.path / INCIDENTS, self.path / SCRATCH):
            self._disk.make(folder)
        text = self._disk.read(self.path / STATE)
        state = WatchState(name=name) if text is None else self._state(text, name)
        self._repair(state)
        return state

    def _state(self, text: bytes, name: str) -> WatchState:
        try:
            state = WatchState.from_json(text.decode())
        except ValueError as error:
            message = f"{error}; move it away to begin anew"
            raise InputError(Fault(place=str(self.path / STATE), message=message)) from error
        if state.name != name:
            message = f"is of the watch {state.name!r}, not {name!r}: name another `state` folder"
            raise InputError(Fault(place=str(self.path / STATE), message=message))
        return state

    def _repair(self, state: WatchState) -> None:
        cycles = self.path / CYCLES
        for name in self._disk.names(cycles):
            match = _CYCLE.fullmatch(name)
            if match is None or int(match[1]) > state.cycle:
                self._disk.remove(cycles / name)
        for name in sorted(self._disk.names(self.path / INCIDENTS)):
            match = _INCIDENT.fullmatch(name)
            if match is None or int(match[1]) > state.cycle:
                self._disk.remove(self.path / INCIDENTS / name)
                continue
            with suppress(ValueError):
                one = json.loads(self._disk.read(self.path / INCIDENTS / name) or b"{}")
                if isinstance(one, dict) and isinstance(one.get("resolved_ns"), int):
                    self._resolved[name] = one["resolved_ns"]
        self._remove_unnamed(state)
        self._copies(state)
        self._retain(0)

    # --- committing -------------------------------------------------------------------------------------------------

    def commit(
        self,
        state: WatchState,
        cycle: Cycle,
        *,
        closed: Sequence[Incident] = (),
        named: Mapping[str, bytes] | None = None,
        network: bytes = b"",
    ) -> None:
        """The cycle counts when this returns.  ``named``: new files that the state names; ``network``: a new map."""
        for name, content in (named or {}).items():
            self._disk.write(self.path / name, content)
        for one in closed:
            self._write_incident(one)
        self._disk.write(self._of_cycle(cycle.number), encode(CYCLE_FORMAT, cycle))
        self.write_state(state)
        if network:
            self._disk.write(self.path / MAP, network)
        self._remove_unnamed(state)
        self._copies(state)
        self._retain(cycle.ended_ns)

    def write_state(self, state: WatchState) -> None:
        """The one rename."""
        self._disk.write(self.path / STATE, state.to_json().encode())

    def read(self, name: str) -> bytes | None:
        """A file that the state names."""
        return self._disk.read(self.path / name)

    def write_metrics(self, text: str) -> None:
        """For the textfile collector."""
        self._disk.write(self.path / METRICS, text.encode())

    def tell_now(self, what: Mapping[str, object]) -> None:
        """What is being done: renamed into place, not synced."""
        beside = self.path / f".{NOW}.part"
        with suppress(OSError):
            beside.write_text(json.dumps(dict(what), ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
            beside.replace(self.path / NOW)

    def _copies(self, state: WatchState) -> None:
        for one in state.open_incidents:
            self._resolved.pop(f"{one.id}.json", None)
            self._write_incident(one)
        newest = self._disk.read(self._of_cycle(state.cycle)) if state.cycle else None
        if newest is not None:
            self._disk.write(self.path / LATEST, newest)

    def _of_cycle(self, number: int) -> Path:
        return self.path / CYCLES / f"{number:08d}.json"

    def _write_incident(self, one: Incident) -> None:
        self._disk.write(self.path / INCIDENTS / f"{one.id}.json", encode(INCIDENT_FORMAT, one))
        if one.resolved_ns is not None:
            self._resolved[f"{one.id}.json"] = one.resolved_ns

    def _remove_unnamed(self, state: WatchState) -> None:
        for name in self._disk.names(self.path):
            if _NAMED.fullmatch(name) and name not in (state.calibration, state.baseline):
                self._disk.remove(self.path / name)

    def _retain(self, now_ns: int) -> None:
        """``now_ns`` 0: by number and size alone."""
        for name, resolved_ns in list(self._resolved.items()):
            if now_ns - resolved_ns > self._keep_incidents_ns:
                self._remove_incident(name)
        cycles = self._disk.names(self.path / CYCLES)
        numbers = sorted(int(match[1]) for name in cycles if (match := _CYCLE.fullmatch(name)))
        sizes = sum(cycles.values()) + sum(self._disk.names(self.path / INCIDENTS).values())
        while len(numbers) > 1 and (len(numbers) > self._keep_cycles or sizes > self._keep_bytes):
            oldest = self._of_cycle(numbers.pop(0))
            sizes -= cycles.get(oldest.name, 0)
            self._disk.remove(oldest)
        if sizes > self._keep_bytes:
            held = self._disk.names(self.path / INCIDENTS)
            for name in sorted(self._resolved, key=lambda one: (self._resolved[one], one)):
                if sizes <= self._keep_bytes:
                    break
                sizes -= held.get(name, 0)
                self._remove_incident(name)

    def _remove_incident(self, name: str) -> None:
        self._disk.remove(self.path / INCIDENTS / name)
        self._resolved.pop(name, None)


def encode(form: str, value: object) -> bytes:
    """A document of the folder."""
    document = {"format": form, **to_plain(value)}
    return (json.dumps(document, ensure_ascii=False, sort_keys=True) + "\n").encode()
