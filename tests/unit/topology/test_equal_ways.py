"""The ways routing offers, with probabilities: spread over the graph of shortest ways, listed best first."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from test_forwarding import network, networks

from shadowlab.model.network import Link, Network, Node, SourceRoute, StaticRoute
from shadowlab.model.ways import Candidates, known_way
from shadowlab.topology.addressing import address
from shadowlab.topology.forwarding.candidates import MOST_WALKED, CandidateFinder
from shadowlab.topology.routing import path_directions, shortest_routes

DIAMOND = ("h1-r1", "r1-r2", "r1-r3", "r2-r4", "r3-r4", "r4-h2")


def listed(found: Candidates) -> dict[str, float]:
    return {" ".join(way.nodes) + (f" ({way.fault})" if way.fault else ""): way.probability for way in found.ways}


def crossings(found: Candidates) -> dict[str, float]:
    return {f"{one.direction.source}>{one.direction.target}": one.probability for one in found.crossings}


def fat_tree(ports: int) -> Network:
    """The three layers of a data centre of ``ports``-port switches, two hosts."""
    half = ports // 2
    links = [("h1", "edge0-0"), ("h2", f"edge{ports - 1}-0")]
    for pod in range(ports):
        links += [(f"edge{pod}-{one}", f"agg{pod}-{other}") for one in range(half) for other in range(half)]
        links += [
            (f"agg{pod}-{one}", f"core{one}-{other}") for one in range(half) for other in range(half)
        ]  # each of a group's cores
    names = dict.fromkeys(end for pair in links for end in pair)
    return Network(
        name="fat",
        nodes=tuple(Node(id=name, kind="host" if name[0] == "h" else "router") for name in names),
        links=tuple(Link(id=f"{a}={b}", a=a, b=b) for a, b in links),
        ecmp=True,
    )


def test_two_equal_ways_are_half_as_probable_each() -> None:
    found = CandidateFinder(network(*DIAMOND, ecmp=True)).ways("h1", "h2")

    assert listed(found) == {"h1 r1 r2 r4 h2": 0.5, "h1 r1 r3 r4 h2": 0.5}
    assert crossings(found) == {"h1>r1": 1, "r1>r2": 0.5, "r1>r3": 0.5, "r2>r4": 0.5, "r3>r4": 0.5, "r4>h2": 1}
    assert found.count == 2 and not found.certain


def test_weights_share_flows_out() -> None:
    plain = network(*DIAMOND, ecmp=True)
    made = plain.with_links(replace(plain.links_by_id["r1-r3"], weight=3))

    found = CandidateFinder(made).ways("h1", "h2")
    routes = {(one.node, one.destination): one for one in shortest_routes(made, address(made))}
    there = routes["r1", address(made).node_address["h2"]]

    assert list(listed(found).items()) == [("h1 r1 r3 r4 h2", 0.75), ("h1 r1 r2 r4 h2", 0.25)]
    assert crossings(found)["r3>r4"] == 0.75
    assert there.weights == (1, 3) and len(there.hops) == 2
    assert all(not one.weights for one in routes.values() if len(one.hops) < 2)


def test_weights_that_are_alike_say_nothing() -> None:
    plain = network(*DIAMOND, ecmp=True)
    made = plain.with_links(*(replace(link, weight=7) for link in plain.links))

    assert shortest_routes(made, address(made)) == shortest_routes(plain, address(plain))
    assert CandidateFinder(made).ways("h1", "h2") == CandidateFinder(plain).ways("h1", "h2")


def test_each_router_shares_by_its_own_next_hops() -> None:
    # r1 has two next hops, of which r2 has two again: not three ways of a third each.
    made = network("h1-r1", "r1-r2", "r1-r5:2", "r2-r3", "r2-r4", "r3-r6", "r4-r6", "r5-r6", "r6-h2", ecmp=True)

    found = CandidateFinder(made).ways("h1", "h2")

    assert sorted(listed(found).values()) == [0.25, 0.25, 0.5]
    assert next(iter(listed(found))) == "h1 r1 r5 r6 h2"  # the most probable first


def test_without_ecmp_there_is_one_way() -> None:
    made = network(*DIAMOND)

    pair = CandidateFinder(made).pair("h1", "h2")

    assert pair.there.certain and pair.back.certain
    assert pair.there.ways[0].directions == path_directions(made, "h1", "h2")


def test_there_and_back_need_not_be_the_same() -> None:
    made = network("h1-r1", "r1-r2:1/9", "r1-r3:9/1", "r2-r4:1/9", "r3-r4:9/1", "r4-h2", ecmp=True)

    pair = CandidateFinder(made).pair("h1", "h2")

    assert list(listed(pair.there)) == ["h1 r1 r2 r4 h2"]
    assert list(listed(pair.back)) == ["h2 r4 r3 r1 h1"]


def test_a_fat_tree_is_counted_whole_and_listed_in_part() -> None:
    finder = CandidateFinder(fat_tree(16), most_ways=10)

    found = finder.ways("h1", "h2")

    assert found.count == 64 and len(found.ways) == 10
    assert found.unlisted == pytest.approx(54 / 64)
    assert crossings(found)["edge0-0>agg0-3"] == pytest.approx(1 / 8)
    assert crossings(found)["agg0-3>core3-5"] == pytest.approx(1 / 64)


def test_more_ways_than_could_ever_be_listed_are_counted() -> None:
    rungs = 60
    links = ["h1-r0a", f"r{rungs}a-h2"]
    for one in range(rungs):
        links += [f"r{one}a-r{one}b", f"r{one}a-r{one}c", f"r{one}b-r{one + 1}a", f"r{one}c-r{one + 1}a"]

    found = CandidateFinder(network(*links, ecmp=True), most_ways=5).ways("h1", "h2")

    assert found.count == 2**rungs and len(found.ways) == 5
    assert len({way.nodes for way in found.ways}) == 5
    assert set(crossings(found).values()) == {0.5, 1.0}


def test_what_a_static_route_drops_is_a_way_that_ends() -> None:
    made = network(*DIAMOND, ecmp=True, static_routes=(StaticRoute(at="r2", to="h2"),))

    found = CandidateFinder(made).ways("h1", "h2")

    assert listed(found) == {"h1 r1 r2 (black hole at r2)": 0.5, "h1 r1 r3 r4 h2": 0.5}
    assert crossings(found)["r4>h2"] == 0.5


def test_a_circle_is_a_loop_and_the_rest_still_arrives() -> None:
    made = network(*DIAMOND, ecmp=True, static_routes=(StaticRoute(at="r2", to="h2", via="r1"),))

    found = CandidateFinder(made).ways("h1", "h2")

    assert listed(found) == {"h1 r1 r2 r1 (loop at r1)": 0.5, "h1 r1 r3 r4 h2": 0.5}
    assert crossings(found)["r2>r1"] == 0.5 and not found.more


def test_ways_walked_around_a_circle_are_bounded() -> None:
    rungs = 14
    links = ["h1-r00a", f"r{rungs:02}a-h2"]
    for one in range(rungs):
        links += [f"r{one:02}a-r{one:02}b", f"r{one:02}a-r{one:02}c"]
        links += [f"r{one:02}b-r{one + 1:02}a", f"r{one:02}c-r{one + 1:02}a"]
    loop = StaticRoute(at=f"r{rungs:02}a", to="h2", via=f"r{rungs - 1:02}b")

    found = CandidateFinder(network(*links, ecmp=True, static_routes=(loop,))).ways("h1", "h2")

    assert found.more and found.count == MOST_WALKED


def test_a_source_route_is_the_one_way_of_its_pair() -> None:
    made = network(*DIAMOND, ecmp=True, source_routes=(SourceRoute(source="h1", target="h2", path=("r1", "r3", "r4")),))

    pair = CandidateFinder(made).pair("h1", "h2")

    assert list(listed(pair.there)) == ["h1 r1 r3 r4 h2"] and pair.back.count == 2


def test_a_lan_lies_on_the_way() -> None:
    made = network("h1-s1", "r1-s1", "r2-s1", "r1-r3", "r2-r3", "r3-h2", ecmp=True)

    found = CandidateFinder(made).ways("h1", "h2")

    assert listed(found) == {"h1 s1 r1 r3 h2": 0.5, "h1 s1 r2 r3 h2": 0.5}
    assert crossings(found)["h1>s1"] == 1


def test_a_way_that_a_kernel_told_is_certain() -> None:
    directions = path_directions(network(*DIAMOND), "h1", "h2")

    found = known_way("h1", "h2", directions)

    assert found.certain and found.ways[0].nodes == ("h1", "r1", "r2", "r4", "h2")
    assert {one.probability for one in found.crossings} == {1.0}


@given(networks())
@settings(max_examples=60, deadline=None)
def test_ways_follow_the_routes_that_the_kernel_is_given(made: Network) -> None:
    spread = Network(name="n", nodes=made.nodes, links=made.links, ecmp=True)
    fabric = address(spread)
    hops = {(one.node, one.destination): one.hops for one in shortest_routes(spread, fabric, partial=True)}
    finder = CandidateFinder(spread)
    names = [host.id for host in spread.hosts]

    for source, target in ((one, other) for one in names for other in names if one != other):
        found = finder.ways(source, target)
        assert sum(way.probability for way in found.ways) + found.unlisted == pytest.approx(1)
        if found.ways[0].fault:
            continue
        arriving = sum(one.probability for one in found.crossings if one.direction.target == target)
        assert arriving == pytest.approx(1)
        if len(found.ways) < found.count:
            continue
        leaving: dict[str, set[str]] = {}
        for step in (step for way in found.ways for step in way.directions):
            if spread.nodes_by_id[step.source].kind == "router":
                leaving.setdefault(step.source, set()).add(fabric.by_direction[step].name)
        for node, interfaces in leaving.items():
            assert interfaces == {interface for _, interface in hops[node, fabric.node_address[target]]}
