"""What two ends say to each other: who, how much, after how long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowlab.model.flow import Dialogue
from shadowlab.model.traffic.chance import Chance
from shadowlab.model.traffic.distribution import constant
from shadowlab.traffic.dialogue import End, Talk, other


def talk(asker: End = "target") -> Talk:
    dialogue = Dialogue(asker=asker, there=constant(1_000), back=constant(10), think_ns=constant(500))
    return Talk(dialogue, Chance(1, "a talk"))


def test_the_asker_asks_the_other_answers_and_the_asker_thinks() -> None:
    one = talk()

    assert one.begin() == 10
    assert one.heard("source", 4) is None
    assert one.heard("source", 6) == 1_000
    assert one.heard("target", 999) is None
    assert one.heard("target", 1) == 0
    assert (one.exchanges, one.asks_at(7)) == (1, 507)


def test_a_source_that_asks_says_the_larger_part_first() -> None:
    one = talk("source")

    assert one.begin() == 1_000
    assert one.heard("target", 1_000) == 10
    assert one.heard("source", 10) == 0


def test_a_factor_divides_the_time_to_think_and_zero_silences() -> None:
    one = talk()
    one.scale(2)
    assert one.asks_at(0) == 250
    one.scale(0)
    assert one.asks_at(0) is None
    with pytest.raises(ValueError, match="-1"):
        one.scale(-1)


@given(asker=st.sampled_from(["source", "target"]), pieces=st.lists(st.integers(1, 400), min_size=50, max_size=99))
def test_an_exchange_is_over_once_whatever_the_pieces_it_comes_in(asker: End, pieces: list[int]) -> None:
    one = talk(asker)
    one.begin()
    end, overs = other(asker), 0

    for piece in pieces:
        says = one.heard(end, piece)
        overs += says == 0
        if says:
            end = other(end)

    assert overs == (1 if one.exchanges else 0)
    assert one.exchanges <= 1
