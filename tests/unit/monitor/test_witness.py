"""Whether packets and routing tables agree, also over a LAN, whose segment has no address and counts no hops."""

from __future__ import annotations

import itertools

import pytest

from shadowlab.model.network import Direction, Link, Network, Node
from shadowlab.monitor.tracing.question import Hop, Outcome, Question, Traced
from shadowlab.monitor.tracing.witness import agree
from shadowlab.shadow.trace import Trace, TraceFault
from shadowlab.topology.addressing import address, gateways_of, leaving_of, owners_of

ASKED = Question(source="a", target="b")


def seen(outcome: Outcome, at: str, *nodes: str) -> Traced:
    hops = tuple(Hop(hops=one, node=node, address="", sent=1, round_trips_ns=()) for one, node in enumerate(nodes, 1))
    return Traced(
        question=ASKED,
        outcome=outcome,
        at=at,
        why="",
        hops=hops,
        sent=0,
        there_ns=(),
        back_ns=(),
        lost_there=0,
        lost_back=0,
    )


def told(*nodes: str, fault: TraceFault | None = None) -> Trace:
    pairs = itertools.pairwise(nodes)
    return Trace(directions=tuple(Direction(link=f"{a}{b}", source=a, target=b) for a, b in pairs), fault=fault)


@pytest.mark.parametrize(
    ("packets", "tables", "holds"),
    [
        (seen("arrived", "b", "r", "b"), told("a", "r", "b"), True),
        (seen("arrived", "b", "s", "b"), told("a", "r", "b"), False),
        (seen("arrived", "b", "r", "", "b"), told("a", "r", "b"), False),
        (seen("black hole", "r", "r"), told("a", "r", "b"), False),
        (seen("black hole", "a"), told("a", "r", fault=TraceFault(kind="black hole", at="r")), True),
        (seen("black hole", "r", "r"), told("a", "r", fault=TraceFault(kind="black hole", at="r")), True),
        (seen("black hole", "b", "r", "b"), told("a", "r", fault=TraceFault(kind="black hole", at="r")), False),
        (seen("loop", "r", "r", "s", "r"), told("a", "r", "s", "r", fault=TraceFault(kind="loop", at="r")), True),
        (seen("black hole", "r", "r"), told("a", "r", "s", "r", fault=TraceFault(kind="loop", at="r")), False),
    ],
)
def test_packets_agree_with_the_tables_or_do_not(packets: Traced, tables: Trace, holds: bool) -> None:
    assert agree(tables.nodes, tables, packets) is holds


def test_every_address_has_its_owner_and_a_segment_has_none() -> None:
    network = Network(
        name="lan",
        nodes=(
            Node(id="a", kind="host"),
            Node(id="r", kind="router"),
            Node(id="s", kind="router"),
            Node(id="sw", kind="segment"),
        ),
        links=(Link(id="ar", a="a", b="r"), Link(id="rsw", a="r", b="sw"), Link(id="ssw", a="s", b="sw")),
    )
    fabric = address(network)

    owners = owners_of(fabric)

    assert set(owners.values()) == {"a", "r", "s"}
    assert "" not in owners
    assert {owners[text] for text in gateways_of(fabric)} == {"r", "s"}
    assert set(leaving_of(fabric)) == {f"{one.node}/{one.name}" for one in fabric.interfaces}
