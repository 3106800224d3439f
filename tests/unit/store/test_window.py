"""Windows and steps of series, beside the same sums done one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadowlab.model.kpi import SeriesTable
from shadowlab.store.window import AGGREGATES, Samples, Window, matching, samples_of, tabled

S = 1_000_000_000
BY_HAND = {
    "mean": np.mean,
    "min": np.min,
    "max": np.max,
    "sum": np.sum,
    "last": lambda some: some[-1],
    "count": len,
    "p50": lambda some: np.percentile(some, 50),
    "p90": lambda some: np.percentile(some, 90),
    "p95": lambda some: np.percentile(some, 95),
    "p99": lambda some: np.percentile(some, 99),
}


def samples(rows: list[tuple[int, int, float]]) -> Samples:
    return Samples(
        times_ns=np.array([at for at, _, _ in rows], dtype=np.int64),
        subject=np.array([which for _, which, _ in rows], dtype=np.int64),
        values={"x": np.array([value for _, _, value in rows], dtype=np.float64)},
        subjects=("a", "b", "c"),
    )


def test_the_aggregates_tried_are_all_there_are() -> None:
    assert set(AGGREGATES) == set(BY_HAND)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.integers(1, 60),
            st.integers(0, 2),
            st.one_of(st.just(math.nan), st.floats(-1e6, 1e6, allow_subnormal=False)),
        ),
        max_size=40,
    ).map(sorted),
    window=st.tuples(st.integers(0, 30), st.integers(31, 60), st.integers(1, 20)),
    aggregate=st.sampled_from(sorted(BY_HAND)),
)
def test_a_step_is_what_its_samples_amount_to(
    rows: list[tuple[int, int, float]], window: tuple[int, int, int], aggregate: str
) -> None:
    start, end, every = window

    table = tabled(samples(rows), [2, 0], Window(from_ns=start, to_ns=end, every_ns=every, aggregate=aggregate))

    assert table.subjects == ("c", "a")
    assert table.times_ns.tolist() == [min(at + every, end) for at in range(start, end, every)]
    for step, at in enumerate(range(start, end, every)):
        for place, which in enumerate((2, 0)):
            known = [v for t, w, v in rows if w == which and at < t <= min(at + every, end) and not math.isnan(v)]
            found = table.values["x"][step, place]
            if known or aggregate == "count":
                assert found == pytest.approx(BY_HAND[aggregate](known), rel=1e-9, abs=1e-6)
            else:
                assert math.isnan(found)


def test_without_a_step_the_samples_are_as_they_are() -> None:
    table = SeriesTable(
        times_ns=np.array([S, 2 * S, 3 * S]), subjects=("a", "b"), values={"x": np.arange(6.0).reshape(3, 2)}
    )

    found = tabled(samples_of(table, ["x"]), [1], Window(from_ns=S, to_ns=3 * S))

    assert (found.times_ns.tolist(), found.subjects) == ([2 * S, 3 * S], ("b",))
    assert found.values["x"].tolist() == [[3.0], [5.0]]


def test_a_last_step_that_is_not_whole_ends_with_the_samples() -> None:
    found = tabled(samples([(5, 0, 1.0), (12, 0, 2.0)]), [0], Window(every_ns=10))

    assert (found.times_ns.tolist(), found.values["x"].tolist()) == ([10, 12], [[1.0], [2.0]])


def test_no_samples_are_no_rows() -> None:
    assert len(tabled(samples([]), [0, 1], Window(every_ns=10)).times_ns) == 0
    assert len(tabled(samples([]), [0, 1], Window()).times_ns) == 0


def test_an_aggregate_that_there_is_none_of_and_a_step_of_no_length_are_refused() -> None:
    with pytest.raises(ValueError, match="there is no aggregate 'middle'; there are mean"):
        tabled(samples([(1, 0, 1.0)]), [0], Window(every_ns=1, aggregate="middle"))
    with pytest.raises(ValueError, match="longer than nothing"):
        tabled(samples([(1, 0, 1.0)]), [0], Window(every_ns=0))


@pytest.mark.parametrize(
    ("patterns", "wanted"),
    [([], [0, 1, 2]), (["web->db"], [0]), (["web→*"], [0, 1]), (["*->db", "x>y"], [0, 2]), (["nothing"], [])],
)
def test_a_pattern_is_a_name_or_has_wildcards(patterns: list[str], wanted: list[int]) -> None:
    assert matching(["web→db", "web→api", "x>y"], patterns) == wanted


def test_a_name_with_brackets_is_found_by_itself() -> None:
    assert matching(["lag[1]:a>b", "lag1:a>b"], ["lag[1]:a>b"]) == [0, 1]
