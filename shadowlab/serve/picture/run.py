"""A run folder, finished or going on, as a source.

In: the folder.  Out: documents.  Never: a figure of a second of which more may be measured.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shadowlab.detect.registry import DETECTORS
from shadowlab.errors import InputError, ShadowLabError
from shadowlab.lab.recorded.cures import RESULT
from shadowlab.lab.recorded.folder import KPI_FOLDER, RAW_FOLDER, Recorded
from shadowlab.lab.recorded.watched import WATCHED_FILE, read_watched
from shadowlab.lab.scenario import load_scenario
from shadowlab.model.network import Network
from shadowlab.model.plain import from_plain, without_format
from shadowlab.model.result import FORMAT, RunResult
from shadowlab.model.units import NS_PER_S
from shadowlab.serve.picture import judged, wires
from shadowlab.serve.picture.drawn import Place, drawn_map
from shadowlab.serve.picture.series import indicators_of, series_of
from shadowlab.serve.picture.shapes import (
    Counts,
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
from shadowlab.serve.picture.source import Kept, SeriesWanted, UnknownError, revision_of, updated_s
from shadowlab.serve.picture.verdicts import standing_of
from shadowlab.store.folder import MARK, is_being_written
from shadowlab.store.window import Window

MANIFEST = "manifest.json"


class Run:
    """A :class:`~shadowlab.serve.picture.source.Shown`."""

    def __init__(self, name: str, folder: Path, place: Place) -> None:
        self._id, self._folder, self._place = name, folder, place
        self._kept = Kept()
        raw = folder / RAW_FOLDER
        self._files = (
            folder / RESULT,
            folder / WATCHED_FILE,
            folder / MARK,
            folder / KPI_FOLDER / "paths.blocks",
            *(raw / f"{one}.blocks" for one in ("probes", "tcp", "queues", "lateness")),
            raw / "trace.jsonl",
        )

    @property
    def id(self) -> str:
        return self._id

    @property
    def folder(self) -> Path:
        return self._folder

    def revision(self) -> str:
        return revision_of(*self._files)

    def head(self) -> Source:
        state = self._state()
        result = self._result() if state == "finished" else None
        manifest = self._manifest()
        question = self.question()
        common = {
            "id": self._id,
            "kind": "run",
            "clock": "run",
            "state": state,
            "updated_s": updated_s(*self._files),
            "revision": self.revision(),
            "can_ask": question is not None,
            "why_not_ask": "" if question is not None else _why_not(manifest),
        }
        if result is None:
            return Source(
                **common,
                name=self._folder.resolve().name,
                title="a run that goes on" if state == "going on" else "a run that did not end",
                headline="what was measured so far; it is judged when the run is over"
                if state == "going on"
                else "it did not end: what was measured until then",
                verdict="",
                holds=None,
                severity="unknown",
                open_incidents=0,
            )
        return Source(
            **common,
            name=result.scenario,
            title=result.title,
            headline=result.headline,
            verdict=result.correlation.verdict,
            holds=result.holds,
            severity=judged.severity(result),
            open_incidents=len(judged.incidents(result)),
        )

    def overview(self) -> Overview:
        result = self._result() if self._state() == "finished" else None
        head = self.head().model_dump()
        if result is None:
            return Overview(**head, from_s=0.0, to_s=self._until_ns() / NS_PER_S, counts=self._counts())
        return Overview(**head, **judged.overview(result, self._promised()))

    def map(self) -> Map:
        revision = self.revision()
        return self._kept.get(revision, "map", lambda: self._map(revision))

    def paths(self) -> Paths:
        if self._state() != "finished":
            return Paths(paths=wires.rows(read_watched(self._folder / WATCHED_FILE)))
        return self._kept.get(
            self.revision(), "paths", lambda: Paths(paths=judged.rows(self._result(), self._promised()))
        )

    def indicators(self) -> Indicators:
        return indicators_of(self._recorded())

    def series(self, wanted: SeriesWanted) -> Series:
        result = self._result() if self._state() == "finished" else None
        return series_of(self._recorded(), wanted, result, self._promised() if result else {})

    def incidents(self) -> Incidents:
        return Incidents(incidents=judged.incidents(self._result()) if self._state() == "finished" else [])

    def incident(self, name: str) -> Incident:
        found = judged.incident(self._result()) if self._state() == "finished" else None
        if found is None or found.id != name:
            raise UnknownError(f"{self._id} has no incident {name[:80]!r}")
        return found

    def forecast(self) -> ForecastAnswer:
        return ForecastAnswer(
            forecast=None, why="a run shows one demand; `shadowlab forecast` asks telemetry, and a watch does so itself"
        )

    def timeline(self, limit: int) -> Timeline:
        entries = judged.timeline(self._result()) if self._state() == "finished" else wires.events(self._folder)
        return Timeline(entries=entries[-limit:])

    def cycles(self) -> Cycles:
        return Cycles(cycles=[])

    def question(self) -> Sequence[str] | None:
        manifest = self._manifest()
        return None if _why_not(manifest) else (str(self._folder.resolve()),)

    def known_until_s(self) -> float | None:
        return self._until_ns() / NS_PER_S if self._state() == "going on" else None

    # --- reading ----------------------------------------------------------------------------------------------------

    def _state(self) -> Any:
        if is_being_written(self._folder):
            return "going on"
        if (self._folder / RESULT).exists() and not (self._folder / MARK).exists():
            return "finished"
        return "unfinished"

    def _result(self) -> RunResult:
        return self._kept.get(self.revision(), "result", lambda: read_result(self._folder / RESULT))

    def _manifest(self) -> dict[str, Any]:
        try:
            found = json.loads((self._folder / MANIFEST).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _promised(self) -> dict[str, str]:
        """The indicator of each level.  The result does not name it; the scenario does, if it is still as it was."""

        def read() -> dict[str, str]:
            limits = {one.level: one.limit for one in self._result().levels_after}
            try:
                scenario = load_scenario(Path(str(self._manifest()["scenario"])), known_detectors=frozenset(DETECTORS))
            except (ShadowLabError, KeyError, OSError):
                return {}
            return {one.name: one.kpi for one in scenario.levels if limits.get(one.name) == one.limit}

        return self._kept.get(self.revision(), "promised", read)

    def _recorded(self) -> Recorded:
        return Recorded(self._folder)

    def _until_ns(self) -> int:
        try:
            return self._recorded().known_until_ns()
        except ShadowLabError:  # it has just begun
            return 0

    def _network(self) -> Network:
        if self._state() == "finished":
            return self._result().network
        return wires.network(read_watched(self._folder / WATCHED_FILE))

    def _counts(self) -> Counts:
        watched = read_watched(self._folder / WATCHED_FILE)
        network = self._network()
        return Counts(
            nodes=len(network.nodes), links=len(network.links), paths=len(watched.paths), flows=len(watched.flows)
        )

    def _map(self, revision: str) -> Map:
        network = self._network()
        points = self._place(network)
        if self._state() != "finished":
            return drawn_map(
                network,
                points,
                revision=revision,
                figures={},
                standing={},
                affected={},
                suspect_links=(),
                lines_known=False,
            )
        result = self._result()
        domains = [result.fault_domain] if result.fault_domain is not None else []
        return drawn_map(
            network,
            points,
            revision=revision,
            figures=judged.link_figures(result, self._queueing(result)),
            standing=standing_of(domains) | {one.path: "full" for one in result.full_links},
            affected=judged.affected_ways(result),
            suspect_links=[link for one in domains for link in one.links],
        )

    def _queueing(self, result: RunResult) -> dict[str, float]:
        """Milliseconds by direction: the mean after the last event."""
        try:
            recorded = self._recorded()
            if "link" not in recorded.kinds:
                return {}
            table = recorded.ask(["link_backlog_ms"], [], Window(from_ns=judged.after_ns(result)))["link"]
        except (ShadowLabError, KeyError):
            return {}
        return wires.means(table, "link_backlog_ms")


def read_result(path: Path) -> RunResult:
    """Raises InputError for what is none, or one that this version does not know."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        result: RunResult = from_plain(RunResult, without_format(document, FORMAT))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} cannot be read as the result of a run: {error}") from error
    return result


def _why_not(manifest: dict[str, Any]) -> str:
    """Why nothing can be asked about the run; empty if something can."""
    scenario = manifest.get("scenario")
    if not isinstance(scenario, str):
        return "the run is not over"
    return "" if Path(scenario).is_file() else f"its scenario {scenario} is not there any more"
