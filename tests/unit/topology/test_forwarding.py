"""Tables of next hops, the prefixes that say the same, and exceptions to them."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadowlab.model.fabric import Fabric, Route
from shadowlab.model.network import Direction, Link, Network, Node, SourceRoute, StaticRoute
from shadowlab.topology.addressing import address
from shadowlab.topology.forwarding.aggregate import ANY_WAY, NO_WAY, Tree
from shadowlab.topology.forwarding.exceptions import findings
from shadowlab.topology.forwarding.graph import Graph
from shadowlab.topology.forwarding.tables import tables
from shadowlab.topology.routing import intended_way, path_directions, shortest_routes

KINDS = {"h": "host", "r": "router", "s": "segment"}


def network(*links: str, **options: object) -> Network:
    """``r1-r2:3`` is a link with metric 3, ``r1-r2:3/5`` one with another metric back; h: hosts, s: segments."""
    made = []
    for text in links:
        ends, _, metric = text.partition(":")
        there, _, back = metric.partition("/")
        a, b = ends.split("-")
        made.append(Link(id=ends, a=a, b=b, metric=int(there or 1), metric_backward=int(back) if back else None))
    names = dict.fromkeys(end for link in made for end in (link.a, link.b))
    nodes = tuple(Node(id=name, kind=KINDS[name[0]]) for name in names)  # type: ignore[arg-type]
    return Network(name="n", nodes=nodes, links=tuple(made), **options)  # type: ignore[arg-type]


def chosen(routes: tuple[Route, ...], node: str, target: str, source: str = "") -> tuple[tuple[str, str], ...] | None:
    """The next hops that the longest matching prefix has; None: no route."""
    here = [one for one in routes if one.node == node and one.source in ("", source)]
    found = [one for one in here if ip_address(target) in ip_network((one.destination, one.prefix))]
    best = max(found, key=lambda one: (one.source != "", one.prefix), default=None)
    return None if best is None else best.hops


def words(way: tuple[Direction, ...]) -> str:
    return " ".join(f"{one.source}>{one.target}" for one in way)


@st.composite
def networks(draw: st.DrawFn) -> Network:
    count = draw(st.integers(1, 6))
    routers = [f"r{number}" for number in range(count)]
    places = [*routers, *(["s0"] if draw(st.booleans()) else [])]
    links = [f"{draw(st.sampled_from(places[:n]))}-{places[n]}" for n in range(1, len(places))]
    pairs = st.tuples(st.sampled_from(routers), st.sampled_from(places)).filter(lambda pair: pair[0] < pair[1])
    links += [f"{a}-{b}" for a, b in draw(st.lists(pairs, max_size=5))]
    links += [f"h{number}-{draw(st.sampled_from(places))}" for number in range(draw(st.integers(2, 7)))]
    links += [f"h0-{draw(st.sampled_from(routers))}"] if draw(st.booleans()) else []
    metrics = st.integers(1, 3)
    stated = [f"{one}:{draw(metrics)}/{draw(metrics)}" for one in dict.fromkeys(links)]
    return network(*stated, ecmp=draw(st.booleans()), ipv6=draw(st.booleans()))


@settings(deadline=None)
@given(networks(), st.data())
def test_prefixes_lead_every_host_as_one_route_for_each_does(lab: Network, data: st.DataObject) -> None:
    avoid = frozenset(data.draw(st.lists(st.sampled_from([link.id for link in lab.links]), max_size=2)))
    fabric = address(lab)

    plain = shortest_routes(lab, fabric, avoid=avoid, partial=True)
    few = shortest_routes(lab, fabric, avoid=avoid, partial=True, aggregate=True)

    assert len(few) <= len(plain)
    for node in lab.nodes:
        for host in lab.hosts:
            if host.id != node.id:
                for book in filter(None, (fabric.node_address, fabric.node_address6)):
                    target = book[host.id]
                    assert chosen(few, node.id, target) == chosen(plain, node.id, target)


@settings(deadline=None)
@given(networks())
def test_no_prefix_of_a_router_lies_inside_another(lab: Network) -> None:
    routes = shortest_routes(lab, address(lab), partial=True, aggregate=True)

    for node in lab.nodes:
        mine = [ip_network((one.destination, one.prefix)) for one in routes if one.node == node.id]
        if node.kind == "router":
            for one in mine:
                assert not any(one != other and one.version == other.version and one.overlaps(other) for other in mine)


@settings(deadline=None)
@given(networks())
def test_whole_tables_take_the_exits_of_dijkstra(lab: Network) -> None:
    graph = Graph(lab)
    hosts = [host.id for host in lab.hosts]

    found = tables(graph, hosts)

    for column, host in enumerate(hosts):
        assert found.first[:, column].tolist() == graph.toward(host)


@given(st.lists(st.integers(0, 255), min_size=1, unique=True), st.data())
def test_blocks_hold_what_they_are_given(numbers: list[int], data: st.DataObject) -> None:
    ways = [data.draw(st.sampled_from((0, 1, NO_WAY, ANY_WAY))) for _ in numbers]

    [blocks] = Tree([f"10.0.0.{number}" for number in numbers]).blocks(np.array([ways], dtype=np.int32))

    for number, way in zip(numbers, ways, strict=True):
        inside = [one.way for one in blocks if ip_address(f"10.0.0.{number}") in ip_network((one.address, one.length))]
        assert len(inside) <= 1
        if way == NO_WAY:
            assert inside == []
        elif way != ANY_WAY:
            assert inside == [way]


def test_hosts_of_one_place_are_one_prefix_to_all_others() -> None:
    lab = network("r1-r2", "r2-r3", *(f"h{place}{number}-r{place}" for place in (3, 1, 2) for number in range(4)))
    fabric = address(lab)

    routes = [one for one in shortest_routes(lab, fabric, aggregate=True) if one.node == "r1"]

    far = [one for one in routes if one.interface == "to-r2"]
    assert {one.prefix for one in far} <= {29, 30}
    assert len(far) <= 2
    assert len(routes) == len(far) + 4


def test_a_metric_may_differ_by_direction() -> None:
    lab = network("h1-r1", "h2-r2", "r1-r2:1/9", "r1-r3", "r3-r2")

    assert words(path_directions(lab, "h1", "h2")) == "h1>r1 r1>r2 r2>h2"
    assert words(path_directions(lab, "h2", "h1")) == "h2>r2 r2>r3 r3>r1 r1>h1"


def test_a_segment_is_crossed_in_two_directions_and_is_nobodys_next_hop() -> None:
    lab = network("h1-s1", "h2-s1", "r1-s1", "r1-h3", ipv6=True)
    fabric = address(lab)

    routes = shortest_routes(lab, fabric)

    assert words(path_directions(lab, "h1", "h3")) == "h1>s1 s1>r1 r1>h3"
    assert words(path_directions(lab, "h1", "h2")) == "h1>s1 s1>h2"
    lan = {one.node: one for one in fabric.interfaces if one.peer == "s1"}
    assert chosen(routes, "h1", fabric.node_address["h3"]) == ((lan["r1"].address, "to-s1"),)
    assert chosen(routes, "h1", fabric.node_address["h2"]) == ((lan["h2"].address, "to-s1"),)
    assert chosen(routes, "r1", fabric.node_address6["h2"]) == ((lan["h2"].address6, "to-s1"),)
    assert not any(one.node == "s1" for one in routes)
    with pytest.raises(ValueError, match="s1 is a segment: packets pass it, none begin or end there"):
        path_directions(lab, "h1", "s1")


def test_the_way_into_a_segment_counts_and_the_way_out_does_not() -> None:
    lab = network("h1-r1", "h2-r2", "r1-s1:4/50", "s1-r2:50/4", "r1-r2:5")

    assert words(path_directions(lab, "h1", "h2")) == "h1>r1 r1>s1 s1>r2 r2>h2"
    assert words(path_directions(lab, "h1", "h2", metrics={"r1-s1": 6})) == "h1>r1 r1>r2 r2>h2"


def test_with_ecmp_a_route_has_every_next_hop_of_equal_cost() -> None:
    lab = network("h1-r1", "h2-r4", "r1-r2", "r1-r3", "r2-r4", "r3-r4", "r1-r4:3", ecmp=True)
    fabric = address(lab)

    routes = shortest_routes(lab, fabric)

    hops = chosen(routes, "r1", fabric.node_address["h2"])
    assert hops is not None
    assert [name for _, name in hops] == ["to-r2", "to-r3"]
    assert len(chosen(routes, "r2", fabric.node_address["h2"]) or ()) == 1


RING = ("h1-r1", "h2-r3", "h3-r4", "r1-r2", "r2-r3", "r3-r4", "r4-r1")


def test_a_static_route_leads_elsewhere_until_its_link_fails() -> None:
    lab = network(*RING, static_routes=(StaticRoute(at="r1", to="h2", via="r4"),))

    assert words(path_directions(lab, "h1", "h2")) == "h1>r1 r1>r4 r4>r3 r3>h2"
    assert words(path_directions(lab, "h1", "h2", avoid=frozenset({"r4-r1"}))) == "h1>r1 r1>r2 r2>r3 r3>h2"
    assert findings(lab) == ()


def test_a_black_hole_is_a_route_and_a_finding() -> None:
    lab = network(*RING, static_routes=(StaticRoute(at="r2", to="h2"),))
    fabric = address(lab)

    assert chosen(shortest_routes(lab, fabric), "r2", fabric.node_address["h2"]) == ()
    assert intended_way(lab, "h1", "h2").fault == "black hole at r2"
    assert findings(lab) == ("h2 is unreachable from h1: black hole at r2",)


def test_two_static_routes_make_a_loop_which_is_told() -> None:
    loop = (StaticRoute(at="r1", to="h2", via="r4"), StaticRoute(at="r4", to="h2", via="r1"))

    lab = network(*RING, static_routes=loop)

    assert findings(lab) == ("h2 is unreachable from h1: loop at r1", "h2 is unreachable from h3: loop at r4")
    with pytest.raises(ValueError, match=r"there is no path from h1 to h2 \(loop at r1\)"):
        path_directions(lab, "h1", "h2")


def test_a_source_route_is_for_one_pair_only() -> None:
    pair = SourceRoute(source="h1", target="h2", path=("r1", "r4", "r3"))
    lab = network(*RING, "h4-r1", source_routes=(pair,))
    fabric: Fabric = address(lab)

    routes = shortest_routes(lab, fabric, aggregate=True)

    assert words(path_directions(lab, "h1", "h2")) == "h1>r1 r1>r4 r4>r3 r3>h2"
    assert words(path_directions(lab, "h4", "h2")) == "h4>r1 r1>r2 r2>r3 r3>h2"
    own = [one for one in routes if one.source]
    assert [(one.node, one.interface, one.table) for one in own] == [
        ("r1", "to-r4", 1000),
        ("r3", "to-h2", 1000),
        ("r4", "to-r3", 1000),
    ]
    assert {one.source for one in own} == {fabric.node_address["h1"]}
    target = fabric.node_address["h2"]
    assert chosen(routes, "r1", target, fabric.node_address["h1"]) != chosen(routes, "r1", target)
