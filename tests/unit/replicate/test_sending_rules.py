"""Back-off, clocks, disguise: the agent's rules that need no agent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowlab.errors import InputError
from shadowlab.replicate.sending.backoff import Backoff
from shadowlab.replicate.sending.disguise import disguise_of, read_mapping
from shadowlab.replicate.sending.skew import TOLERATED_NS, ClockEstimate

SECOND = 10**9
HOUR = 3600 * SECOND


def test_waits_double_up_to_the_most_and_begin_anew() -> None:
    backoff = Backoff(lambda: 1.0, first_s=1, most_s=5)

    waits = [backoff.failed() for _ in range(5)]
    backoff.worked()

    assert waits == [1, 2, 4, 5, 5]
    assert backoff.failed() == 1


@given(st.floats(0, 1), st.integers(0, 2000), st.floats(0, 1e9))
def test_a_wait_is_within_bounds(chance: float, tries: int, wanted_s: float) -> None:
    backoff = Backoff(lambda: chance, first_s=0.5, most_s=60)
    for _ in range(tries):
        backoff.failed()

    assert 0.25 <= backoff.failed(wanted_s=wanted_s) <= 60


def test_a_clock_that_is_an_hour_slow_is_corrected_and_a_good_one_left_alone() -> None:
    estimate = ClockEstimate()
    estimate.observe(10 * SECOND, 10 * SECOND + 2000, 5 * HOUR)

    assert estimate.correction_ns(wall_ns=4 * HOUR, mono_ns=10 * SECOND + 1000) == HOUR
    assert estimate.correction_ns(wall_ns=5 * HOUR - TOLERATED_NS // 2, mono_ns=10 * SECOND) == 0


def test_a_batch_from_before_the_clock_was_put_right_is_corrected_by_its_own_moment() -> None:
    estimate = ClockEstimate()
    estimate.observe(100 * SECOND, 100 * SECOND, 5 * HOUR)

    before = estimate.correction_ns(wall_ns=4 * HOUR - 40 * SECOND, mono_ns=60 * SECOND)
    after = estimate.correction_ns(wall_ns=5 * HOUR - 10 * SECOND, mono_ns=90 * SECOND)

    assert (before, after) == (HOUR, 0)


def test_a_slow_answer_does_not_replace_a_fast_one_but_a_contradiction_does() -> None:
    estimate = ClockEstimate()
    estimate.observe(0, 2000, HOUR)
    estimate.observe(SECOND, 2 * SECOND, HOUR + SECOND + SECOND // 4)
    kept = estimate.correction_ns(wall_ns=0, mono_ns=0)

    estimate.observe(3 * SECOND, 4 * SECOND, 3 * HOUR)

    assert kept == HOUR - 1000
    assert abs(estimate.correction_ns(wall_ns=0, mono_ns=0) - 3 * HOUR) < 4 * SECOND


def test_nothing_is_corrected_before_the_first_answer() -> None:
    assert ClockEstimate().correction_ns(wall_ns=1, mono_ns=10**15) == 0


def test_the_longest_prefix_decides_and_keeps_the_rest_of_the_address() -> None:
    disguise = disguise_of(
        {"192.0.2.0/24": "198.51.100.0/24", "192.0.2.7": "203.0.113.1", "2001:db8::/32": "fd00::/32"}, None
    )

    assert disguise("192.0.2.9") == "198.51.100.9"
    assert disguise("192.0.2.7") == "203.0.113.1"
    assert disguise("2001:db8:1::5") == "fd00:0:1::5"


def test_what_the_mapping_does_not_name_is_hashed_or_empty_never_told() -> None:
    mapping = {"192.0.2.0/24": "198.51.100.0/24"}

    assert disguise_of(mapping, None)("203.0.113.5") == ""
    hashed = disguise_of(mapping, b"k" * 16)("203.0.113.5")
    assert hashed.startswith("fd")
    assert disguise_of({}, b"k" * 16)("203.0.113.5") == hashed
    assert disguise_of({}, b"K" * 16)("203.0.113.5") != hashed


def test_every_wrong_line_of_a_mapping_is_named() -> None:
    with pytest.raises(InputError) as caught:
        read_mapping("192.0.2.1 198.51.100.1 # good\nnonsense\n192.0.2.0/24 198.51.100.0/25\n::1 1.2.3.4\n", name="m")

    assert [str(one).partition(" ")[0] for one in caught.value.faults] == ["m:2:", "m:3:", "m:4:"]
