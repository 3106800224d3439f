"""One case from end to end: the truth of every candidate, our choice with its time, the choices of others.

In: a case.  Out: one row per chooser and state of knowledge.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import kendalltau

from benchmarks.mitigated.incidents import WEB, Case, distorted
from benchmarks.mitigated.others import OTHERS
from benchmarks.mitigated.trying import END_NS, SETTLED_NS, Runs, Scene, Times, now_s, p99
from shadowlab.mitigate.candidate import NOTHING
from shadowlab.mitigate.objective import KpiTerm
from shadowlab.mitigate.rehearse import Race, Rehearsal, Stage, rehearse
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.level import ServiceLevel

TRUE_SEEDS, SHADOW_SEEDS = (1, 2, 3), (11, 12)
"""Runs of production that are the truth, and of the shadow that decide."""
HARMFUL = 0.05
"""Worse than doing nothing by more than this, in production, is a harmful action."""
TOLERANCE = 0.1
"""Of the objective: what is nearer to each other is decided by effort."""
OURS = "ShadowLab"
ONCE = "one run of production"
"""Chooses by the first of these runs, and is judged by the others: how far chance alone moves the measure."""
Row = dict[str, object]


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """``production`` and ``shadow`` run jobs; ``folder`` keeps how long decisions took when they were made."""

    production: Runs
    shadow: Runs
    folder: Path

    def rows(self, case: Case, *, robust: bool) -> Iterator[Row]:
        """Ours and the others' with what is known; with ``robust`` ours also when less is."""
        truth = self._truth(case)
        known = self._known(case)
        order, wall_s = self._decide(case.name, known, truth)
        yield self._row(case, "as known", OURS, order[0], truth, decided_s=wall_s, tau=_tau(order, truth))
        for name, choose in OTHERS.items():
            yield self._row(case, "as known", name, choose(known, case.known, known.candidates()), truth)
        scene = self._broken(case, case.incident.links)
        once, others = (self._tried(scene, list(truth), seeds) for seeds in (TRUE_SEEDS[:1], TRUE_SEEDS[1:]))
        yield self._row(case, "as known", ONCE, min(once, key=once.__getitem__), others)
        if robust:
            for how, one in distorted(case).items():
                order, wall_s = self._decide(f"{case.name} {how}", self._known(one), truth)
                yield self._row(case, how, OURS, order[0], self._also(case, one, order[0], truth), decided_s=wall_s)

    def _known(self, case: Case) -> Scene:
        network = case.known.applied(case.copy)
        return Scene(network=network, traffic=case.copied, links=case.known.links, kind=case.known.kind)

    def _broken(self, case: Case, links: tuple[str, ...]) -> Scene:
        network = case.incident.applied(case.production.network)
        return Scene(network=network, traffic=case.traffic, links=links, kind=case.incident.kind)

    def _truth(self, case: Case) -> dict[str, float]:
        """The p99 of every candidate in production, in ms."""
        scene = self._broken(case, case.incident.links)
        return self._tried(scene, list(scene.candidates()))

    def _also(self, case: Case, one: Case, chosen: str, truth: Mapping[str, float]) -> dict[str, float]:
        """The truth with what was chosen for other links, as it is there."""
        if one.known.links == case.incident.links:
            return dict(truth)
        scene = self._broken(case, one.known.links)
        tried = self._tried(scene, [chosen] if chosen in scene.candidates() else [NOTHING.name])
        return {**truth, chosen: min(tried.values())}

    def _tried(self, scene: Scene, names: list[str], seeds: tuple[int, ...] = TRUE_SEEDS) -> dict[str, float]:
        some = scene.candidates()
        jobs = [scene.job(some[name], seed) for name in names for seed in seeds]
        return _by_name(names, self.production.times(jobs), len(seeds))

    def _decide(self, name: str, scene: Scene, truth: Mapping[str, float]) -> tuple[list[str], float]:
        """Candidates, best first, by the code that ranks in the product; the seconds that it took when it was made."""
        begun = now_s()
        some = scene.candidates()
        jobs = [scene.job(one, seed) for one in some.values() for seed in SHADOW_SEEDS]
        found = _by_name(list(some), self.shadow.times(jobs), len(SHADOW_SEEDS))
        race = Race(
            levels=(ServiceLevel(name=WEB, kpi="completion_p99_ms", limit=1.0, window_ns=END_NS - SETTLED_NS),),
            objective=(KpiTerm(kpi="completion_p99_ms", tolerance=TOLERANCE), "effort"),
            short_from=len(some) + 1,
        )
        outcomes = rehearse(list(some.values()), lambda few, _long: [_rehearsal(found[one.name]) for one in few], race)
        file = self.folder / "decided" / f"{name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            file.write_text(json.dumps(now_s() - begun))
        return [one.cure for one in outcomes], float(json.loads(file.read_text()))

    @staticmethod
    def _row(case: Case, how: str, who: str, chosen: str, truth: Mapping[str, float], **more: float | None) -> Row:
        best, nothing = min(truth.values()), truth[NOTHING.name]
        got = truth.get(chosen, nothing)
        return {
            "case": case.name,
            "class": case.incident.kind,
            "family": case.production.family,
            "known": how,
            "who": who,
            "chosen": chosen,
            "best": min(truth, key=truth.__getitem__),
            "penalty": got / best - 1,
            "harmful": chosen != NOTHING.name and got > nothing * (1 + HARMFUL),
            "candidates": len(truth),
            **more,
        }


def _by_name(names: list[str], times: list[Times], seeds: int) -> dict[str, float]:
    return {name: p99(times[index * seeds : (index + 1) * seeds]) for index, name in enumerate(names)}


def _rehearsal(p99_ms: float) -> Rehearsal:
    times = np.array([END_NS], dtype=np.int64)
    services = SeriesTable(times_ns=times, subjects=(WEB,), values={"completion_p99_ms": np.array([[p99_ms]])})
    paths = SeriesTable(times_ns=times, subjects=(), values={"latency_ms": np.empty((1, 0))})
    stage = Stage(cure_ns=0, settled_ns=SETTLED_NS, judged_ns=END_NS)
    return Rehearsal(table=paths, stage=stage, services=services)


def _tau(order: list[str], truth: Mapping[str, float]) -> float | None:
    known = [name for name in order if name in truth]
    if len(known) < 3:
        return None
    return float(kendalltau(range(len(known)), [truth[name] for name in known]).statistic)
