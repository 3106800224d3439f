"""Fault domains and cures as documents, the same for runs and watches.

In: frozen verdicts.  Out: documents.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from shadowlab.model.units import NS_PER_MS, NS_PER_S
from shadowlab.model.verdict import CureOutcome, FaultDomain, Fidelity, Suspect
from shadowlab.serve.picture.shapes import (
    MOST_LINES,
    Cure,
    Domain,
    FidelityShown,
    SuspectShown,
    TrialShown,
)


def domain_shown(domain: FaultDomain) -> Domain:
    """All of it."""
    ablation = domain.ablation
    return Domain(
        kind=domain.kind,
        links=list(domain.links),
        directions=sorted(_directions(domain.suspects)),
        onset_s=domain.onset_ns / NS_PER_S,
        confidence=domain.confidence,
        suspects=[_suspect(one) for one in domain.suspects],
        runners_up=[_suspect(one) for one in domain.runners_up],
        groups=list(domain.groups),
        overloaded=list(domain.overloaded),
        unseen=list(domain.unseen),
        flows=len(domain.affected_flows),
        services=list(domain.affected_services),
        evidence=list(domain.evidence),
        trials=[
            TrialShown(
                name=one.name,
                kind=one.kind,
                words=one.words,
                explained=one.explained,
                log10_bayes=one.log10_bayes,
                directions=list(one.directions),
            )
            for one in (ablation.trials if ablation else ())
        ],
        undecided=list(ablation.undecided) if ablation else [],
        advice=list(ablation.advice) if ablation else [],
        note=ablation.note if ablation else "",
    )


def cures_shown(cures: Sequence[CureOutcome]) -> list[Cure]:
    """In their order, each beside what happens if nothing is done."""
    nothing = next((one for one in cures if one.kind == "nothing"), None)
    return [
        Cure(
            name=one.cure,
            kind=one.kind,
            summary=one.summary,
            rank=one.rank,
            nothing=one.kind == "nothing",
            recovered=one.recovered,
            broken_share=one.broken_share,
            transient_share=one.transient_share,
            before_share=nothing.broken_share if nothing else None,
            harm=one.harm,
            harm_probability=one.harm_probability,
            best_probability=one.best_probability,
            effort=one.effort,
            worst=dict(one.worst),
            worst_before=dict(nothing.worst) if nothing else {},
            actions=[each.describe() for each in one.actions[:MOST_LINES]],
            steps=list(one.steps[:MOST_LINES]),
            roll_back=list(one.roll_back[:MOST_LINES]),
            rolled_back_share=one.rolled_back_share,
            warnings=list(one.warnings),
            note=one.note,
            short=one.short,
        )
        for one in cures
    ]


def fidelity_shown(one: Fidelity | None) -> FidelityShown | None:
    """None where nothing was compared."""
    if one is None:
        return None
    return FidelityShown(
        score=one.score, standing=one.standing, values=one.values, worst=one.worst, worst_score=one.worst_score
    )


def standing_of(domains: Iterable[FaultDomain]) -> dict[str, str]:
    """By direction what the domains say of it, the gravest; what is not in it is sound."""
    found: dict[str, str] = {}
    for domain in domains:
        found |= {one: "unseen" for one in domain.unseen if one not in found}
    for domain in domains:
        found |= dict.fromkeys(domain.overloaded, "full")
        found |= dict.fromkeys(_directions(domain.runners_up), "alternative")
    for domain in domains:
        found |= dict.fromkeys(_directions(domain.suspects), "suspect")
    return found


def _directions(suspects: Iterable[Suspect]) -> set[str]:
    return {str(direction) for one in suspects for direction in one.directions}


def _suspect(one: Suspect) -> SuspectShown:
    low, high = one.excess_delay_interval_ns
    return SuspectShown(
        name=one.name,
        directions=[str(direction) for direction in one.directions],
        posterior=one.posterior,
        fault=one.fault,
        loss=one.loss,
        loss_interval=one.loss_interval,
        delay_ms=one.excess_delay_ns / NS_PER_MS,
        delay_interval_ms=(low / NS_PER_MS, high / NS_PER_MS),
        paths_affected=one.paths_affected,
        paths_crossing=one.paths_crossing,
        split_by=one.split_by,
    )
