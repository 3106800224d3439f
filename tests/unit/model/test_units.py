"""Quantities at the edge."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowlab.model.units import (
    format_duration,
    format_fraction,
    format_rate,
    parse_duration,
    parse_fraction,
    parse_moment,
    parse_rate,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3 ms", 3_000_000),
        ("3ms", 3_000_000),
        ("0.5 us", 500),
        ("1.5 s", 1_500_000_000),
        ("2 µs", 2000),
        ("1 min", 60 * 10**9),
    ],
)
def test_durations_become_nanoseconds(text: str, expected: int) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1:30", 90), ("1:02:03.5", 3723.5), ("90", 90), ("0.25", 0.25), ("90 s", 90), ("2min", 120), ("100:00", 6000)],
)
def test_moments_become_nanoseconds(text: str, seconds: float) -> None:
    assert parse_moment(text) == seconds * 10**9


@pytest.mark.parametrize("text", ["", "1:60", "1:2:3:4", "-5", "a:30", "1:", "5 m", "1e9999"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a moment; write it like '1:30' or '90 s'"):
        parse_moment(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("10 Mbit", 10**7), ("10Mbit/s", 10**7), ("1 gbps", 10**9), ("100 bit/s", 100), ("2.5 Gbit", 2_500_000_000)],
)
def test_rates_become_bits_per_second(text: str, expected: int) -> None:
    assert parse_rate(text) == expected


def test_sizes_tell_decimal_from_binary() -> None:
    assert (parse_size("64 kB"), parse_size("64 KiB")) == (64_000, 65_536)


def test_fractions_come_as_percent_or_plain() -> None:
    assert (parse_fraction("0.5 %"), parse_fraction("0.005")) == (0.005, 0.005)


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (parse_duration, "3", "'3' has no unit; write a duration like '3 ms'"),
        (parse_duration, "3 lightyears", "'3 lightyears': unknown unit 'lightyears'; write a duration like '3 ms'"),
        (parse_duration, "soon", "'soon' is not a duration; write it like '3 ms'"),
        (parse_duration, "0.2 ns", "'0.2 ns' is smaller than one nanosecond"),
        (parse_rate, "10", "'10' has no unit; write a rate like '10 Mbit'"),
        (parse_fraction, "5 ms", "'5 ms': unknown unit 'ms'; write a fraction like '0.5 %'"),
    ],
)
def test_a_bad_quantity_says_what_would_be_right(parse: object, text: str, message: str) -> None:
    with pytest.raises(ValueError) as error:
        parse(text)  # type: ignore[operator]

    assert str(error.value) == message


@given(st.integers(min_value=0, max_value=10**15))
def test_a_whole_number_of_nanoseconds_survives(value: int) -> None:
    assert parse_duration(f"{value} ns") == value


def test_quantities_are_shown_as_people_read_them() -> None:
    assert [format_duration(1_250_000), format_rate(10_000_000), format_fraction(0.015)] == [
        "1.25 ms",
        "10 Mbit/s",
        "1.5 %",
    ]
