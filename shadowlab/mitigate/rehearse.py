"""Rehearse candidate cures and rank them by what they really did.

In: candidates, and a function that executes them in a shadow of the incident and returns what was measured.
Out: outcomes, best first.  Never: a merit that was not measured.

It is a race.  Many candidates run a short course first; those that are clearly worse than the best of it, and than
doing nothing, leave.  The others run the long one, in which each is also taken back at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from shadowlab.detect.levels import judge_levels
from shadowlab.errors import ShadowFailedError
from shadowlab.mitigate.candidate import Candidate, combined
from shadowlab.mitigate.chances import chances
from shadowlab.mitigate.objective import DEFAULT, KpiTerm, Term, key
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.level import LevelOutcome, ServiceLevel
from shadowlab.model.verdict import CureOutcome

SHORT_FROM = 5
"""With so many candidates beside doing nothing there is a short course first."""
FINALISTS = 3
"""So many run the long course at least, beside doing nothing."""
CLEARLY = 0.1
"""Who is behind the best by more than this share of the windows leaves after the short course."""
MENDED = 0.02
"""Below this share of broken windows nothing is left that a combination could mend."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The moments of a rehearsal, on its own clock: the cure is applied, has settled, is judged until ``judged_ns``; on
    the long course it is then taken back, which has settled at ``back_ns``, and the rehearsal ends."""

    cure_ns: int
    settled_ns: int
    judged_ns: int
    back_ns: int = 0
    end_ns: int = 0

    @property
    def takes_back(self) -> bool:
        """Whether there is a way back in it."""
        return self.end_ns > self.back_ns >= self.judged_ns


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """What a rehearsed candidate left behind: its indicators of paths and of services, and which of its operations
    failed, of those that do it and of those that undo it."""

    table: SeriesTable
    stage: Stage
    failures: tuple[str, ...] = ()
    undo_failures: tuple[str, ...] = ()
    services: SeriesTable | None = None


Execute = Callable[[Sequence[Candidate], bool], Sequence[Rehearsal]]
"""Execute these, on the long course or on the short one, and return what was measured in their order."""


@dataclass(frozen=True, kw_only=True)
class Race:
    """What decides: the levels that were promised, and the terms by which cures are compared."""

    levels: Sequence[ServiceLevel]
    objective: Sequence[Term] = DEFAULT
    combine: bool = False
    short_from: int = SHORT_FROM


@dataclass(frozen=True, kw_only=True)
class _Run:
    """One candidate on one course."""

    candidate: Candidate
    rehearsal: Rehearsal
    after: tuple[LevelOutcome, ...]
    values: dict[str, float] = field(default_factory=dict)

    @property
    def shares(self) -> dict[tuple[str, str], float]:
        return {(one.level, one.path): one.broken_share for one in self.after}


def rehearse(candidates: Sequence[Candidate], execute: Execute, race: Race) -> tuple[CureOutcome, ...]:
    """Execute every possible candidate (the first must be doing nothing) and rank them, best first.

    Impossible ones come last, with the reason; before them those that left after the short course.
    """
    possible = [candidate for candidate in candidates if not candidate.impossible]
    if not possible or possible[0].kind != "nothing":
        raise ValueError("the first candidate must be doing nothing: it is the measure of the others")
    left: list[CureOutcome] = []
    if len(possible) > race.short_from:
        short = _run(possible, execute, race, long=False)
        staying = _finalists(short)
        outcomes = _ranked(short, race)
        left = [one for one in outcomes if one.cure not in staying]
        possible = [one for one in possible if one.name in staying]
    runs = _run(possible, execute, race, long=True)
    if race.combine:
        pair = _pair(_ranked(runs, race), possible)
        if pair is not None:
            runs += _run([pair], execute, race, long=True)
            three = _third(pair, _ranked(runs, race), possible)
            runs += _run([three], execute, race, long=True) if three is not None else []
    best = _ranked(runs, race)
    last = [_impossible(candidate) for candidate in candidates if candidate.impossible]
    left = [replace(one, short=True) for one in left]
    return tuple(replace(one, rank=rank) for rank, one in enumerate([*best, *left, *last], start=1))


def broken_share(outcomes: Sequence[LevelOutcome]) -> float:
    """Broken level-windows over judged level-windows."""
    judged = sum(one.samples for one in outcomes)
    return sum(one.broken_share * one.samples for one in outcomes) / judged if judged else 0.0


def _run(candidates: Sequence[Candidate], execute: Execute, race: Race, *, long: bool) -> list[_Run]:
    found = []
    for candidate, one in zip(candidates, execute(candidates, long), strict=True):
        stage = one.stage
        after = judge_levels(
            one.table, race.levels, from_ns=stage.settled_ns, to_ns=stage.judged_ns, services=one.services
        )
        if candidate.kind == "nothing" and not after:
            raise ShadowFailedError("the rehearsal of doing nothing observed no path and no service of any level")
        values = {
            term.name: term.value(one.table, one.services, from_ns=stage.settled_ns, to_ns=stage.judged_ns)
            for term in race.objective
            if isinstance(term, KpiTerm)
        }
        found.append(_Run(candidate=candidate, rehearsal=one, after=after, values=values))
    return found


def _finalists(runs: Sequence[_Run]) -> frozenset[str]:
    """Doing nothing, the best few, and whoever is not clearly behind them."""
    others = sorted(
        (broken_share(run.after), run.candidate.effort, run.candidate.name)
        for run in runs[1:]
        if not run.rehearsal.failures
    )
    if not others:
        return frozenset((runs[0].candidate.name,))
    near = [name for share, _, name in others if share <= others[0][0] + CLEARLY]
    return frozenset((runs[0].candidate.name, *(name for _, _, name in others[:FINALISTS]), *near))


def _pair(outcomes: Sequence[CureOutcome], candidates: Sequence[Candidate]) -> Candidate | None:
    """The two best of different kinds that help, if the best leaves something to mend."""
    by_name = {one.name: one for one in candidates}
    helping = [one for one in outcomes if one.recovered > 0 and not one.note and one.kind != "nothing"]
    if not helping or helping[0].broken_share <= MENDED:
        return None
    second = next((one for one in helping[1:] if one.kind != helping[0].kind), None)
    return None if second is None else combined(by_name[helping[0].cure], by_name[second.cure])


def _third(pair: Candidate, outcomes: Sequence[CureOutcome], candidates: Sequence[Candidate]) -> Candidate | None:
    """The pair with the next best of a kind that is not in it, if the pair is the best and leaves something to mend."""
    best = outcomes[0]
    if best.cure != pair.name or best.note or best.broken_share <= MENDED:
        return None
    by_name = {one.name: one for one in candidates}
    kinds = {by_name[part].kind for part in pair.parts}
    helping = (one for one in outcomes[1:] if one.recovered > 0 and not one.note and one.kind not in kinds)
    third = next((one for one in helping if one.kind != "nothing"), None)
    return None if third is None else combined(pair, by_name[third.cure])


def _ranked(runs: Sequence[_Run], race: Race) -> list[CureOutcome]:
    nothing = runs[0]
    sure = chances([run.shares for run in runs])
    outcomes = [_outcome(run, nothing, race, best, harm) for run, (best, harm) in zip(runs, sure, strict=True)]
    least = min(one.broken_share for one in outcomes)
    outcomes = [replace(one, penalty=one.broken_share - least) for one in outcomes]

    def order(one: CureOutcome) -> tuple[object, ...]:
        merits = {
            "broken": one.broken_share,
            "harm": one.harm,
            "severity": one.severity,
            "transient": one.transient_share,
            "risk": one.harm_probability,
            "effort": one.effort,
        }
        return (one.note != "", key(race.objective, merits, one.terms, nothing.values), one.effort, one.cure)

    return sorted(outcomes, key=order)


def _outcome(run: _Run, nothing: _Run, race: Race, best: float, harm: float) -> CureOutcome:
    candidate, rehearsal, stage = run.candidate, run.rehearsal, run.rehearsal.stage

    def judged(from_ns: int, to_ns: int) -> tuple[LevelOutcome, ...]:
        return judge_levels(rehearsal.table, race.levels, from_ns=from_ns, to_ns=to_ns, services=rehearsal.services)

    held = {(one.level, one.path) for one in nothing.after if one.holds}
    share, before = broken_share(run.after), broken_share(nothing.after)
    worst: dict[str, float] = {}
    for level in race.levels:
        medians = [one.median for one in run.after if one.level == level.name]
        if medians:
            worst[level.name] = min(medians) if level.less_is_bad else max(medians)
    back = broken_share(judged(stage.back_ns, stage.end_ns)) if stage.takes_back and candidate.undo else None
    return CureOutcome(
        cure=candidate.name,
        kind=candidate.kind,
        summary=candidate.summary,
        rank=0,
        broken_share=share,
        transient_share=broken_share(judged(stage.cure_ns, stage.settled_ns)),
        severity=sum(one.excess * one.samples for one in run.after) / max(1, sum(one.samples for one in run.after)),
        recovered=1.0 - share / before if before else 0.0,
        harm=sum((one.level, one.path) in held and not one.holds for one in run.after),
        worst=worst,
        terms=run.values,
        steps=tuple(op.describe() for op in candidate.ops),
        roll_back=tuple(op.describe() for op in candidate.undo),
        effort=candidate.effort,
        best_probability=best,
        harm_probability=harm,
        warnings=candidate.warnings,
        rolled_back_share=back,
        roll_back_failures=rehearsal.undo_failures,
        actions=candidate.actions,
        note="; ".join(rehearsal.failures),
    )


def _impossible(candidate: Candidate) -> CureOutcome:
    return CureOutcome(
        cure=candidate.name,
        kind=candidate.kind,
        summary=candidate.summary,
        rank=0,
        broken_share=1.0,
        transient_share=1.0,
        severity=0.0,
        recovered=0.0,
        harm=0,
        note=f"not possible here: {candidate.impossible}",
    )
