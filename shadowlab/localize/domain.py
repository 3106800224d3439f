"""Anomalies and evidence become the fault domain.

In: anomalies of paths, evidence per path, the network, the flows.  Out: a :class:`FaultDomain`, or None where nothing
is wrong.  Never: a direction named where the evidence only knows the link.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from shadowlab.localize.likelihood import IN_THE_SHADOW, Ranking, rank
from shadowlab.localize.load import explained_by_load
from shadowlab.localize.settings import Settings
from shadowlab.localize.usual import loses_more
from shadowlab.model.flow import FlowSpec, Path
from shadowlab.model.network import Direction, Network
from shadowlab.model.verdict import Anomaly, FaultDomain, PathEvidence, Suspect


def fault_domain(
    anomalies: Sequence[Anomaly],
    evidence: Sequence[PathEvidence],
    network: Network,
    flows: Sequence[FlowSpec],
    *,
    before: Sequence[PathEvidence] = (),
    utilisation: Mapping[Direction, float] | None = None,
    settings: Settings = IN_THE_SHADOW,
) -> FaultDomain | None:
    """The isolated segment.  None without an anomaly; ``kind`` "unknown" and no links where no link explains them;
    "overload" where only links whose load has grown explain them: these are named, but are no suspects.

    An evidence is affected if a detector flagged its path, by the anomalies or by its own mark.  The confidence is the
    least posterior among the suspects: the whole claim is as sure as its weakest part.  What loses no more than it did
    in the evidence of ``before``, the baseline, is no suspect.
    """
    if not anomalies:
        return None
    flagged = {one.path for one in anomalies}
    flagged |= {one.path for one in evidence if one.affected}
    evidence = [_flag(one, one.path in flagged) for one in evidence]
    ranking = rank(evidence, network=network, utilisation=utilisation, settings=settings)
    news = [one for one in ranking.suspects if _is_news(one, ranking, evidence, before)]
    loaded = [one for one in news if explained_by_load(one, utilisation or {}, network, evidence)]
    ranking = replace(
        ranking,
        suspects=tuple(one for one in news if one not in loaded),
        overloaded=(*ranking.overloaded, *loaded),
    )
    blamed = ranking.suspects or ranking.overloaded
    links = tuple(sorted({direction.link for one in blamed for direction in one.directions}))
    affected = _affected_paths(flagged, evidence, ranking)
    return FaultDomain(
        links=links,
        kind=_kind(ranking),
        onset_ns=_onset(anomalies, affected),
        confidence=min((one.posterior for one in blamed), default=0.0),
        suspects=ranking.suspects,
        runners_up=ranking.runners_up,
        affected_paths=affected,
        affected_flows=tuple(
            sorted(flow.id for flow in flows if str(Path(source=flow.source, target=flow.target)) in affected)
        ),
        groups=hit_groups(network, links),
        unseen=unseen_directions(network, evidence),
        overloaded=tuple(sorted(str(one) for suspect in ranking.overloaded for one in suspect.directions)),
        visible_loss=ranking.visible_loss,
    )


def hit_groups(network: Network, links: Iterable[str]) -> tuple[str, ...]:
    """The groups that lose links: by name where all are hit, else with how many (``west (1 of 4 links)``).

    A group's links are those it names, and those between two of its nodes.
    """
    hit = set(links)
    found: list[str] = []
    for name, members in sorted(network.groups.items()):
        inside = set(members)
        own = {link.id for link in network.links if link.id in inside or (link.a in inside and link.b in inside)}
        if own & hit:
            found.append(name if own <= hit else f"{name} ({len(own & hit)} of {len(own)} links)")
    return tuple(found)


def unseen_directions(network: Network, evidence: Iterable[PathEvidence]) -> tuple[str, ...]:
    """The directions that no packet of the evidence crossed, in map order."""
    seen: set[Direction] = set()
    for one in evidence:
        if one.sent > 0:
            seen.update(one.directions)
    return tuple(str(direction) for direction in network.directions if direction not in seen)


def _is_news(one: Suspect, ranking: Ranking, evidence: Sequence[PathEvidence], before: Sequence[PathEvidence]) -> bool:
    if one.excess_delay_ns > 0 or not before:
        return True
    return loses_more(one, evidence, before, [other for other in ranking.suspects if other is not one])


def _flag(one: PathEvidence, affected: bool) -> PathEvidence:
    return one if one.affected == affected else replace(one, affected=affected)


def _affected_paths(flagged: set[str], evidence: Sequence[PathEvidence], ranking: Ranking) -> tuple[str, ...]:
    """The flagged paths that cross a suspect; all flagged paths where there is none or the evidence lacks the path."""
    blamed = ranking.suspects or ranking.overloaded
    suspected = {direction for one in blamed for direction in one.directions}
    if not suspected:
        return tuple(sorted(flagged))
    by_path: dict[str, set[Direction]] = {}
    for one in evidence:
        by_path.setdefault(one.path, set()).update(one.directions)
    return tuple(sorted(path for path in flagged if path not in by_path or by_path[path] & suspected))


def _onset(anomalies: Sequence[Anomaly], affected: Sequence[str]) -> int:
    """The earliest onset among the paths of the domain."""
    inside = [one.onset_ns for one in anomalies if one.path in set(affected)]
    return min(inside or [one.onset_ns for one in anomalies])


def _kind(ranking: Ranking) -> Literal["loss", "delay", "loss and delay", "overload", "unknown"]:
    suspects = ranking.suspects
    loses = any(one.loss > 0 for one in suspects)
    delays = any(one.excess_delay_ns > 0 for one in suspects)
    if loses and delays:
        return "loss and delay"
    if not suspects and ranking.overloaded:
        return "overload"
    return "loss" if loses else "delay" if delays else "unknown"
