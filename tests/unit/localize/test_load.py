"""A delay that the load explains, and one that it does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shadowlab.localize.load import explained_by_load
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Direction, Link, Network, Node
from shadowlab.model.verdict import PathEvidence, Suspect

THERE = Direction(link="ab", source="a", target="b")
ON = Direction(link="bc", source="b", target="c")
NETWORK = Network(
    name="three",
    nodes=tuple(Node(id=name, kind="router") for name in "abc"),
    links=tuple(
        Link(id=one.link, a=one.source, b=one.target, forward=Impairment(rate_bps=12_000_000)) for one in (THERE, ON)
    ),
)


def suspect(delay_ms: float, loss: float = 0.0) -> Suspect:
    return Suspect(
        directions=(THERE,),
        score=9.0,
        posterior=1.0,
        loss=loss,
        excess_delay_ns=delay_ms * 1e6,
        paths_affected=1,
        paths_crossing=1,
    )


@pytest.mark.parametrize(
    ("delay_ms", "load", "explained"),
    [(1.0, 0.5, True), (4.0, 0.5, False), (40.0, 0.95, True), (1e6, 1.0, True), (0.1, 0.01, False)],
)
def test_a_packet_of_a_millisecond_waits_for_a_few_others(delay_ms: float, load: float, explained: bool) -> None:
    assert explained_by_load(suspect(delay_ms), {THERE: load}, NETWORK) is explained


def test_loss_and_a_load_that_has_not_grown_explain_nothing() -> None:
    assert not explained_by_load(suspect(1.0, loss=0.01), {THERE: 0.9}, NETWORK)
    assert not explained_by_load(suspect(1.0), {}, NETWORK)


def test_what_is_late_on_a_way_may_wait_wherever_the_load_has_grown_on_it() -> None:
    load = {THERE: 0.5, ON: 0.6}

    def late(delay_ms: float) -> list[PathEvidence]:
        found = PathEvidence(path="a→c", directions=(THERE, ON), sent=9, lost=0, affected=True)
        return [replace(found, excess_delay_ns=delay_ms * 1e6)]

    assert explained_by_load(suspect(4.0), load, NETWORK, late(4.0))
    assert not explained_by_load(suspect(4.0), load, NETWORK, late(9.0))
    assert not explained_by_load(suspect(4.0), {ON: 0.6}, NETWORK, late(4.0))
    assert not explained_by_load(suspect(4.0), load, NETWORK)
