"""Shortest paths: what routing intends, and that the routes do exactly that."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowlab.model.fabric import Fabric, Route
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Direction, Link, Network, Node
from shadowlab.topology.addressing import address
from shadowlab.topology.routing import path_directions, reachable, separated_hosts, shortest_routes


def network(*links: str) -> Network:
    """``a-b:3`` is a link with metric 3; names in capitals are hosts."""
    made = []
    for number, text in enumerate(links):
        ends, _, metric = text.partition(":")
        a, b = ends.rstrip("'").split("-")
        delay = Impairment(delay_ns=1000 * (number + 1))
        made.append(Link(id=ends, a=a, b=b, metric=int(metric or 1), forward=delay, backward=delay))
    names = dict.fromkeys(end for link in made for end in (link.a, link.b))
    nodes = tuple(Node(id=name, kind="host" if name.isupper() else "router") for name in names)
    return Network(name="n", nodes=nodes, links=tuple(made))


SQUARE = network("A-a", "B-c", "a-b", "b-c", "a-d", "d-c")


def names(lab: Network, source: str, target: str, **options: frozenset[str] | dict[str, int]) -> str:
    return " ".join(str(one) for one in path_directions(lab, source, target, **options))  # type: ignore[arg-type]


def follow(lab: Network, fabric: Fabric, routes: tuple[Route, ...], source: str, target: str) -> list[str]:
    """The nodes a packet visits when every node takes its longest matching prefix."""
    visited = [source]
    while visited[-1] != target:
        here = [route for route in routes if route.node == visited[-1]]
        fitting = [route for route in here if route.destination == fabric.node_address[target] or route.prefix == 0]
        best = max(fitting, key=lambda route: route.prefix)
        out = next(one for one in fabric.by_node[visited[-1]] if one.name == best.interface)
        assert out.peer_address == best.via
        visited.append(out.peer)
        assert len(visited) <= len(lab.nodes)
    return visited


def test_of_two_equal_ways_the_first_name_wins() -> None:
    assert names(SQUARE, "A", "B") == "A>a a>b b>c c>B"
    assert names(SQUARE, "B", "A") == "B>c c>b b>a a>A"


def test_metrics_decide_and_may_be_replaced() -> None:
    lab = network("A-a", "B-c", "a-b:5", "b-c", "a-d", "d-c")

    assert names(lab, "A", "B") == "A>a a>d d>c c>B"
    assert names(lab, "A", "B", metrics={"a-d": 9}) == "A>a a>b b>c c>B"


def test_an_avoided_link_is_not_used() -> None:
    assert names(SQUARE, "A", "B", avoid=frozenset({"b-c"})) == "A>a a>d d>c c>B"


def test_avoiding_the_only_way_names_the_pair() -> None:
    both = frozenset({"b-c", "d-c"})

    with pytest.raises(ValueError, match="there is no path from A to B without b-c, d-c"):
        path_directions(SQUARE, "A", "B", avoid=both)
    with pytest.raises(ValueError, match="there is no path from A to B without b-c, d-c"):
        shortest_routes(SQUARE, address(SQUARE), avoid=both)
    assert not reachable(SQUARE, "A", "B", avoid=both)
    assert separated_hosts(SQUARE, avoid=both) == ("A", "B")


def test_what_failed_links_cut_off_is_left_without_a_route_on_request() -> None:
    fabric = address(SQUARE)

    routes = shortest_routes(SQUARE, fabric, avoid=frozenset({"b-c", "d-c"}), partial=True)

    assert [route.destination for route in routes if route.node == "a"] == [fabric.node_address["A"]]
    assert [route.destination for route in routes if route.node == "c"] == [fabric.node_address["B"]]


def test_parallel_links_are_told_apart_by_metric_then_name() -> None:
    lab = network("A-a", "B-b", "a-b':1", "a-b:1")

    assert path_directions(lab, "A", "B")[1].link == "a-b"
    assert path_directions(lab, "A", "B", metrics={"a-b": 2})[1].link == "a-b'"


def test_hosts_never_forward() -> None:
    lab = network("A-a", "A-b", "B-a", "C-b", "a-c:10", "c-b:10")

    assert names(lab, "B", "C") == "B>a a>c c>b b>C"
    assert separated_hosts(lab) is None
    assert separated_hosts(network("A-a", "A-b", "B-a", "C-b")) == ("B", "C")
    assert separated_hosts(network("A-B", "B-C")) == ("A", "C")


def test_a_host_with_one_link_needs_one_default_route() -> None:
    fabric = address(SQUARE)

    routes = [route for route in shortest_routes(SQUARE, fabric) if route.node == "A"]

    assert routes == [Route(node="A", destination="0.0.0.0", prefix=0, via="10.128.0.1", interface="to-a")]


def test_a_router_has_one_route_to_every_host() -> None:
    fabric = address(SQUARE)

    routes = [(route.destination, route.interface) for route in shortest_routes(SQUARE, fabric) if route.node == "b"]

    assert routes == [(fabric.node_address["A"], "to-a"), (fabric.node_address["B"], "to-c")]


def test_a_path_to_itself_is_empty() -> None:
    assert path_directions(SQUARE, "a", "a") == ()
    assert reachable(SQUARE, "A", "A")


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="z is not a node of this map"):
        path_directions(SQUARE, "A", "z")
    with pytest.raises(ValueError, match="z is not a node of this map"):
        path_directions(SQUARE, "z", "A")
    with pytest.raises(ValueError, match="avoid: z is not a link of this map"):
        reachable(SQUARE, "A", "B", avoid=frozenset({"z"}))
    with pytest.raises(ValueError, match="link a-b: metric must be at least 1, got 0"):
        path_directions(SQUARE, "A", "B", metrics={"a-b": 0})


@st.composite
def labs(draw: st.DrawFn) -> Network:
    size = draw(st.integers(2, 7))
    routers = "abcdefg"[:size]
    tree = [f"{routers[draw(st.integers(0, n - 1))]}-{routers[n]}" for n in range(1, size)]
    pairs = st.tuples(st.sampled_from(routers), st.sampled_from(routers)).filter(lambda pair: pair[0] < pair[1])
    more = [f"{a}-{b}" for a, b in draw(st.lists(pairs, max_size=6, unique=True))]
    hosts = [f"{host}-{draw(st.sampled_from(routers))}" for host in "XYZ"]
    return network(*(f"{one}:{draw(st.integers(1, 3))}" for one in dict.fromkeys([*tree, *more, *hosts])))


@given(labs())
def test_forwarding_hop_by_hop_follows_the_intended_path(lab: Network) -> None:
    fabric = address(lab)

    routes = shortest_routes(lab, fabric)

    for source, target in (("X", "Y"), ("Y", "X"), ("Z", "X")):
        path = path_directions(lab, source, target)
        assert follow(lab, fabric, routes, source, target) == [source, *(one.target for one in path)]


@given(labs())
def test_metrics_and_delays_add_along_a_path_and_no_path_is_shorter_than_by_way_of_another_node(lab: Network) -> None:
    def length(source: str, target: str) -> int:
        return sum(lab.links_by_id[one.link].metric for one in path_directions(lab, source, target))

    def delay(path: tuple[Direction, ...]) -> int:
        return sum(lab.impairment(one).delay_ns for one in path)

    path = path_directions(lab, "X", "Y")

    assert length("X", "Y") == length("Y", "X")
    assert length("X", "Y") <= length("X", "a") + length("a", "Y")
    assert delay(path) == delay(path[:1]) + delay(path[1:])
    assert delay(path[1:]) == delay(path_directions(lab, path[0].target, "Y"))
