"""Arrivals: rates that are kept, factors that move arrivals and no draw, patterns of on and off."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowlab.model.traffic.chance import Chance
from shadowlab.model.traffic.distribution import Distribution, constant
from shadowlab.model.traffic.workload import Arrivals
from shadowlab.traffic.exchange.deciding.arrivals import Listed, OnOff, Pace, arrival_times

MS = 1_000_000
SECOND = 1_000 * MS
HOUR = 3_600 * SECOND


def poisson(rate_per_s: float, *, end_ns: int = HOUR, begin_ns: int = 0, seed: int = 1) -> Pace | Listed:
    spec = Arrivals(process="poisson", rate_per_s=rate_per_s)
    return arrival_times(spec, seed=seed, name="w", begin_ns=begin_ns, end_ns=end_ns)


def moments(pace: Pace | Listed) -> list[int]:
    found = []
    while (due_ns := pace.due_ns) is not None:
        found.append(due_ns)
        pace.take()
    return found


def every(gap_ns: float, *, pattern: OnOff | None = None, end_ns: int = HOUR) -> Pace:
    always = OnOff(None, None, Chance(1), 0)
    return Pace(draw_work=lambda: gap_ns, pattern=pattern or always, begin_ns=0, end_ns=end_ns)


def test_poisson_arrivals_keep_their_rate_and_their_variance() -> None:
    found = moments(poisson(100, end_ns=200 * SECOND))

    counts = [0] * 200
    for at_ns in found:
        counts[at_ns // SECOND] += 1
    mean = sum(counts) / 200
    variance = sum((one - mean) ** 2 for one in counts) / 199
    assert mean == pytest.approx(100, rel=0.03)
    assert variance / mean == pytest.approx(1, abs=0.3)


@given(begin_ns=st.integers(0, 10 * SECOND), length_ns=st.integers(0, 10 * SECOND), seed=st.integers(0, 2**63))
def test_arrivals_ascend_and_lie_in_their_window(begin_ns: int, length_ns: int, seed: int) -> None:
    found = moments(poisson(20, begin_ns=begin_ns, end_ns=begin_ns + length_ns, seed=seed))

    assert found == sorted(found)
    assert all(begin_ns <= one < begin_ns + length_ns or one == begin_ns + length_ns for one in found)


@given(factor=st.floats(0.1, 10), at_ns=st.integers(0, 2 * SECOND))
def test_a_factor_moves_arrivals_and_no_draw(factor: float, at_ns: int) -> None:
    plain, scaled = poisson(50), poisson(50)
    before, moved = [], []
    while (due_ns := plain.due_ns) is not None and due_ns < at_ns:
        before.append(due_ns)
        plain.take()
        scaled.take()

    scaled.scale(factor, at_ns)

    for _ in range(20):
        assert plain.due_ns is not None and scaled.due_ns is not None
        moved.append((plain.due_ns - at_ns, (scaled.due_ns - at_ns) * factor))
        plain.take()
        scaled.take()
    assert all(there == pytest.approx(here, abs=100 * max(1, factor)) for here, there in moved)


def test_at_factor_zero_nothing_comes_until_it_rises() -> None:
    pace = every(10 * MS)

    pace.scale(0, 4 * MS)
    assert pace.due_ns is None
    pace.scale(2, 50 * MS)

    assert pace.due_ns == 53 * MS  # 6 ms of work were left, done twice as fast


def test_a_constant_gap_does_not_drift() -> None:
    pace = every(1_333.4, end_ns=SECOND)

    found = moments(pace)

    assert found[-1] == round(1_333.4 * len(found))


def test_while_off_nothing_comes_and_work_waits() -> None:
    pattern = OnOff(constant(25 * MS), constant(75 * MS), Chance(1), 0)

    found = moments(every(10 * MS, pattern=pattern, end_ns=250 * MS))

    assert [one // MS for one in found] == [10, 20, 105, 115, 125, 210, 220]


@given(start=st.floats(0, 1e9), work=st.floats(0, 1e9), seed=st.integers(0, 1000))
def test_the_time_on_until_a_moment_is_the_work_that_led_there(start: float, work: float, seed: int) -> None:
    lengths = Distribution(family="exponential", parameters=(1e7,))
    pattern = OnOff(lengths, lengths, Chance(seed), 0)

    after = pattern.after(start, work, 1e12)

    assert pattern.on_between(start, after) == pytest.approx(work, abs=1)


def test_listed_arrivals_come_exactly_then_and_a_factor_of_zero_leaves_some_out() -> None:
    spec = Arrivals(process="listed", at_ns=(1, 5, 5, 9, 12))
    listed = arrival_times(spec, seed=1, name="w", begin_ns=2, end_ns=12)

    listed.take()
    listed.scale(0, 5)
    stopped = listed.due_ns
    listed.scale(1, 6)

    assert stopped is None
    assert moments(listed) == [9]


def test_a_negative_factor_is_refused() -> None:
    with pytest.raises(ValueError, match="scaled by -1"):
        poisson(1).scale(-1, 0)
