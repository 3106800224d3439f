"""The evidence of paths as observations, and what the search finds in it as suspects.

In: per path the directions its packets crossed, packets sent and lost, delay over the baseline and its noise; the map.
Out: a :class:`Ranking`.  Never: one name out of a class that no evidence tells apart.

The candidates are directions, links both ways, nodes, instances and groups; how they are searched says :mod:`search`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from shadowlab.localize.findings import Found
from shadowlab.localize.observations import Component, Observations, lists_of
from shadowlab.localize.search import prices
from shadowlab.localize.settings import Settings
from shadowlab.localize.verdict import localise
from shadowlab.model.network import Direction, Network
from shadowlab.model.verdict import PathEvidence, Suspect

IN_THE_SHADOW = Settings(penalty=3.0, least_loss=1e-3, least_delay_ns=1e6, most_suspects=10, sorts=False, good_cap=2.0)
"""Retransmissions come in bursts, and a run has few paths: more is asked of a suspect than of a fabric's."""


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """``suspects``, the surest first; ``overloaded`` only carry too much; ``runners_up`` would explain nearly as well
    in the place of a suspect.  ``visible_loss`` is the least loss that half of the links would have shown (1: none)."""

    suspects: tuple[Suspect, ...]
    runners_up: tuple[Suspect, ...]
    overloaded: tuple[Suspect, ...] = ()
    background_loss: float = 0.0
    needed_gain: float = 0.0
    visible_loss: float = 1.0


def rank(
    evidence: Sequence[PathEvidence],
    *,
    network: Network | None = None,
    utilisation: Mapping[Direction, float] | None = None,
    settings: Settings = IN_THE_SHADOW,
) -> Ranking:
    """The components that explain the evidence.  No suspects on evidence that good links explain.

    ``network`` adds groups, and says which nodes are instances; ``utilisation`` tells overload from a fault.  Raises
    ValueError for a path that lost more than it sent.
    """
    directions = _directions(evidence)
    found = localise(observe(evidence, network=network, utilisation=utilisation), settings)
    of_name = {_name(direction): direction for direction in directions}
    count = len(directions)

    def suspects(some: Iterable[Found]) -> tuple[Suspect, ...]:
        return tuple(_suspect(one, of_name, evidence) for one in some)

    return Ranking(
        suspects=suspects(found.suspects),
        runners_up=suspects(found.runners_up),
        overloaded=suspects(found.overloaded),
        background_loss=found.good_loss,
        needed_gain=float(prices(_components(directions, network), settings)[0]) if count else settings.penalty,
        visible_loss=next((one.median_loss for one in found.visible if one.kind == "link"), 1.0),
    )


def observe(
    evidence: Sequence[PathEvidence],
    *,
    network: Network | None = None,
    utilisation: Mapping[Direction, float] | None = None,
) -> Observations:
    """The evidence as every method of localisation takes it.

    Raises ValueError for a path that lost more than it sent.
    """
    for one in evidence:
        if not 0 <= one.lost <= one.sent:
            raise ValueError(f"path {one.path}: {one.lost} packets lost of {one.sent} sent")
    directions = _directions(evidence)
    return _observations(evidence, directions, _components(directions, network), utilisation or {})


def _directions(evidence: Sequence[PathEvidence]) -> list[Direction]:
    return sorted({direction for one in evidence for direction in one.directions})


def _name(direction: Direction) -> str:
    return f"{direction.link}|{direction.source}|{direction.target}"


def _components(directions: Sequence[Direction], network: Network | None) -> tuple[Component, ...]:
    """Directions, links both ways, their nodes, then the groups that hold two or more of the links but not all."""
    found = [
        Component(kind="link", name=_name(one), links=(_name(one),), ends=(one.source, one.target))
        for one in directions
    ]
    for link in sorted({one.link for one in directions}):
        both = tuple(_name(one) for one in directions if one.link == link)
        if len(both) > 1:
            found.append(Component(kind="cable", name=link, links=both))
    for node in sorted({end for one in directions for end in (one.source, one.target)}):
        own = tuple(_name(one) for one in directions if node in (one.source, one.target))
        known = network.nodes_by_id.get(node) if network else None
        found.append(Component(kind="host" if known and known.kind == "host" else "node", name=node, links=own))
    links = {one.link for one in directions}
    for name, members in sorted((network.groups if network else {}).items()):
        inside = set(members)
        own_links = (
            {link.id for link in network.links if link.id in inside or (link.a in inside and link.b in inside)}
            if network
            else set()
        )
        if 1 < len(own_links & links) < len(links):
            own = tuple(_name(one) for one in directions if one.link in own_links)
            found.append(Component(kind="group", name=name, links=own))
    return tuple(found)


