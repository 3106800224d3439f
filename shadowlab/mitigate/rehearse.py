"""Rehearse candidate cures and rank them by what they really did.

In: candidates, and a function that executes them in a shadow of the incident and returns what was measured.
Out: outcomes, best first.  Never: a merit that was not measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from shadowlab.detect.levels import judge_levels
from shadowlab.errors import ShadowFailedError
from shadowlab.mitigate.propose import Candidate
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.level import LevelOutcome, ServiceLevel
from shadowlab.model.verdict import CureOutcome

_EFFORT = {"nothing": 0, "reroute": 1, "script": 2, "upgrade": 3}
"""What a cure costs to do, for cures that help alike: a route changes by a command, bandwidth by an order."""


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """What a rehearsed candidate left behind: its indicators of paths and of services, and the outcome of each of its
    operations."""

    table: SeriesTable
    failures: tuple[str, ...] = ()
    services: SeriesTable | None = None


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The moments of a rehearsal, on its own clock: the cure is applied, has settled, the rehearsal ends."""

    cure_ns: int
    settled_ns: int
    end_ns: int


def rehearse(
    candidates: Sequence[Candidate],
    execute: Callable[[Sequence[Candidate]], Sequence[Rehearsal]],
    levels: Sequence[ServiceLevel],
    stage: Stage,
) -> tuple[CureOutcome, ...]:
    """Execute every possible candidate (the first must be doing nothing) and rank them, best first.

    Ranked by: share of broken level-windows after the cure settled, rounded to 1 % so that noise does not decide; then
    harm to levels that held; then severity; then effort.  Impossible ones come last, with the reason.
    """
    possible = [candidate for candidate in candidates if not candidate.impossible]
    if not possible or possible[0].kind != "nothing":
        raise ValueError("the first candidate must be doing nothing: it is the measure of the others")
    rehearsals = execute(possible)
    judged = [
        judge_levels(one.table, levels, from_ns=stage.settled_ns, to_ns=stage.end_ns, services=one.services)
        for one in rehearsals
    ]
    if not judged[0]:
        raise ShadowFailedError("the rehearsal of doing nothing observed no path and no service of any service level")
    outcomes = [
        _outcome(candidate, rehearsal, after, judged[0], levels, stage)
        for candidate, rehearsal, after in zip(possible, rehearsals, judged, strict=True)
    ]
    outcomes.sort(
        key=lambda one: (
            one.note != "",
            round(one.broken_share, 2),
            one.harm,
            round(one.severity, 3),
            _EFFORT[one.kind],
            one.cure,
        )
    )
    outcomes += [_impossible(candidate) for candidate in candidates if candidate.impossible]
    return tuple(_ranked(one, rank) for rank, one in enumerate(outcomes, start=1))


def broken_share(outcomes: Sequence[LevelOutcome]) -> float:
    """Broken level-windows over judged level-windows."""
    judged = sum(one.samples for one in outcomes)
    return sum(one.broken_share * one.samples for one in outcomes) / judged if judged else 0.0


def _outcome(
    candidate: Candidate,
    rehearsal: Rehearsal,
    after: Sequence[LevelOutcome],
    nothing: Sequence[LevelOutcome],
    levels: Sequence[ServiceLevel],
    stage: Stage,
) -> CureOutcome:
    transient = judge_levels(
        rehearsal.table, levels, from_ns=stage.cure_ns, to_ns=stage.settled_ns, services=rehearsal.services
    )
    held = {(one.level, one.path) for one in nothing if one.holds}
    share, before = broken_share(after), broken_share(nothing)
    worst: dict[str, float] = {}
    for level in levels:
        medians = [one.median for one in after if one.level == level.name]
        if medians:
            worst[level.name] = min(medians) if level.less_is_bad else max(medians)
    return CureOutcome(
        cure=candidate.name,
        kind=candidate.kind,
        summary=candidate.summary,
        rank=0,
        broken_share=share,
        transient_share=broken_share(transient),
        severity=sum(one.excess * one.samples for one in after) / max(1, sum(one.samples for one in after)),
        recovered=1.0 - share / before if before else 0.0,
        harm=sum((one.level, one.path) in held and not one.holds for one in after),
        worst=worst,
        steps=tuple(op.describe() for op in candidate.ops),
        roll_back=tuple(op.describe() for op in candidate.undo),
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


def _ranked(one: CureOutcome, rank: int) -> CureOutcome:
    return replace(one, rank=rank)
