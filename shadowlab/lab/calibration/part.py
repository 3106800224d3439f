"""The part of a network that some pairs of instances use.

In: a network, pairs.  Out: a network with the same routes between them.  Never: a link that none of them crosses.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from shadowlab.model.network import Demands, Network
from shadowlab.topology.forwarding.candidates import CandidateFinder


def part_of(network: Network, pairs: Iterable[tuple[str, str]]) -> Network:
    """Every link and node on a way there or back; shortest paths among what is left are the same ones."""
    finder = CandidateFinder(network)
    links: set[str] = set()
    nodes: set[str] = set()
    for source, target in sorted(set(pairs)):
        ways = finder.pair(source, target)
        nodes |= {source, target}
        for crossing in (*ways.there.crossings, *ways.back.crossings):
            links.add(crossing.direction.link)
            nodes |= {crossing.direction.source, crossing.direction.target}
    return replace(
        network,
        nodes=tuple(one for one in network.nodes if one.id in nodes),
        links=tuple(one for one in network.links if one.id in links),
        groups={},
        demands=Demands(),
        derived=(),
        static_routes=tuple(
            one for one in network.static_routes if {one.at, one.to} <= nodes and one.via in nodes | {""}
        ),
        source_routes=tuple(one for one in network.source_routes if {one.source, one.target, *one.path} <= nodes),
    )
