"""Figures of runs become predictions with intervals, and tell which variant is worth another run."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowlab.predict.sweep.answer import variant_answer
from shadowlab.predict.sweep.bisection import Headroom, search
from shadowlab.predict.sweep.estimate import interval, predictions, settled
from shadowlab.predict.sweep.figures import LevelFigure, RunFigures, deciding
from shadowlab.predict.sweep.halving import run_again


def run(seed: int, value: float | None, *, variant: str = "v", limit: float = 100.0) -> RunFigures:
    level = LevelFigure(
        level="quick", subject="a→b", kpi="latency_p95_ms", limit=limit, less_is_bad=False, value=value, windows=4
    )
    return RunFigures(variant=variant, seed=seed, levels=(level,))


@given(
    st.lists(st.floats(0, 10), min_size=1, max_size=40),
    st.floats(0, 0.9),
    st.floats(0, 10),
    st.booleans(),
)
def test_the_deciding_value_keeps_a_limit_exactly_if_no_more_windows_break_it_than_tolerated(
    values: list[float], tolerated: float, limit: float, less_is_bad: bool
) -> None:
    broken = sum((limit - one if less_is_bad else one - limit) > 0 for one in values)

    value = deciding(np.array(values), tolerated, less_is_bad=less_is_bad)

    kept = value >= limit if less_is_bad else value <= limit
    assert kept == (broken <= math.floor(tolerated * len(values) + 1e-9))


def test_an_interval_is_student_s_t_over_the_runs() -> None:
    found = interval([1.0, 2.0, 3.0])

    assert found.mean == 2.0
    assert found.half == pytest.approx(4.303 / math.sqrt(3))


def test_what_a_variant_shares_with_the_baseline_cancels_in_the_difference() -> None:
    baseline = [run(seed, 50.0 + 20 * seed) for seed in range(3)]
    variant = [run(seed, 60.0 + 20 * seed) for seed in range(3)]

    (found,) = predictions(variant, baseline)

    assert found.difference is not None
    assert found.predicted is not None
    assert (found.difference.low, found.difference.high) == (10.0, 10.0)
    assert found.predicted.half is not None
    assert found.predicted.half > 20


@pytest.mark.parametrize(
    ("values", "verdict"),
    [((90.0, 91.0), "holds"), ((120.0, 121.0), "breaks"), ((80.0, 110.0), "unsure"), ((None, None), "cut off")],
)
def test_a_verdict_is_sure_only_when_the_whole_interval_is_on_one_side(
    values: tuple[float | None, ...], verdict: str
) -> None:
    (found,) = predictions([run(seed, value) for seed, value in enumerate(values)], [])

    assert found.verdict == verdict


def test_a_run_that_showed_nothing_is_no_evidence_and_no_variant_of_such_runs_holds() -> None:
    answer = variant_answer("v", (), [RunFigures(variant="v", seed=1, fault="void")], [])

    assert not answer.holds
    assert answer.verdict == "no result"
    assert answer.faults == ("void",)


def test_more_runs_are_made_until_the_verdict_is_sure_or_the_interval_narrow() -> None:
    sure = predictions([run(1, 50.0), run(2, 51.0)], [])
    open_ = predictions([run(1, 80.0), run(2, 110.0)], [])
    narrow = predictions([run(1, 99.9), run(2, 100.2)], [])

    assert settled(sure, 0.1)
    assert not settled(open_, 0.1)
    assert settled(narrow, 0.1)


def test_of_many_variants_the_worse_half_is_run_again() -> None:
    found = {f"v{number}": predictions([run(1, 10.0 * number)], []) for number in range(12)}

    again = run_again(found, list(found), 0.1)

    assert again == tuple(f"v{number}" for number in range(11, 5, -1))


def drive(holds_below: float, least: float, most: float, tolerance: float) -> tuple[Headroom, int]:
    asked, answer = search(least, most, tolerance), None
    growth, count = next(asked), 0
    while True:
        count += 1
        try:
            growth = asked.send(growth <= holds_below)
        except StopIteration as end:
            answer = end.value
            return answer, count


@given(st.floats(0.3, 12))
def test_headroom_is_found_by_halving_to_within_its_tolerance(truth: float) -> None:
    found, count = drive(truth, 0.5, 10, 0.05)

    if truth < 0.5:
        assert found == Headroom(holds_at=None, breaks_at=0.5)
    elif truth >= 10:
        assert found == Headroom(holds_at=10, breaks_at=None)
    else:
        assert found.holds_at is not None
        assert found.breaks_at is not None
        assert found.holds_at <= truth < found.breaks_at <= found.holds_at * 1.06
    assert count <= 12
