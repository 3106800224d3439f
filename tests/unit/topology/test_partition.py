"""A map cut into parts."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Link, Network, Node
from shadowlab.topology.partition import partition

MS = 1_000_000


def ring(count: int, *, short: frozenset[int] = frozenset()) -> Network:
    """Routers in a ring; links of 1 ms where ``short``, else of 10 ms."""
    nodes = tuple(Node(id=f"r{number}", kind="router") for number in range(count))
    links = []
    for number in range(count):
        way = Impairment(delay_ns=MS if number in short else 10 * MS, rate_bps=10**9)
        links.append(Link(id=f"l{number}", a=f"r{number}", b=f"r{(number + 1) % count}", forward=way, backward=way))
    return Network(name="ring", nodes=nodes, links=tuple(links))


@pytest.fixture(params=["METIS", "networkx"])
def cutter(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "networkx":
        monkeypatch.setitem(sys.modules, "pymetis", None)
    return str(request.param)


def test_long_links_are_cut_and_it_is_told_by_whom(cutter: str) -> None:
    found = partition(ring(8, short=frozenset(range(8)) - {1, 5}), {"one": 1, "two": 1})

    assert (found.cut, found.by) == (("l1", "l5"), cutter)
    assert sorted(map(len, (found.nodes_of("one"), found.nodes_of("two")))) == [4, 4]


def test_shares_are_kept(cutter: str) -> None:
    found = partition(ring(40), {"large": 3, "small": 1})

    assert len(found.nodes_of("small")) == pytest.approx(10, abs=1)


def test_a_lan_is_never_cut(cutter: str) -> None:
    net = ring(6)
    members = tuple(Node(id=f"h{number}", kind="host") for number in range(3))
    lan = tuple(Link(id=f"p{one.id}", a=one.id, b="lan") for one in members)
    uplink = (Link(id="up", a="r0", b="lan"),)
    nodes = (*net.nodes, *members, Node(id="lan", kind="segment"))
    net = Network(name="lan", nodes=nodes, links=(*net.links, *lan, *uplink))

    found = partition(net, {"one": 1, "two": 1})

    assert len({found.place[node] for node in ("lan", "r0", "h0", "h1", "h2")}) == 1


@settings(max_examples=25)
@given(st.integers(6, 40), st.integers(1, 5))
def test_every_node_has_a_host_every_host_a_node_and_twice_is_the_same(count: int, hosts: int) -> None:
    shares = {f"h{number}": 1.0 + number for number in range(hosts)}

    found = partition(ring(count), shares)

    assert set(found.place) == {f"r{number}" for number in range(count)}
    assert set(found.place.values()) == set(shares)
    assert found == partition(ring(count), shares)


def test_what_is_homeless_goes_beside_its_neighbours_and_the_rest_stays() -> None:
    before = partition(ring(9), {"a": 1, "b": 1, "c": 1})
    stay = {node: host for node, host in before.place.items() if host != "c"}

    after = partition(ring(9), {"a": 1, "b": 1}, fixed=stay)

    assert stay.items() <= after.place.items()
    assert set(after.place.values()) == {"a", "b"}


def test_more_hosts_than_nodes_are_refused() -> None:
    with pytest.raises(ValueError, match="3 nodes cannot be shared by 4 hosts"):
        partition(ring(3), dict.fromkeys("abcd", 1.0))