def _observations(
    evidence: Sequence[PathEvidence],
    directions: Sequence[Direction],
    components: Sequence[Component],
    utilisation: Mapping[Direction, float],
) -> Observations:
    holding: dict[str, list[int]] = {}
    for index, component in enumerate(components):
        if component.kind == "group":
            for name in component.links:
                holding.setdefault(name, []).append(index)
    place = {(one.kind in ("node", "host"), one.name): index for index, one in enumerate(components)}

    cable = {one.name: index for index, one in enumerate(components) if one.kind == "cable"}

    def crossed(one: PathEvidence) -> tuple[int, ...]:
        found: set[int] = set()
        for direction in one.directions:
            name = _name(direction)
            if direction.link in cable:
                found.add(cable[direction.link])
            found |= {place[False, name], place[True, direction.source], place[True, direction.target]}
            found.update(holding.get(name, ()))
        return tuple(sorted(found))

    rows = [crossed(one) for one in evidence]
    numbers: dict[tuple[int, ...], int] = {}
    way = np.array([numbers.setdefault(row, len(numbers)) for row in rows], dtype=np.int64)
    load = np.full(len(components), np.nan)
    load[: len(directions)] = [utilisation.get(one, math.nan) for one in directions]
    for direction, part in utilisation.items():
        if direction.link in cable:  # what one way loses for being full, acknowledgements among it, both ways feel
            load[cable[direction.link]] = np.fmax(load[cable[direction.link]], part)
    return Observations(
        components=tuple(components),
        paths=lists_of(list(numbers)),
        ways=lists_of([(number,) for number in range(len(numbers))]),
        shares=np.ones(len(numbers)),
        way=way,
        sent=np.array([one.sent for one in evidence], dtype=np.float64),
        bad=np.array([one.lost for one in evidence], dtype=np.float64),
        excess_ns=np.array([one.excess_delay_ns if one.sent else math.nan for one in evidence], dtype=np.float64),
        noise_ns=np.array([one.delay_noise_ns for one in evidence], dtype=np.float64),
        shortfall=np.full(len(evidence), np.nan),
        utilisation=load,
    )


def _suspect(found: Found, of_name: Mapping[str, Direction], evidence: Sequence[PathEvidence]) -> Suspect:
    """Of a class that holds directions these are named; of a node or a group its own, or those of them that are hit."""
    names = [one.name for one in found.components if one.kind == "link"]
    label = ""
    if not names:
        first = found.components[0]
        names = list(found.members or first.links)
        label = " or ".join(_words(one) for one in found.components)
    directions = tuple(sorted(of_name[name] for name in names))
    crossing = [one for one in evidence if one.sent > 0 and set(one.directions) & set(directions)]
    return Suspect(
        directions=directions,
        label=label,
        fault=found.fault,
        score=round(found.score, 6),
        posterior=round(found.posterior, 6),
        loss=round(found.loss, 9),
        loss_interval=(round(found.loss_interval[0], 9), round(found.loss_interval[1], 9)),
        excess_delay_ns=round(found.delay_ns, 1),
        excess_delay_interval_ns=(round(found.delay_interval_ns[0], 1), round(found.delay_interval_ns[1], 1)),
        paths_affected=sum(one.affected for one in crossing),
        paths_crossing=len(crossing),
        split_by=_told(found.split_by, of_name),
    )


def _words(one: Component) -> str:
    return f"{one.name} both ways" if one.kind == "cable" else f"{one.kind} {one.name}"


def _told(words: str, of_name: Mapping[str, Direction]) -> str:
    for name, direction in of_name.items():
        words = words.replace(name, str(direction))
    return words
