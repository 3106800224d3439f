"""The next intervention tells most, takes no more than it may, and leads to the faulty component."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowlab.localize.plan import ALL, HALF, NONE, choose, information, updated

EIGHT = {f"c{number}": 1 / 8 for number in range(8)}


def test_draining_half_of_equals_tells_one_bit() -> None:
    left = {name: NONE if number < 4 else ALL for number, name in enumerate(EIGHT)}

    assert information(EIGHT, left, 1000) == pytest.approx(1.0, abs=1e-3)
    assert information(EIGHT, dict.fromkeys(EIGHT, ALL), 1000) == pytest.approx(0.0, abs=1e-9)


def test_few_bad_flows_tell_less() -> None:
    left = {name: NONE if number < 4 else ALL for number, name in enumerate(EIGHT)}

    assert 0 < information(EIGHT, left, 0.5) < information(EIGHT, left, 5) < 1


def test_weights_tell_three_cases_apart_where_flows_are_many() -> None:
    one = choose(EIGHT, 100)

    assert one is not None
    assert one.halved
    assert one.bits > 1.4


def test_without_weights_none_is_halved_and_no_tier_loses_more_than_half() -> None:
    one = choose(EIGHT, 100, tiers=[["c0", "c1", "c2"], ["c3", "c4", "c5", "c6", "c7"]], weights=False)

    assert one is not None
    assert one.halved == ()
    assert len({"c0", "c1", "c2"} & set(one.drained)) <= 1
    assert len(one.drained) <= 3


def test_what_is_sure_needs_no_intervention() -> None:
    assert choose({"a": 0.97, "b": 0.03}, 10) is None
    assert choose({}, 10) is None


@given(
    guilty=st.integers(0, 40),
    size=st.integers(2, 41),
    weights=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_a_sequence_ends_at_the_faulty_one(guilty: int, size: int, weights: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = [f"c{number:02}" for number in range(size)]
    posterior = dict.fromkeys(names, 1 / size)
    truth = names[guilty % size]

    steps = 0
    while (one := choose(posterior, 200, weights=weights)) is not None:
        posterior = updated(posterior, one, 200, int(rng.poisson(200 * one.left[truth])))
        steps += 1

    assert max(posterior, key=lambda name: posterior[name]) == truth
    assert steps <= math.ceil(math.log2(size)) + 1


def test_halving_keeps_half() -> None:
    after = updated({"a": 0.5, "b": 0.5}, type(choose(EIGHT, 9))(left={"a": HALF}, bits=1), 100, 52)  # type: ignore[misc]

    assert after["a"] > 0.99
