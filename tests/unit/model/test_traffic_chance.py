"""Chance and distributions: the same draws everywhere, and the distribution that was asked for."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowlab.model.traffic.chance import Chance
from shadowlab.model.traffic.distribution import Distribution, Family, constant

MANY = 20_000
EXAMPLES = (
    Distribution(family="constant", parameters=(5.0,)),
    Distribution(family="uniform", parameters=(2.0, 6.0)),
    Distribution(family="exponential", parameters=(3.0,)),
    Distribution(family="lognormal", parameters=(10.0, 0.5)),
    Distribution(family="pareto", parameters=(1.0, 100.0, 1.2)),
    Distribution(family="pareto", parameters=(1.0, 100.0, 1.0)),
    Distribution(family="weibull", parameters=(4.0, 1.5)),
    Distribution(family="empirical", points=((1.0, 0.25), (3.0, 0.5), (10.0, 1.0))),
)


def test_a_stream_is_a_function_of_its_names() -> None:
    # The first numbers of the stream, so that no later Python or machine may draw others unnoticed.
    assert [Chance(1, "web", 7).bits() for _ in range(2)] == [Chance(1, "web", 7).bits()] * 2
    one = Chance(1, "web")
    assert [one.bits() for _ in range(3)] == [12179823084319739962, 7842125650805519302, 1905505514759447252]
    assert Chance(1, "web").bits() != Chance(2, "web").bits() != Chance(1, "web", "").bits()


@pytest.mark.parametrize("one", EXAMPLES, ids=lambda one: f"{one.family}-{len(one.parameters)}")
def test_draws_have_the_mean_and_the_quantiles_that_are_told(one: Distribution) -> None:
    chance = Chance(3, one.family)
    drawn = sorted(one.draw(chance) for _ in range(MANY))
    spread = math.sqrt(sum((value - one.mean()) ** 2 for value in drawn) / MANY)
    assert abs(sum(drawn) / MANY - one.mean()) <= 4 * spread / math.sqrt(MANY) + 1e-12
    for share in (0.1, 0.5, 0.9):
        below = sum(value <= one.quantile(share) for value in drawn) / MANY
        assert below == 1 or abs(below - share) < 0.02 or drawn.count(one.quantile(share)) > 0


@given(st.sampled_from(EXAMPLES), st.floats(0, 0.999999), st.floats(0.01, 100))
def test_scaling_scales_every_quantile(one: Distribution, share: float, factor: float) -> None:
    assert one.scaled(factor).quantile(share) == pytest.approx(one.quantile(share) * factor, rel=1e-9)


@given(st.sampled_from(EXAMPLES), st.floats(0, 0.999999), st.floats(0, 0.999999))
def test_quantiles_ascend(one: Distribution, first: float, second: float) -> None:
    low, high = sorted((first, second))
    assert one.quantile(low) <= one.quantile(high) * (1 + 1e-12)


@pytest.mark.parametrize(
    ("family", "parameters", "words"),
    [
        ("lognormal", (1.0,), "takes median, sigma"),
        ("exponential", (0.0,), "mean must be finite and above zero"),
        ("pareto", (5.0, 1.0, 1.0), "least must not be above most"),
        ("pareto", (0.0, 1.0, 1.0), "least must be above zero"),
        ("constant", (math.inf,), "value must be finite and above zero"),
        ("empirical", (), "give at least one point"),
    ],
)
def test_parameters_out_of_range_are_told(family: Family, parameters: tuple[float, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Distribution(family=family, parameters=parameters)


def test_points_must_ascend_to_one() -> None:
    with pytest.raises(ValueError, match="last share must be 1"):
        Distribution(family="empirical", points=((1.0, 0.5),))
    with pytest.raises(ValueError, match="must ascend"):
        Distribution(family="empirical", points=((2.0, 0.5), (1.0, 1.0)))


def test_whole_numbers_keep_their_least() -> None:
    assert constant(0.2).whole(Chance(1), least=1) == 1
    with pytest.raises(ValueError, match="nothing lies below 0"):
        Chance(1).below(0)
