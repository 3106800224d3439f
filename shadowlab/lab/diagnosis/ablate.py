"""Ablation: the leading explanations of a placed fault, each imposed in a fresh shadow of the incident, and compared.

In: a fault domain, what was measured, where shadows run.  Out: the domain with kind, size, what it takes.  Never: more
wall time than its part of the budget, by the estimate that the run itself goes by.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from shadowlab.errors import ShadowFailedError
from shadowlab.lab.analyse import WINDOW_NS, Judgement, Measured
from shadowlab.lab.diagnosis.course import JUDGED_NS, LEAD_NS, LEAST_JUDGED_NS, SETTLE_NS, trial
from shadowlab.lab.diagnosis.hypotheses import (
    ALL_IS_LOST,
    MOST,
    PROPORTIONAL,
    Hypothesis,
    Seen,
    hypotheses,
    ops_of,
    words,
)
from shadowlab.lab.diagnosis.symptoms import Array, Rows, Watched, levels, noise, observed, symptoms, worst_window
from shadowlab.lab.execute import Done, Place, Work, execute
from shadowlab.lab.interrupt import Interrupt, check
from shadowlab.lab.prepare import Prepared
from shadowlab.lab.progress import Progress
from shadowlab.localize.ablation.advice import advice, between_places
from shadowlab.localize.ablation.fit import Fit, Weighed, fit, weigh
from shadowlab.localize.ablation.symptoms import Noise, Symptoms
from shadowlab.localize.settings import DEFAULTS
from shadowlab.model.diagnosis.ablation import Ablation, Trial
from shadowlab.model.units import NS_PER_S
from shadowlab.model.verdict import FaultDomain
from shadowlab.monitor.indicators import path_counts, path_table
from shadowlab.store.folder import RunFolder

ABLATION = "ablation"
BUDGET_S = 30.0
"""Of processor time by the estimate: half of it on two cores."""
BUDGET_SHARE = 0.3
"""Of the scenario's wall budget, if that is less."""
BOOT_S = 0.7
_REFINED = 2
"""So many of the best are imposed again, at the size that fitted."""
_LEAST_TRIALS = 3
_NEAR = 0.15
"""A size that is nearer than this to one that was tried is not tried again."""
_DECIDED = 6 * math.log(10)
"""An explanation a million times less likely at its best size is not imposed again."""


@dataclass(frozen=True, kw_only=True)
class Ablating:
    """Where trials run."""

    prepared: Prepared
    place: Place
    folder: RunFolder
    progress: Progress
    interrupt: Interrupt
    memory_bytes: int
    late_ns: int

    def of(self, judgement: Judgement, measured: Measured) -> Ablation | None:
        """None where there is no fault to explain; without trials and with a note where none can be made."""
        domain, prepared = judgement.domain, self.prepared
        if domain is None or not domain.links or not domain.suspects:
            return None
        why_not = self._why_not(domain)
        if why_not:
            return Ablation(note=why_not)
        seen = observed(measured)
        span = (domain.onset_ns, prepared.scenario.duration_ns)
        window = worst_window(seen, span, JUDGED_NS, domain.affected_paths)
        if window[1] - window[0] < LEAST_JUDGED_NS:
            return Ablation(note="the incident is too short to be compared with anything")
        return _Ablation(ablating=self, domain=domain, seen=seen, window_ns=window, measured=measured).run()

    def _why_not(self, domain: FaultDomain) -> str:
        if self.prepared.scenario.ablate == "off":
            return "the scenario does not ask for it"
        if domain.kind == "black hole":
            return "not needed: the routing state itself shows the fault"
        if self.place.clock != "virtual":
            return "trials take their whole time on the real clock; they are made on the virtual one"
        if self.trials_allowed < _LEAST_TRIALS:
            return (
                f"a trial would take about {self.trial_s:.0f} s, and no more than {self.budget_s:.0f} s are for them "
                f"(raise wall_budget)"
            )
        return ""

    @property
    def trial_s(self) -> float:
        """One core's time for a trial, by the estimate of the main run."""
        share = (LEAD_NS + SETTLE_NS + JUDGED_NS) / self.prepared.scenario.duration_ns
        return BOOT_S + self.prepared.cost.wall_s * share

    @property
    def budget_s(self) -> float:
        """What is spent on all trials at most."""
        return min(BUDGET_S, BUDGET_SHARE * 2 * self.prepared.scenario.wall_budget_ns / NS_PER_S)

    @property
    def trials_allowed(self) -> int:
        """Of a first round, the fault-free one among them; the second has its part too."""
        return int(self.budget_s / self.trial_s) - _REFINED


