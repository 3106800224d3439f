"""A network refuses what cannot exist."""

import pytest

from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Direction, Link, Network, Node


def test_a_node_defined_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="node a is defined twice"):
        Network(name="n", nodes=(Node(id="a", kind="host"), Node(id="a", kind="host")), links=())


def test_a_link_to_a_missing_node_is_refused() -> None:
    with pytest.raises(ValueError, match="link l leads to b, which is not a node of this map"):
        Network(name="n", nodes=(Node(id="a", kind="host"),), links=(Link(id="l", a="a", b="b"),))


def test_a_link_to_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="link l leads from a to itself"):
        Link(id="l", a="a", b="a")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"delay_ns": -1}, "delay must not be negative, got -1 ns"),
        ({"loss": 1.5}, r"loss must lie between 0 and 1 \(0 % and 100 %\), got 1.5"),
        ({"rate_bps": 0}, "rate must be above zero; leave it out for an unlimited link, or fail the link by an event"),
        ({"queue_packets": 0}, "queue must hold at least one packet, got 0"),
    ],
)
def test_an_impossible_impairment_is_refused(values: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Impairment(**values)  # type: ignore[arg-type]


def test_the_limit_counts_the_packets_in_flight_and_the_buffer() -> None:
    # 10 Mbit/s for 12.304 ms are ten frames of 1538 bytes on the wire.
    assert Impairment(delay_ns=12_304_000, rate_bps=10_000_000, queue_packets=50).limit_packets() == 10 + 1 + 50


def test_changing_one_direction_leaves_the_other() -> None:
    link = Link(id="a-b", a="a", b="b")

    worse = link.with_impairment(Direction(link="a-b", source="b", target="a"), Impairment(loss=0.1))

    assert (worse.forward.loss, worse.backward.loss) == (0.0, 0.1)


def test_a_direction_of_a_parallel_link_is_named_with_its_link() -> None:
    assert str(Direction(link="a-b", source="b", target="a")) == "b>a"
    assert str(Direction(link="a-b.2", source="b", target="a")) == "a-b.2:b>a"
