"""What a run means, in sentences: the headline, what happens, where, since when, what to do, what it gains.

In: verdicts.  Out: text.  Never: a figure that no verdict holds.
"""

from __future__ import annotations

from collections.abc import Sequence

from shadowlab.lab.diagnosis.opinion import odds, where_and_what
from shadowlab.lab.events.planned import Planned
from shadowlab.model.diagnosis.ablation import Ablation
from shadowlab.model.level import LevelOutcome
from shadowlab.model.result import Provenance, Scaling
from shadowlab.model.traffic.completion import USED_UP
from shadowlab.model.traffic.summary import WorkloadSummary
from shadowlab.model.units import NS_PER_S, format_duration, format_fraction
from shadowlab.model.verdict import Anomaly, CureOutcome, FaultDomain


def clock(at_ns: int) -> str:
    """A moment of the run as minutes and seconds."""
    seconds = round(at_ns / 1e9)
    return f"{seconds // 60}:{seconds % 60:02d}"


def headline(
    domain: FaultDomain | None,
    cures: Sequence[CureOutcome],
    broken: Sequence[LevelOutcome],
    planned: Sequence[Planned] = (),
) -> str:
    """One line for a subject field.  ``planned`` is the work that the domain is due to.  Where ablation decisively
    contradicts what the search named, the line follows it or says that it is in doubt."""
    if domain is None:
        return (
            "All paths keep to their baseline."
            if not broken
            else "Service levels are broken, but no path left its baseline."
        )
    if planned:
        since = clock(min(one.from_ns for one in planned))
        where = " and ".join(sorted(one.name for one in planned))
        return f"{where}: planned work since {since}, no fault; it moved {_count(domain.affected_paths, 'path')}."
    if not domain.links:
        return f"Left their baseline: {_count(domain.affected_paths, 'path')}; no single link explains it."
    named, added = where_and_what(domain)
    words = f"{named} since {clock(domain.onset_ns)}{f' ({added})' if added else ''}"
    if not cures:
        return f"{words}."
    best = best_cure(cures)
    return f"{words}. Best rehearsed cure: {best.cure}." if best else f"{words}. No rehearsed cure helps."


def no_verdict(origin: Provenance) -> tuple[str, tuple[str, ...]]:
    """Headline and sentences of a run that was measured late for too long."""
    void_s = sum(to_ns - from_ns for from_ns, to_ns in origin.void_windows_ns) // NS_PER_S
    return (
        f"No verdict: {void_s} of {origin.windows} seconds were measured late.",
        (
            "What to do: run it again on the virtual clock, which is never late (--clock virtual); or on a machine "
            "with less to do.",
        ),
    )


def best_cure(cures: Sequence[CureOutcome]) -> CureOutcome | None:
    """The first in rank if it is better than doing nothing."""
    if cures and cures[0].kind != "nothing" and not cures[0].note and cures[0].recovered > 0:
        return cures[0]
    return None


def conclusions(
    *,
    domain: FaultDomain | None,
    detected_ns: int,
    localised_ns: int,
    after: Sequence[LevelOutcome],
    cures: Sequence[CureOutcome],
    scaling: Scaling,
    planned: Sequence[Planned] = (),
    workloads: Sequence[WorkloadSummary] = (),
    full_links: Sequence[Anomaly] = (),
) -> tuple[str, ...]:
    """One sentence each.  ``planned`` is all the work there was in the run."""
    found = [_what(after)]
    if domain is not None:
        found.append(_where(domain))
        found += _type(domain.ablation)
        found.append(
            f"Since when: {clock(domain.onset_ns)} of the run; detected at {clock(detected_ns)}, placed at "
            f"{clock(localised_ns)}."
        )
        found += _cure(cures)
    found += [
        f"Planned: {one.name} was out of service from {clock(one.from_ns)} to {clock(one.to_ns)}: "
        f"{_count(sorted(one.links), 'link')}, no fault."
        for one in planned
    ]
    found += _filling(full_links)
    found += [_beyond(one) for one in workloads if one.used_up]
    if scaling.factor != 1:
        found.append(f"Scaled down: {scaling.reason}.")
    return tuple(found)


_NAMED = 5


def _filling(full_links: Sequence[Anomaly]) -> list[str]:
    """Whether or not a path noticed."""
    if not full_links:
        return []
    named = ", ".join(f"{one.path} since {clock(one.onset_ns)}" for one in full_links[:_NAMED])
    more = f" and {len(full_links) - _NAMED} more" if len(full_links) > _NAMED else ""
    return [f"Filled up: {named}{more}."]