@dataclass(kw_only=True)
class _Ablation:
    ablating: Ablating
    domain: FaultDomain
    seen: Watched
    window_ns: tuple[int, int]
    measured: Measured
    begun: int = 0
    fault_free: Watched | None = None
    tried: dict[int, dict[float, Symptoms]] = field(default_factory=dict)
    """By the index of the hypothesis, the symptoms by size."""

    def run(self) -> Ablation:
        prepared = self.ablating.prepared
        baseline = prepared.scenario.baseline_ns
        length = self.window_ns[1] - self.window_ns[0]
        incident = symptoms(self.seen, self.seen.rows(self.window_ns), levels(self.seen, self.seen.rows(baseline)))
        usual = noise(self.seen, baseline, length)
        some = hypotheses(self.domain, prepared.network, self._first_sizes(incident))
        some = some[: self.ablating.trials_allowed - 1]
        check(self.ablating.interrupt)
        self.ablating.progress.stage(f"impose {len(some)} explanations, each in a shadow of the incident")
        finished = self._execute([None, *((index, one.size) for index, one in enumerate(some))], some)
        if finished[0] is None:
            return Ablation(note="the fault-free trial failed")
        self.fault_free = finished[0]
        normal = levels(self.fault_free, self._judged)
        sound = symptoms(self.fault_free, self._judged, normal)
        for index, (one, watched) in enumerate(zip(some, finished[1:], strict=True)):
            if watched is not None:
                self.tried[index] = {one.size: symptoms(watched, self._judged, normal)}
        if not self.tried:
            return Ablation(note="no explanation could be imposed")
        fits = self._fits(some, incident, usual, sound)
        self._refine(some, fits, normal)
        fits = self._fits(some, incident, usual, sound)
        kept = sorted(fits)
        weighed = weigh(
            incident,
            usual,
            sound,
            [fits[index] for index in kept],
            windows=length // NS_PER_S,
            prices=[_price(some[index]) for index in kept],
        )
        return self._verdict([some[index] for index in kept], [fits[index] for index in kept], weighed, kept)

    @property
    def _judged(self) -> Rows:
        assert self.fault_free is not None
        begin = LEAD_NS + SETTLE_NS
        return self.fault_free.rows((begin, begin + self.window_ns[1] - self.window_ns[0]))

    def _first_sizes(self, incident: Symptoms) -> Seen:
        affected = [index for index, name in enumerate(self.seen.table.subjects) if name in self.domain.affected_paths]
        bad = sum(float(one.bad[affected].sum()) for one in incident.counts.values())
        sent = sum(float(one.sent[affected].sum()) for one in incident.counts.values())
        rise = incident.levels["latency_ms"][affected]
        rise = rise[np.isfinite(rise)]
        return Seen(
            loss=bad / sent if sent else 0.0,
            delay_ns=max(float(np.median(rise)) * 1e6, 0.0) if rise.size else 0.0,
            utilisation=self._utilisation(),
        )

    def _utilisation(self) -> float:
        """What the suspect carried of its capacity in the window, the fuller direction."""
        table = self.measured.links
        names = {str(one) for one in self.domain.suspects[0].directions}
        columns = [index for index, name in enumerate(table.subjects) if name in names]
        rows = (table.times_ns > self.window_ns[0]) & (table.times_ns <= self.window_ns[1])
        values = table.values.get("link_utilisation")
        if values is None or not columns or not rows.any():
            return 0.5
        carried = values[rows][:, columns]
        means = [float(np.nanmean(one)) for one in carried.T if np.isfinite(one).any()]
        return max(means, default=0.5)

    def _fits(self, some: Sequence[Hypothesis], incident: Symptoms, usual: Noise, sound: Symptoms) -> dict[int, Fit]:
        return {
            index: fit(
                incident,
                usual,
                sound,
                sizes,
                most=MOST[some[index].kind],
                proportional=some[index].kind in PROPORTIONAL,
            )
            for index, sizes in self.tried.items()
        }

    def _refine(self, some: Sequence[Hypothesis], fits: Mapping[int, Fit], normal: Mapping[str, Array]) -> None:
        """The best again, at the size that fitted, unless that was tried already; what is far behind is left out."""
        best = sorted(fits, key=lambda index: -fits[index].hoped)[:_REFINED]
        again = [
            (index, fits[index].next_size)
            for index in best
            if fits[best[0]].hoped - fits[index].hoped < _DECIDED
            and min(abs(fits[index].next_size / size - 1) for size in self.tried[index]) > _NEAR
        ]
        check(self.ablating.interrupt)
        for (index, size), watched in zip(again, self._execute(again, some), strict=True):
            if watched is not None:
                self.tried[index][size] = symptoms(watched, self._judged, normal)

    def _execute(self, trials: Sequence[tuple[int, float] | None], some: Sequence[Hypothesis]) -> list[Watched | None]:
        """What each trial showed; None for one whose shadow failed, or that cannot be imposed."""
        where, prepared = self.ablating, self.ablating.prepared
        folder = where.folder.subfolder(ABLATION)
        works: list[Work] = []
        place: list[int] = []
        for number, one in enumerate(trials):
            try:
                ops = () if one is None else ops_of(some[one[0]], one[1], prepared.fabric, prepared.network)
            except ValueError:
                continue  # a link that cannot have it
            self.begun += 1
            place.append(number)
            works.append(
                Work(
                    name="no fault" if one is None else some[one[0]].name,
                    job=trial(prepared, self.window_ns, ops),
                    folder=folder / f"{self.begun}",
                    expected_wall_s=where.trial_s,
                    memory_bytes=where.memory_bytes,
                    files=prepared.files,
                )
            )
        ended: set[int] = set()

        def on_done(index: int, done: Done) -> None:
            if not done.report.get("failures"):
                ended.add(index)

        execute(where.place, works, where.progress.work, where.interrupt.asked, on_done=on_done, on_failed=_left_out)
        found: list[Watched | None] = [None] * len(trials)
        for index, number in enumerate(place):
            if index in ended:
                found[number] = self._watched(works[index].folder, works[index].job.duration_ns)
        return found

    def _watched(self, folder: Path, duration_ns: int) -> Watched:
        prepared = self.ablating.prepared
        ways = (folder, prepared.paths, prepared.flows, duration_ns, WINDOW_NS)
        turns = prepared.flow_turns
        return Watched(table=path_table(*ways, turns=turns), counts=path_counts(*ways, turns=turns))

    def _verdict(
        self, some: Sequence[Hypothesis], fits: Sequence[Fit], weighed: Weighed, kept: Sequence[int]
    ) -> Ablation:
        network = self.ablating.prepared.network

        def one(index: int) -> Trial:
            hypothesis, found, standing = some[index], fits[index], weighed.standings[index]
            lost = hypothesis.kind == "loss" and found.size >= ALL_IS_LOST
            return Trial(
                name=hypothesis.name,
                directions=tuple(str(direction) for direction in hypothesis.directions),
                kind="black hole" if lost else hypothesis.kind,
                size=float(f"{found.size:.4g}"),
                interval=(float(f"{found.interval[0]:.4g}"), float(f"{found.interval[1]:.4g}")),
                words=words(hypothesis, found.size, found.interval, network)
                if standing.log10_bayes > 0
                else "at no size",
                log10_bayes=round(standing.log10_bayes, 3),
                explained=round(standing.explained, 4),
                runs=len(self.tried[kept[index]]),
            )

        first, *open_ones = [some[index] for index in (weighed.order[0], *weighed.undecided)]
        same_place = [other for other in open_ones if other.component == first.component]
        elsewhere = [other for other in open_ones if other.component != first.component]
        told = advice([first.kind, *(other.kind for other in same_place)], [first.split_by] if elsewhere else [])
        if elsewhere:
            alike = (first, *elsewhere)
            links = [frozenset(direction.link for direction in one.directions) for one in alike]
            told = (*told, between_places([one.component for one in alike], links, first.kind))
        return Ablation(
            trials=tuple(one(index) for index in weighed.order),
            window_ns=self.window_ns,
            sufficiency=round(weighed.sufficiency, 3),
            necessity=round(weighed.necessity, 3),
            lead=round(weighed.lead, 3),
            undecided=tuple(some[index].name for index in weighed.undecided),
            advice=told,
            network_ns=LEAD_NS + SETTLE_NS + self.window_ns[1] - self.window_ns[0],
        )


def _price(one: Hypothesis) -> float:
    """What takes several links with it costs as much more as in the search: of the whole and a part that explains the
    same, the part is named."""
    return DEFAULTS.node_penalty if len({direction.link for direction in one.directions}) > 1 else 0.0


def _left_out(index: int, error: ShadowFailedError) -> None:
    """A trial whose shadow failed is no reason to lose the run: it is not among the trials."""


def with_ablation(judgement: Judgement, found: Ablation | None) -> Judgement:
    """The judgement with what came of it."""
    if judgement.domain is None or found is None:
        return judgement
    return replace(judgement, domain=replace(judgement.domain, ablation=found))
