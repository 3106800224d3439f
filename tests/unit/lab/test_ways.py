"""Connections with the ways they may take."""

from __future__ import annotations

from dataclasses import dataclass

from shadowlab.lab.inputs.ways import pairs_with_ways, plain_ways, ways_of
from shadowlab.model.network import Link, Network, Node

DIAMOND = Network(
    name="diamond",
    nodes=tuple(
        Node(id=name, kind="host" if name[0] == "h" else "router") for name in ("h1", "h2", "a", "b", "c", "d")
    ),
    links=tuple(
        Link(id=f"{a}-{b}", a=a, b=b)
        for a, b in (("h1", "a"), ("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("d", "h2"))
    ),
    ecmp=True,
)


@dataclass(frozen=True)
class Ends:
    source: str
    target: str


def test_connections_of_a_pair_share_its_ways_and_are_counted() -> None:
    some = [Ends("h1", "h2"), Ends("h2", "h1"), Ends("h1", "h2")]

    ways, pairs = ways_of(some, DIAMOND), pairs_with_ways(some, DIAMOND)

    assert ways[0] is ways[2] and ways[0].there == ways[1].back
    assert [(str(one.path), one.connections) for one in pairs] == [("h1→h2", 2), ("h2→h1", 1)]


def test_plain_ways_name_nodes_and_directions() -> None:
    (pair,) = pairs_with_ways([Ends("h1", "h2")], DIAMOND)

    plain = plain_ways(pair)

    assert plain["there"] == {
        "count": 2,
        "more": False,
        "unlisted": 0.0,
        "ways": [
            {"nodes": ["h1", "a", "b", "d", "h2"], "probability": 0.5},
            {"nodes": ["h1", "a", "c", "d", "h2"], "probability": 0.5},
        ],
        "crossings": {"a>b": 0.5, "a>c": 0.5, "b>d": 0.5, "c>d": 0.5, "d>h2": 1.0, "h1>a": 1.0},
    }
