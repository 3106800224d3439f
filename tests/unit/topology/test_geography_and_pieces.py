"""Distance, and whether a map hangs together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowlab.topology.geography import fibre_delay_ns, great_circle_km
from shadowlab.topology.pieces import describe_pieces, pieces

PLACES = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


def test_a_quarter_of_the_earth() -> None:
    kilometres = great_circle_km((0, 0), (0, 90))

    assert kilometres == pytest.approx(10007.56, abs=0.01)


def test_a_millisecond_is_two_hundred_kilometres_of_fibre() -> None:
    assert fibre_delay_ns(200) == 1_000_000


@given(PLACES, PLACES, PLACES)
def test_distance_is_symmetric_and_a_detour_is_never_shorter(
    a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]
) -> None:
    direct, back, detour = great_circle_km(a, b), great_circle_km(b, a), great_circle_km(a, c) + great_circle_km(c, b)

    assert direct == pytest.approx(back)
    assert direct <= detour + 1e-3


def test_pieces_come_largest_first_in_map_order() -> None:
    found = pieces("abcdef", [("b", "a"), ("f", "c"), ("c", "d")])

    assert found == [["c", "d", "f"], ["a", "b"], ["e"]]


def test_many_pieces_are_summed_up() -> None:
    words = describe_pieces([["a", "b"], ["c"], ["d"], ["e"], ["f"], ["g"], ["h"]])

    assert words == (
        "the map is in 7 pieces: 2 nodes (such as `a`), 1 node (`c`), 1 node (`d`), 1 node (`e`), 1 node (`f`) "
        "and 2 smaller ones"
    )


@given(st.lists(st.tuples(st.sampled_from("abcdefg"), st.sampled_from("abcdefg")), max_size=10))
def test_pieces_hold_every_node_once_and_no_link_joins_two(pairs: list[tuple[str, str]]) -> None:
    found = pieces("abcdefg", pairs)

    assert sorted(node for piece in found for node in piece) == list("abcdefg")
    assert all((a in piece) == (b in piece) for a, b in pairs for piece in found)
