"""Loops and black holes: what routes and silence say before any statistics."""

from __future__ import annotations

from itertools import pairwise

import pytest

from shadowlab.localize.routing_state import looped_directions, with_black_holes
from shadowlab.model.network import Direction
from shadowlab.model.verdict import FaultDomain, Suspect

S = 10**9


def way(*nodes: str) -> tuple[Direction, ...]:
    return tuple(Direction(link="-".join(sorted(pair)), source=pair[0], target=pair[1]) for pair in pairwise(nodes))


def suspect(*directions: Direction, loss: float = 0.6) -> Suspect:
    return Suspect(directions=directions, score=9.0, posterior=1.0, loss=loss, excess_delay_ns=0.0, paths_affected=1,
                   paths_crossing=1, fault="loss")  # fmt: skip


def domain(*suspects: Suspect) -> FaultDomain:
    return FaultDomain(links=("b-c",), kind="loss", onset_ns=0, confidence=1.0, suspects=suspects, runners_up=(),
                       affected_paths=("a→d",), affected_flows=())  # fmt: skip


def test_a_way_that_comes_back_to_a_node_loops_from_that_node_on_and_only_after_the_baseline() -> None:
    ways = [
        (0, "a→d", way("a", "b", "c", "d")),
        (30 * S, "a→d", way("a", "b", "c", "b")),
        (5 * S, "x→d", way("x", "x")),
    ]

    assert looped_directions(ways, 25 * S, 40 * S) == dict.fromkeys(way("b", "c", "b"), 30 * S)
    assert looped_directions(ways, 25 * S, 29 * S) == {}
    assert looped_directions([(30 * S, "a→d", ())], 25 * S, 40 * S) == {}


def test_what_no_path_comes_through_any_more_is_a_black_hole() -> None:
    crossing = {"a→d": way("a", "b", "c", "d"), "b→d": way("b", "c", "d"), "a→b": way("a", "b")}
    bad = suspect(*way("b", "c"))

    found = with_black_holes(domain(bad), crossing, {"a→d", "b→d"})

    assert (found.kind, found.suspects[0].fault, found.suspects[0].loss) == ("black hole", "black hole", 0.6)
    assert (found.links, found.confidence) == (("b-c",), 1.0)


@pytest.mark.parametrize(
    ("one", "silent"),
    [
        (suspect(*way("b", "c")), {"a→d"}),
        (suspect(*way("b", "c"), loss=0.0), {"a→d", "b→d"}),
        (suspect(*way("y", "z")), {"a→d", "b→d"}),
    ],
    ids=["another path still comes through", "it only delays", "no path crosses it"],
)
def test_a_suspect_stays_what_it_is_where_silence_does_not_say_so(one: Suspect, silent: set[str]) -> None:
    crossing = {"a→d": way("a", "b", "c", "d"), "b→d": way("b", "c", "d")}

    before = domain(one)

    assert with_black_holes(before, crossing, silent) == before


def test_beside_a_suspect_that_only_loses_the_domain_keeps_its_kind() -> None:
    crossing = {"a→d": way("a", "b", "c", "d"), "b→c": way("b", "c")}

    found = with_black_holes(domain(suspect(*way("c", "d")), suspect(*way("b", "c"))), crossing, {"a→d"})

    assert [one.fault for one in found.suspects] == ["black hole", "loss"]
    assert found.kind == "loss"
