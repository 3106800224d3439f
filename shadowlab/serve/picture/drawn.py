"""A network as the page draws it.

In: a network, where its nodes go, figures by direction.  Out: the map's document.
Never: a figure that is not there: it is null.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from shadowlab.model.network import Direction, Network
from shadowlab.model.units import NS_PER_MS
from shadowlab.serve.picture.shapes import DirectionShown, Group, LinkShown, Map, NodeShown, Number

Place = Callable[[Network], Mapping[str, tuple[float, float]]]
"""Where a network's nodes are drawn: ``y`` grows upwards."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What is known of one direction; see :class:`~shadowlab.serve.picture.shapes.DirectionShown`."""

    utilisation: Number = None
    utilisation_before: Number = None
    utilisation_forecast: Number = None
    loss: Number = None
    loss_before: Number = None
    queueing_ms: Number = None
    fidelity: Number = None


UNKNOWN = Figures()


def drawn_map(
    network: Network,
    points: Mapping[str, tuple[float, float]],
    *,
    revision: str,
    figures: Mapping[str, Figures],
    standing: Mapping[str, str],
    affected: Mapping[str, Sequence[str]],
    suspect_links: Iterable[str],
    lines_known: bool = True,
) -> Map:
    """``lines_known``: the network's delays are those of its lines.  ``affected``: the nodes on the way of each
    affected path (its ends at least)."""
    crossing: dict[tuple[str, str], int] = {}
    on_way: set[str] = set()
    for nodes in affected.values():
        on_way |= {nodes[0], nodes[-1]} if nodes else set()
        for pair in itertools.pairwise(nodes):
            crossing[pair] = crossing.get(pair, 0) + 1
    guilty = set(suspect_links)
    groups: dict[str, list[str]] = {}
    for name, members in network.groups.items():
        for one in members:
            groups.setdefault(one, []).append(name)
    links = []
    for link in network.links:
        directions = [
            _direction(
                network,
                way,
                figures.get(str(way), UNKNOWN),
                standing,
                crossing.get((way.source, way.target), 0),
                lines_known,
            )
            for way in link.directions
        ]
        suspect = link.id in guilty or any(one.standing == "suspect" for one in directions)
        links.append(
            LinkShown(
                id=link.id,
                a=link.a,
                b=link.b,
                up=link.up,
                suspect=suspect,
                groups=groups.get(link.id, []),
                directions=directions,
            )
        )
    touched: dict[str, list[bool]] = {}
    for shown in links:
        touched.setdefault(shown.a, []).append(shown.suspect)
        touched.setdefault(shown.b, []).append(shown.suspect)
    nodes_shown = [
        NodeShown(
            id=node.id,
            label=node.label or node.id,
            kind=node.kind,
            x=points[node.id][0],
            y=-points[node.id][1],
            fixed=node.latitude is not None and node.longitude is not None,
            affected=node.id in on_way,
            suspect=len(touched.get(node.id, ())) > 1 and all(touched[node.id]),
        )
        for node in network.nodes
    ]
    return Map(
        name=network.name,
        revision=revision,
        nodes=nodes_shown,
        links=links,
        groups=[Group(name=name, members=list(members)) for name, members in network.groups.items()],
    )


def _direction(
    network: Network,
    one: Direction,
    known: Figures,
    standing: Mapping[str, str],
    affected_paths: int,
    lines_known: bool,
) -> DirectionShown:
    impairment = network.impairment(one)
    line_ms = impairment.delay_ns / NS_PER_MS if lines_known else None
    return DirectionShown(
        id=str(one),
        source=one.source,
        target=one.target,
        rate_bps=impairment.rate_bps,
        utilisation=known.utilisation,
        utilisation_before=known.utilisation_before,
        utilisation_forecast=known.utilisation_forecast,
        loss=known.loss,
        loss_before=known.loss_before,
        latency_ms=None if line_ms is None else line_ms + (known.queueing_ms or 0.0),
        line_ms=line_ms,
        queueing_ms=known.queueing_ms,
        fidelity=known.fidelity,
        standing=cast(Literal["suspect", "alternative", "full", "unseen", "sound"], standing.get(str(one), "sound")),
        affected_paths=affected_paths,
    )
