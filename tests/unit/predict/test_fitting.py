"""Which factor brings a run into its budget."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowlab.predict.budget import GUEST_PACKET_HOPS_PER_S, RUN_OVERHEAD_S, Cost
from shadowlab.predict.fitting import fitting_factor, nearest_factor, whole_wall_s


def costs(*, shrinking: float, kept: float = 0.0, exchanges_s: float = 0.0) -> Callable[[float], Cost]:
    """Of a run with so many packet-hops that shrink with the factor, and so many that do not."""

    def at(factor: float) -> Cost:
        hops = shrinking / factor + kept
        wall_s = RUN_OVERHEAD_S + hops / GUEST_PACKET_HOPS_PER_S + exchanges_s
        return Cost(packet_hops=hops, wall_s=wall_s, exchanges_s=exchanges_s)

    return at


def test_a_run_within_its_budget_is_not_scaled() -> None:
    assert fitting_factor(costs(shrinking=1000), 60) == 1.0


def test_a_run_is_scaled_no_further_than_its_budget_needs() -> None:
    factor = fitting_factor(costs(shrinking=1e8), 60)

    assert factor == pytest.approx(1e8 / (59 * GUEST_PACKET_HOPS_PER_S), rel=0.01)


@given(
    shrinking=st.floats(1e6, 1e9),
    kept=st.floats(0, 1e6),
    exchanges_s=st.floats(0, 5),
    budget_s=st.floats(20, 500),
    rehearsals=st.lists(st.floats(0.1, 1), max_size=4),
)
def test_the_main_run_and_its_rehearsals_meet_the_budget_or_it_is_said_that_they_cannot(
    shrinking: float, kept: float, exchanges_s: float, budget_s: float, rehearsals: list[float]
) -> None:
    cost_at = costs(shrinking=shrinking, kept=kept, exchanges_s=exchanges_s)

    try:
        factor = fitting_factor(cost_at, budget_s, rehearsals)
    except ValueError:
        assert whole_wall_s(cost_at(900), rehearsals) > budget_s
    else:
        assert whole_wall_s(cost_at(factor), rehearsals) <= budget_s
        assert factor == 1 or whole_wall_s(cost_at(factor * 0.98), rehearsals) > budget_s


def test_what_no_factor_can_make_smaller_is_refused_with_its_size() -> None:
    with pytest.raises(ValueError, match="even at 1/1000 of all rates it would take about 101 s"):
        fitting_factor(costs(shrinking=1.0, kept=1.0, exchanges_s=100), 60)


def test_what_comes_near_is_scaled_no_further_than_that() -> None:
    cost_at = costs(shrinking=1e8, kept=1e8)

    factor = nearest_factor(cost_at)

    assert cost_at(factor).wall_s == pytest.approx(1.25 * cost_at(1000).wall_s, rel=0.01)
