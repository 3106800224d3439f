"""A delay that the load explains, and one that it does not."""

from __future__ import annotations

import pytest

from shadowlab.localize.load import explained_by_load
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Direction, Link, Network, Node
from shadowlab.model.verdict import Suspect

THERE = Direction(link="ab", source="a", target="b")
NETWORK = Network(
    name="two",
    nodes=(Node(id="a", kind="router"), Node(id="b", kind="router")),
    links=(Link(id="ab", a="a", b="b", forward=Impairment(rate_bps=12_000_000)),),
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
