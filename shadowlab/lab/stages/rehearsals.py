"""Cures, each executed in a shadow of the incident.

In: what was prepared, the fault domain.  Out: the candidates' outcomes, ranked.  Never: a choice of what to try.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from pathlib import Path

import numpy as np

from shadowlab.errors import ShadowFailedError
from shadowlab.lab.analyse import WINDOW_NS, Measured
from shadowlab.lab.changes import State
from shadowlab.lab.execute import Done, Place, Work, execute
from shadowlab.lab.interrupt import Interrupt, check
from shadowlab.lab.prepare import ROLL_BACK, Prepared
from shadowlab.lab.progress import Progress
from shadowlab.lab.workloads.measure import measure_exchanges
from shadowlab.mitigate.candidate import Candidate, combined
from shadowlab.mitigate.propose import propose
from shadowlab.mitigate.rehearse import Race, Rehearsal, Stage, rehearse
from shadowlab.mitigate.situation import Situation
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.verdict import CureOutcome, FaultDomain
from shadowlab.monitor.indicators import path_table
from shadowlab.monitor.layout import EVENTS_FILE
from shadowlab.monitor.void_windows import read_punctual, without_void
from shadowlab.store.folder import RunFolder
from shadowlab.store.whole import translated

REHEARSALS = "rehearsals"
STAGE_FILE = "rehearsal.json"
"""In the folder of each: which cure, on which course, and its moments."""

Course = list[tuple[int, Candidate]]
"""A cure as it is to be applied in each state of the network, by the moment from which that holds."""


@dataclass(frozen=True, kw_only=True)
class Rehearsals:
    """Where and with what cures are tried.  A second whose timers were later than ``late_ns`` is void."""

    prepared: Prepared
    place: Place
    folder: RunFolder
    progress: Progress
    interrupt: Interrupt
    memory_bytes: int
    late_ns: int

    def outcomes(self, domain: FaultDomain, localised_ns: int, measured: Measured) -> tuple[CureOutcome, ...]:
        """Every candidate tried, best first.  ``domain`` was known at ``localised_ns``."""
        prepared, scenario = self.prepared, self.prepared.scenario
        states = prepared.states_from(localised_ns)
        by_state = [propose(self._situation(state, domain, measured), prepared.allowed) for state in states]
        candidates = by_state[0]
        courses: dict[str, Course] = {
            candidate.name: [(state.since_ns, there[index]) for state, there in zip(states, by_state, strict=True)]
            for index, candidate in enumerate(candidates)
        }
        tried = sum(not one.impossible for one in candidates)
        check(self.interrupt)
        self.progress.stage(f"rehearse {tried} cures in the shadow of the incident")
        begun = itertools.count()

        def execute_all(some: Sequence[Candidate], long: bool) -> list[Rehearsal]:
            folder = self.folder.subfolder(REHEARSALS)
            works, stages = [], []
            for candidate in some:
                course = _combined(courses, candidate) if candidate.parts else courses[candidate.name]
                job, stage = prepared.rehearsal(course, localised_ns, long=long)
                share = job.duration_ns / scenario.duration_ns
                stages.append(stage)
                works.append(
                    Work(
                        name=candidate.name,
                        job=job,
                        folder=folder / f"{next(begun)}",
                        expected_wall_s=prepared.cost.wall_s * share,
                        memory_bytes=self.memory_bytes,
                        files=prepared.files,
                    )
                )
            finished = execute(self.place, works, self.progress.work, self.interrupt.asked)
            return [self._rehearsal(*one) for one in zip(works, finished, stages, strict=True)]

        race = Race(levels=scenario.levels, objective=scenario.objective, combine=scenario.cures.combine)
        return rehearse(candidates, execute_all, race)

    def _situation(self, state: State, domain: FaultDomain, measured: Measured) -> Situation:
        prepared = self.prepared
        hops = {str(path): steps for path, steps in prepared.hops.items()}
        hops |= {path: steps for at_ns, path, steps in measured.hops if at_ns <= max(state.since_ns, 0)}
        from_ns, to_ns = prepared.scenario.baseline_ns
        return Situation(
            network=state.network,
            fabric=prepared.fabric,
            routes=state.routes,
            domain=domain,
            failed=state.failed,
            flows=prepared.flows,
            workloads=prepared.workloads,
            compute=prepared.scenario.compute,
            rates_bps=_rates(measured.paths, from_ns, to_ns),
            hops=hops,
        )

    def _rehearsal(self, work: Work, done: Done, stage: Stage) -> Rehearsal:
        prepared, duration_ns = self.prepared, work.job.duration_ns
        try:
            moments = {"cure": work.name, "long": stage.takes_back, **asdict(stage)}
            (work.folder / STAGE_FILE).write_text(json.dumps(moments, indent=2, sort_keys=True) + "\n")
        except OSError as error:
            raise translated(error, "write the moments of a rehearsal", work.folder) from error
        table = path_table(work.folder, prepared.paths, prepared.flows, duration_ns, WINDOW_NS)
        punctual = read_punctual(work.folder, len(table.times_ns), WINDOW_NS, self.late_ns)
        undone = undo_failures(work.folder)
        failures = [one for one in _failures(done) if one not in undone]
        return Rehearsal(
            table=without_void(table, punctual.void),
            stage=stage,
            failures=(*failures, *["it was measured late: too many windows are void"] * punctual.too_void),
            undo_failures=undone,
            services=measure_exchanges(work.folder, prepared, duration_ns, WINDOW_NS, self.late_ns).services,
        )


def _combined(courses: Mapping[str, Course], candidate: Candidate) -> Course:
    """A combination in every state that its parts were made for."""
    parts = [courses[part] for part in candidate.parts]
    return [(states[0][0], reduce(combined, [one for _, one in states])) for states in zip(*parts, strict=True)]


def _rates(paths: SeriesTable, from_ns: int, to_ns: int) -> dict[str, float]:
    """What each path carried in the baseline, in bit/s."""
    inside = (paths.times_ns > from_ns) & (paths.times_ns <= to_ns)
    carried = paths.values["throughput_mbps"][inside]
    found = {}
    for index, path in enumerate(paths.subjects):
        seen = carried[:, index][~np.isnan(carried[:, index])]
        found[path] = float(seen.mean()) * 1e6 if seen.size else 0.0
    return found


def undo_failures(folder: Path) -> tuple[str, ...]:
    """What failed of taking a cure back, by the record of what was executed.  Raises ShadowFailedError."""
    file = folder / EVENTS_FILE
    try:
        lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return tuple(
            f"{one['operation']}: {one['outcome']['failed']}"
            for one in lines
            if one["reason"].startswith(ROLL_BACK) and one["outcome"].get("failed")
        )
    except (OSError, ValueError, KeyError) as error:
        raise ShadowFailedError(f"the operations of a rehearsal cannot be read from {file}: {error}") from error


def _failures(done: Done) -> tuple[str, ...]:
    failures = done.report.get("failures", ())
    return tuple(str(one) for one in failures) if isinstance(failures, list) else ()
