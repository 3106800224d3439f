"""The ways of what was attached: connections of production.

In: connections with their ends, a network.  Out: for each connection its candidate ways there and back.
Never: a guess at a router's hash: production's is not known, so its connections keep all candidates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from shadowlab.model.flow import Path
from shadowlab.model.network import Network
from shadowlab.model.ways import Candidates, PairWays
from shadowlab.topology.forwarding.candidates import MOST_WAYS, CandidateFinder


class Ended(Protocol):
    """A connection or flow between two nodes."""

    @property
    def source(self) -> str: ...
    @property
    def target(self) -> str: ...


@dataclass(frozen=True, kw_only=True)
class AttachedPair:
    """All connections from one node to another, with the ways they may take."""

    path: Path
    connections: int
    ways: PairWays


def pairs_with_ways(
    connections: Iterable[Ended], network: Network, *, most_ways: int = MOST_WAYS
) -> list[AttachedPair]:
    """By pair, in alphabetical order."""
    finder = CandidateFinder(network, most_ways=most_ways)
    counts = Counter((one.source, one.target) for one in connections)
    return [
        AttachedPair(
            path=Path(source=source, target=target),
            connections=counts[source, target],
            ways=finder.pair(source, target),
        )
        for source, target in sorted(counts)
    ]


def ways_of(connections: Iterable[Ended], network: Network) -> tuple[PairWays, ...]:
    """The ways of each connection, in their order; connections of one pair share one value, however many they are."""
    finder, found = CandidateFinder(network), dict[tuple[str, str], PairWays]()
    ordered = [(one.source, one.target) for one in connections]
    for ends in dict.fromkeys(ordered):
        found[ends] = finder.pair(*ends)
    return tuple(found[ends] for ends in ordered)


def plain_ways(pair: AttachedPair) -> dict[str, object]:
    """The pair for JSON output: ways as lists of nodes, directions as they are called elsewhere."""
    return {
        "source": pair.path.source,
        "target": pair.path.target,
        "connections": pair.connections,
        "there": _plain(pair.ways.there),
        "back": _plain(pair.ways.back),
    }


def _plain(one: Candidates) -> dict[str, object]:
    return {
        "count": one.count,
        "more": one.more,
        "unlisted": round(one.unlisted, 9),
        "ways": [
            {"nodes": list(way.nodes), "probability": way.probability} | ({"fault": way.fault} if way.fault else {})
            for way in one.ways
        ],
        "crossings": {str(crossing.direction): round(crossing.probability, 9) for crossing in one.crossings},
    }
