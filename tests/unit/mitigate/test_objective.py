"""Cures are compared term by term, and how sure that is."""

import numpy as np
import pytest

from shadowlab.mitigate.chances import chances
from shadowlab.mitigate.objective import KpiTerm, key
from shadowlab.model.kpi import SeriesTable

S = 10**9
MERITS = {"broken": 0.2, "harm": 0, "severity": 0.01, "transient": 0.3, "risk": 0.0, "effort": 2}


def test_a_difference_within_the_tolerance_leaves_the_word_to_the_next_term() -> None:
    less_effort = key(("broken", "effort"), {**MERITS, "broken": 0.204, "effort": 1}, {}, {})
    less_broken = key(("broken", "effort"), MERITS, {}, {})
    much_less = key(("broken", "effort"), {**MERITS, "broken": 0.1, "effort": 9}, {}, {})

    assert much_less < less_effort < less_broken


def test_an_indicator_is_compared_in_its_own_direction_and_the_unseen_is_worst() -> None:
    slow, goodput = KpiTerm(kpi="latency_p95_ms"), KpiTerm(kpi="flow_goodput_mbps")

    def of(term: KpiTerm, value: float) -> tuple[float, ...]:
        return key((term,), MERITS, {term.name: value}, {term.name: 100.0})

    assert of(slow, 50.0) < of(slow, 90.0) == of(slow, 91.0) < of(slow, float("nan"))
    assert of(goodput, 90.0) < of(goodput, 50.0) < of(goodput, float("nan"))


def test_the_value_is_the_mean_of_the_medians_of_those_named() -> None:
    table = SeriesTable(
        times_ns=np.arange(1, 5, dtype=np.int64) * S,
        subjects=("a→b", "b→a", "c→a"),
        values={"latency_p95_ms": np.array([[1, 9, 5], [2, 9, 5], [3, np.nan, 5], [900, 9, 5]], dtype=float)},
    )

    term = KpiTerm(kpi="latency_p95_ms", subjects=("a→b", "b→a"))

    assert term.value(table, None, from_ns=0, to_ns=3 * S) == pytest.approx((2 + 9) / 2)


@pytest.mark.parametrize("kpi", ["link_loss", "link_throughput_mbps", "nonsense"])
def test_what_nobody_can_promise_is_no_term(kpi: str) -> None:
    with pytest.raises(ValueError, match="is not an indicator of paths or services"):
        KpiTerm(kpi=kpi)


def test_a_cure_that_is_better_everywhere_is_surely_best_and_one_that_hangs_on_a_promise_is_not() -> None:
    promises = [("fast", f"p{number}") for number in range(6)]
    nothing = dict.fromkeys(promises, 0.5)
    all_better = dict.fromkeys(promises, 0.1)
    one_better = {**nothing, promises[0]: 0.0}
    one_worse = {**nothing, promises[0]: 1.0}

    sure = chances([nothing, all_better, one_better, one_worse])

    assert sure[1] == (pytest.approx(1.0, abs=0.01), 0.0)
    assert sure[2] == (pytest.approx(0.0, abs=0.01), 0.0)
    assert sure[3][1] == pytest.approx(1 - (5 / 6) ** 6, abs=0.05)