def _beyond(one: WorkloadSummary) -> str:
    names = ", ".join(name for name in one.failed_by if name in USED_UP)
    return (
        f"Beyond the shadow: {one.used_up} exchanges of {one.workload} failed because it had no port, open file or "
        f"memory left for them ({names}); that says nothing of the network."
    )


def _count(things: Sequence[str], name: str) -> str:
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"


def _what(after: Sequence[LevelOutcome]) -> str:
    broken = [one for one in after if not one.holds]
    if not after:
        return "What happens: no service level is set."
    if not broken:
        return f"What happens: every service level holds ({len(after)} of {len(after)})."
    names = sorted({one.level for one in broken})
    places = []
    for kind, words in ((False, "paths"), (True, "services")):
        hit, judged = (len({one.path for one in some if _of_service(one) == kind}) for some in (broken, after))
        if hit:
            places.append(f"{hit} of {judged} {words}")
    return (
        f"What happens: service levels broken: {len(broken)} of {len(after)} ({', '.join(names)}), "
        f"on {' and '.join(places)}."
    )


def _of_service(one: LevelOutcome) -> bool:
    return "→" not in one.path


def _where(domain: FaultDomain) -> str:
    if not domain.links:
        return f"Where: no link explains what is affected better than chance: {_count(domain.affected_paths, 'path')}."
    if domain.kind == "overload":
        return (
            f"Where: {' and '.join(domain.links)}: demand has grown, nothing is broken; "
            f"affected: {_count(domain.affected_paths, 'path')}, {_count(domain.affected_flows, 'flow')}."
        )
    sizes = []
    for suspect in domain.suspects:
        parts = [f"loss {format_fraction(suspect.loss)}"] if suspect.loss > 0 else []
        if suspect.excess_delay_ns > 0:
            parts.append(f"delay +{format_duration(suspect.excess_delay_ns)}")
        sizes.append(f"{suspect.name} ({', '.join(parts) or 'affected'})")
    return (
        f"Where: {' and '.join(domain.links)}, with {domain.confidence * 100:.0f} % confidence: {'; '.join(sizes)}; "
        f"affected: {_count(domain.affected_paths, 'path')}, {_count(domain.affected_flows, 'flow')}."
    )


def _type(ablation: Ablation | None) -> list[str]:
    """What imposing the explanations in the shadow showed; nothing where it was not done."""
    if ablation is None or ablation.best is None:
        return []
    best = ablation.best
    if ablation.necessity < 0:
        return [
            "What kind: no explanation that was imposed does better than no fault at all: demand and routes as they "
            "were seen suffice, or it is of a kind that was not tried."
        ]
    enough = (
        f"imposed in the shadow it explains {best.explained * 100:.0f} % of what is unusual"
        + ("" if ablation.sufficiency >= 0 else ", and something besides is needed")
        + f"; {odds(ablation.necessity)} better than no fault"
    )
    said = [f"What kind: {best.words} on {best.name.rpartition(': ')[0]}: {enough}."]
    if ablation.undecided:
        told = f" What would tell: {'; '.join(ablation.advice)}." if ablation.advice else ""
        said.append(f"Could not be told apart from it: {', '.join(ablation.undecided)}.{told}")
    elif len(ablation.trials) > 1:
        said[0] = f"{said[0][:-1]}, {odds(ablation.lead)} better than the next explanation ({ablation.trials[1].name})."
    return said


def _way_back(best: CureOutcome) -> list[str]:
    if best.roll_back_failures:
        return [f"The way back does not work: {'; '.join(best.roll_back_failures)}."]
    if best.rolled_back_share is None:
        return []
    after = format_fraction(best.rolled_back_share)
    steps = _count(best.roll_back, "step")
    return [f"The way back was tried too: {steps}, and {after} of the judged windows were broken again."]


def _cure(cures: Sequence[CureOutcome]) -> list[str]:
    if not cures:
        return []
    best = best_cure(cures)
    nothing = next(one for one in cures if one.kind == "nothing")
    notes = [f"Not counted: {one.cure} – {one.note}." for one in cures if one.note]
    if best is None:
        return ["What to do: nothing that was rehearsed is better than doing nothing.", *notes]
    harm = f"; levels that held and break by it: {best.harm}" if best.harm else ""
    return [
        f"What to do: {best.cure} – {best.summary}.",
        f"What it gains: {format_fraction(best.broken_share)} of the judged windows stay broken instead of "
        f"{format_fraction(nothing.broken_share)}, {best.recovered * 100:.0f} % recovered{harm}.",
        *_way_back(best),
        *notes,
    ]
