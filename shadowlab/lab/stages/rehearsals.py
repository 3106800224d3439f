"""Cures, each executed in a shadow of the incident.

In: what was prepared, the fault domain.  Out: the candidates' outcomes, ranked.  Never: a choice of what to try.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shadowlab.lab.analyse import WINDOW_NS
from shadowlab.lab.execute import Done, Place, Work, execute
from shadowlab.lab.interrupt import Interrupt, check
from shadowlab.lab.prepare import Prepared
from shadowlab.lab.progress import Progress
from shadowlab.lab.workloads.measure import measure_exchanges
from shadowlab.mitigate.propose import Candidate, propose
from shadowlab.mitigate.rehearse import Rehearsal, rehearse
from shadowlab.model.verdict import CureOutcome, FaultDomain
from shadowlab.monitor.indicators import path_table
from shadowlab.monitor.void_windows import read_punctual, without_void
from shadowlab.store.folder import RunFolder

REHEARSALS = "rehearsals"


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

    def outcomes(self, domain: FaultDomain, localised_ns: int) -> tuple[CureOutcome, ...]:
        """Every candidate tried, best first.  ``domain`` was known at ``localised_ns``."""
        prepared = self.prepared
        states = prepared.states_from(localised_ns)
        by_state = [
            propose(
                network=state.network,
                fabric=prepared.fabric,
                routes=state.routes,
                domain=domain,
                allowed=prepared.allowed,
                failed=state.failed,
            )
            for state in states
        ]
        candidates = by_state[0]
        courses = {
            candidate.name: [(state.since_ns, there[index]) for state, there in zip(states, by_state, strict=True)]
            for index, candidate in enumerate(candidates)
        }
        _, stage = prepared.rehearsal(courses[candidates[0].name], localised_ns)
        tried = sum(not one.impossible for one in candidates)
        check(self.interrupt)
        self.progress.stage(f"rehearse {tried} cures in the shadow of the incident")

        def execute_all(some: Sequence[Candidate]) -> list[Rehearsal]:
            folder = self.folder.subfolder(REHEARSALS)
            works = []
            for number, candidate in enumerate(some):
                job, _ = prepared.rehearsal(courses[candidate.name], localised_ns)
                share = job.duration_ns / prepared.scenario.duration_ns
                works.append(
                    Work(
                        name=candidate.name,
                        job=job,
                        folder=folder / f"{number}",
                        expected_wall_s=prepared.cost.wall_s * share,
                        memory_bytes=self.memory_bytes,
                        files=prepared.files,
                    )
                )
            finished = execute(self.place, works, self.progress.work, self.interrupt.asked)
            return [self._rehearsal(work, done) for work, done in zip(works, finished, strict=True)]

        return rehearse(candidates, execute_all, prepared.scenario.levels, stage)

    def _rehearsal(self, work: Work, done: Done) -> Rehearsal:
        prepared, duration_ns = self.prepared, work.job.duration_ns
        table = path_table(work.folder, prepared.paths, prepared.flows, duration_ns, WINDOW_NS)
        punctual = read_punctual(work.folder, len(table.times_ns), WINDOW_NS, self.late_ns)
        return Rehearsal(
            table=without_void(table, punctual.void),
            failures=(*_failures(done), *["it was measured late: too many windows are void"] * punctual.too_void),
            services=measure_exchanges(work.folder, prepared, duration_ns, WINDOW_NS, self.late_ns).services,
        )


def _failures(done: Done) -> tuple[str, ...]:
    failures = done.report.get("failures", ())
    return tuple(str(one) for one in failures) if isinstance(failures, list) else ()
