"""What leads from one network to another, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from shadow_example import ACCESS, CORE, NETWORK

from shadowlab.kernel.fake import FakeSegment
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Link, Network, Node, SourceRoute, StaticRoute
from shadowlab.model.queue import Fifo
from shadowlab.shadow.apply import apply
from shadowlab.shadow.diff import diff
from shadowlab.shadow.ops import CreateLink, CreateNode, ImpairEgress, RemoveLink, RemoveNode, SetRoute
from shadowlab.shadow.plan import build_plan
from shadowlab.shadow.shape import EMPTY, Shape, shape_of
from shadowlab.topology.addressing import address
from shadowlab.topology.routing import shortest_routes


def wanted(network: Network, live: Shape = EMPTY) -> Shape:
    fabric = address(network, keep=live.fabric)
    return shape_of(build_plan(network, fabric, shortest_routes(network, fabric, partial=True, aggregate=True)))


LIVE = wanted(NETWORK)

impairments = st.sampled_from((Impairment(), ACCESS, CORE, replace(CORE, queue=Fifo(packets=50))))
names = st.sampled_from(("h1", "h2", "r1", "r2", "r3", "s1"))
KINDS = {"h": "host", "r": "router", "s": "segment"}


@st.composite
def networks(draw: st.DrawFn) -> Network:
    ids = sorted(draw(st.sets(names, min_size=2)))
    stated = draw(st.booleans())
    nodes = tuple(
        Node(
            id=name,
            kind=KINDS[name[0]],  # type: ignore[arg-type]
            addresses=("192.0.2.1",) if stated and name == "h1" else (),
        )
        for name in ids
    )
    links = draw(
        st.lists(
            st.tuples(st.sampled_from("abcde"), st.permutations(ids), impairments, impairments, st.integers(1, 3)),
            max_size=5,
            unique_by=lambda one: one[0],
        )
    )
    return Network(
        name="some",
        nodes=nodes,
        links=tuple(
            Link(id=name, a=ends[0], b=ends[1], forward=there, backward=back, metric=metric)
            for name, ends, there, back, metric in links
        ),
        ipv6=draw(st.booleans()),
        ecmp=draw(st.booleans()),
        **_exceptions(draw, ids, [ends[:2] for _, ends, *_ in links]),
    )


def _exceptions(draw: st.DrawFn, ids: list[str], pairs: list[list[str]]) -> dict[str, Any]:
    if not {"h1", "h2"} <= set(ids):
        return {}
    static = [StaticRoute(at=a, to="h1", via=b) for a, b in pairs if a[0] == "r" and b[0] == "r"]
    static += [StaticRoute(at=name, to="h2") for name in ids if name[0] == "r"]
    made = draw(st.lists(st.sampled_from(static), max_size=2, unique_by=lambda one: (one.at, one.to))) if static else []
    source = SourceRoute(source="h1", target="h2", path=("r1",))
    return {
        "static_routes": tuple(made),
        "source_routes": (source,) if "r1" in ids and draw(st.booleans()) else (),
    }


@given(a=networks(), b=networks())
def test_applying_the_difference_gives_what_is_wanted_and_a_second_difference_is_empty(a: Network, b: Network) -> None:
    live = wanted(a)
    want = wanted(b, live)

    after = shape_of((change.op for change in diff(live, want)), live)

    assert after == want
    assert diff(after, want) == ()


@given(a=networks(), b=networks())
def test_the_kernel_takes_every_difference_and_then_holds_what_is_wanted(a: Network, b: Network) -> None:
    live = wanted(a)
    want = wanted(b, live)

    with FakeSegment() as segment, FakeSegment() as fresh:
        apply([change.op for change in diff(EMPTY, live)], segment)
        apply([change.op for change in diff(live, want)], segment)
        apply([change.op for change in diff(EMPTY, want)], fresh)

        assert set(segment.namespaces()) == set(fresh.namespaces())
        for node in fresh.namespaces():
            assert segment.routes(node) == fresh.routes(node)
            assert segment.rules(node) == fresh.rules(node)
            assert segment.bridge_ports(node) == fresh.bridge_ports(node)
            assert set(fresh.neighbours(node)) == set(segment.neighbours(node))
            assert sorted(segment.addresses(node)) == sorted(fresh.addresses(node))
            carrying = {name: up for name, up in segment.links(node).items() if not name.startswith("i.")}
            assert carrying == {name: up for name, up in fresh.links(node).items() if not name.startswith("i.")}


@given(a=networks(), b=networks())
def test_what_stays_keeps_its_addresses_and_names(a: Network, b: Network) -> None:
    live = wanted(a)
    stated = {text for node in b.nodes for text in node.addresses}

    want = wanted(b, live)

    for name, node in want.nodes.items():
        if name in live.nodes and not b.nodes_by_id[name].addresses and live.nodes[name].address not in stated:
            assert node.address == live.nodes[name].address
    for link in b.links:
        old = live.links.get(link.id)
        if old is not None and {old.node_a, old.node_b} == {link.a, link.b}:
            assert {want.links[link.id].address_a, want.links[link.id].address_b} == {old.address_a, old.address_b}


def test_nothing_differs_from_itself() -> None:
    assert diff(LIVE, LIVE) == ()
    assert diff(LIVE, wanted(NETWORK, LIVE)) == ()


def test_everything_differs_from_nothing_and_the_difference_is_the_plan_without_what_does_nothing() -> None:
    ops = [change.op for change in diff(EMPTY, LIVE)]

    assert shape_of(ops) == LIVE
    assert {change.reason for change in diff(EMPTY, LIVE) if isinstance(change.op, CreateNode | CreateLink)} == {
        "new on the map"
    }
    assert not any(isinstance(op, ImpairEgress) and op.direction == "r2>h2" for op in ops)


def test_a_changed_delay_is_one_change_in_place_and_says_what_it_was() -> None:
    slower = replace(CORE, delay_ns=7_000_000)
    link = NETWORK.links_by_id["r1-r2"]

    [change] = diff(LIVE, wanted(NETWORK.with_links(replace(link, forward=slower)), LIVE))

    assert isinstance(change.op, ImpairEgress)
    assert change.op.impairment == slower
    assert change.reason == f"it is {CORE.describe()}"
    assert "delay 7 ms" in change.describe()


def test_zero_means_zero() -> None:
    bare = replace(NETWORK.links_by_id["h1-r1"], forward=Impairment())

    [change] = diff(LIVE, wanted(NETWORK.with_links(bare), LIVE))

    assert change.op.impairment == Impairment()
    assert change.reason == "the map wants none"


def test_a_new_metric_moves_routes_and_touches_no_link() -> None:
    longer = replace(NETWORK.links_by_id["r1-r2"], metric=9)

    changes = diff(LIVE, wanted(NETWORK.with_links(longer), LIVE))

    assert changes
    assert all(isinstance(change.op, SetRoute) for change in changes)
    assert all(change.reason.startswith("it leads via 10.") for change in changes)


def test_routes_leave_a_link_before_it_goes() -> None:
    without = replace(NETWORK, links=tuple(link for link in NETWORK.links if link.id != "r1-r2"))

    ops = [change.op for change in diff(LIVE, wanted(without, LIVE))]

    assert isinstance(ops[-1], RemoveLink)
    assert ops[-1].link == "r1-r2"
    assert {type(op) for op in ops[:-1]} == {SetRoute}


def test_a_node_goes_after_its_links() -> None:
    without = replace(
        NETWORK,
        nodes=tuple(node for node in NETWORK.nodes if node.id != "r3"),
        links=tuple(link for link in NETWORK.links if "r3" not in (link.a, link.b)),
    )

    ops = [change.op for change in diff(LIVE, wanted(without, LIVE))]

    assert [type(op) for op in ops] == [RemoveLink, RemoveLink, RemoveNode]


def test_a_link_with_another_end_is_made_anew() -> None:
    moved = replace(NETWORK.links_by_id["r1-r3"], a="r1", b="r2")

    changes = diff(LIVE, wanted(NETWORK.with_links(moved), LIVE))

    assert changes[0].op.describe().startswith("link r1-r3: remove")
    assert changes[0].reason == "to be made anew: its ends are r1 and r2 on the map"
