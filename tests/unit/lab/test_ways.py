"""Connections and flows with the ways they may take."""

from __future__ import annotations

from dataclasses import dataclass

from shadowlab.lab.inputs.ways import flow_ways, pairs_with_ways, plain_ways, ways_of
from shadowlab.model.flow import FlowSpec
from shadowlab.model.network import Link, Network, Node
from shadowlab.topology.routing import path_directions

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


def flow(name: str) -> FlowSpec:
    return FlowSpec(id=name, source="h1", target="h2", flow_class="greedy")


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


def test_a_flow_whose_way_the_kernel_told_is_certain_until_it_tells_another() -> None:
    over_b = path_directions(DIAMOND, "h1", "h2")
    over_c = path_directions(DIAMOND, "h1", "h2", avoid=frozenset({"a-b"}))
    told = [(0, "one", over_b), (9, "one", over_c)]

    before, after = (flow_ways([flow("one"), flow("two")], DIAMOND, told, now_ns) for now_ns in (8, 9))

    assert before["one"].certain and before["one"].ways[0].directions == over_b
    assert after["one"].ways[0].directions == over_c
    assert after["two"].count == 2
