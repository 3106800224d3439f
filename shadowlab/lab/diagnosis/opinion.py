"""Whether ablation bears out what the search named, and what is said at the head of a run where it does not.

In: a fault domain with its ablation.  Out: where and what, in words.  Never: another name on the strength of odds that
a second run might turn: below a hundred to one what the search named stays.
"""

from __future__ import annotations

from collections.abc import Mapping

from shadowlab.model.diagnosis.ablation import CAP, Ablation, FaultKind, Trial
from shadowlab.model.verdict import FaultDomain

DECISIVE = 2.0
"""A Bayes factor of a hundred (log10): decisive (H. Jeffreys, Theory of Probability, appendix B)."""
_SAME: Mapping[str, frozenset[FaultKind]] = {
    "loss": frozenset({"loss", "black hole"}),
    "black hole": frozenset({"loss", "black hole"}),
    "delay": frozenset({"delay"}),
    "capacity": frozenset({"rate"}),
}
"""What is no contradiction; of other kinds nothing is."""
_WORDS: Mapping[FaultKind, str] = {
    "rate": "capacity",
    "short queue": "queue too short",
    "long queue": "queue too long",
}


def where_and_what(domain: FaultDomain) -> tuple[str, str]:
    """The components and the kind of fault for a headline, and what is to be added to it: empty, or why it is in doubt,
    or what had been named before."""
    named = f"{' and '.join(domain.links)}: {domain.kind}"
    found = domain.ablation
    if found is None or found.best is None or domain.kind in ("overload", "loop"):
        return named, ""
    if found.necessity <= -DECISIVE:
        return named, "in doubt: of what was imposed in a shadow nothing explains it better than no fault does"
    best = found.best
    if _borne_out(domain, best) or _behind(domain, found) < DECISIVE:
        return named, ""
    place, kind = " and ".join(_links(domain, best)), _WORDS.get(best.kind, best.kind)
    if found.sure and found.lead >= DECISIVE:
        return f"{place}: {kind}", f"by ablation; the search alone had said {named}"
    better = f"{odds(_behind(domain, found))} better"
    return named, f"in doubt: imposed in a shadow, {kind} on {place} explains it {better}"


def _links(domain: FaultDomain, trial: Trial) -> tuple[str, ...]:
    suspected = (*domain.suspects, *domain.runners_up)
    link_of = {str(way): way.link for one in suspected for way in one.directions}
    return tuple(sorted({link_of.get(one, one) for one in trial.directions}))


def _borne_out(domain: FaultDomain, trial: Trial) -> bool:
    """Whether a trial is of what was named.  Of several suspects, or of a class, each link is; of a node or a group all
    of them are."""
    links, whole = set(_links(domain, trial)), len(domain.suspects) == 1 and bool(domain.suspects[0].label)
    named = set(domain.links)
    there = links == named if whole else links <= named
    return there and trial.kind in _SAME.get(domain.kind, frozenset({trial.kind}))


def _behind(domain: FaultDomain, found: Ablation) -> float:
    """How far what was named is behind the best (log10); 0 where it was not imposed: then nothing speaks against it."""
    for place, one in enumerate(found.trials):
        if _borne_out(domain, one):
            return 0.0 if place == 0 else max(found.lead, found.trials[0].log10_bayes - one.log10_bayes)
    return 0.0


def odds(log10: float) -> str:
    """A Bayes factor for people."""
    factor = 10.0**log10
    return "over a million times" if log10 >= CAP else f"{float(f'{factor:.2g}'):,.15g} times".replace(",", " ")
