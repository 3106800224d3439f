"""The formulas agree with each other where theory says they must."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.truth import chance, linux_cubic, theory
from benchmarks.truth.jitter import DISTRIBUTIONS, cdf_of
from benchmarks.truth.outcome import START, SUMMARY, Outcome, read_lines, summary
from benchmarks.truth.packets import _share_outcome
from benchmarks.truth.page import replaced


def test_pftk_without_time_outs_is_mathis() -> None:
    assert theory.pftk_window(0.001, 0.1, rto_s=0.0) == pytest.approx(theory.mathis_window(0.001))


def test_time_outs_make_pftk_smaller_the_more_is_lost() -> None:
    shares = [theory.pftk_timeouts(loss, 0.05, 0.25) for loss in (0.0001, 0.001, 0.01, 0.1)]

    assert shares == sorted(shares)
    assert theory.pftk_window(0.1, 0.05, 0.25) < theory.mathis_window(0.1) / 2


def test_an_acknowledgement_for_two_segments_would_slow_reno_by_the_root_of_two() -> None:
    assert theory.mathis_window(0.01, b=1) / theory.mathis_window(0.01, b=2) == pytest.approx(2**0.5)


def test_the_simulated_reno_has_the_constants_of_random_and_of_even_losses() -> None:
    even, packets = theory.simulated_even_window("reno", 400, 0.1)

    assert theory.simulated_window("reno", 0.0001, 0.1, losses=4_000) == pytest.approx(
        theory.ott_window(0.0001), rel=0.03
    )
    assert even == pytest.approx(theory.mathis_window(1 / packets), rel=0.02)


def test_the_simulated_cubic_grows_with_the_round_trip_as_rfc_9438_says() -> None:
    short, long = (theory.simulated_window("cubic", 0.0001, rtt_s, losses=4_000) for rtt_s in (0.2, 0.8))

    assert long / short == pytest.approx(4**0.75, rel=0.1)


def test_rfc_9438s_own_table_of_windows() -> None:
    # Section 5.2, a round trip of 100 ms: its beta is 0.7, Linux's a little more.
    for loss, window in ((1e-4, 187), (1e-5, 1054), (1e-6, 5926)):
        assert theory.cubic_window(loss, 0.1) == pytest.approx(window, rel=0.01)


def test_a_full_segment_takes_1538_bytes_of_a_wire() -> None:
    assert theory.goodput_bps(1538e6) == pytest.approx(1448e6)


def test_the_interval_of_a_share_holds_95_of_100_cases_or_more() -> None:
    low, high = chance.binomial_interval(1000, 0.01)
    draws = np.random.default_rng(1).binomial(1000, 0.01, 20_000)

    assert 0.95 <= np.mean((draws >= low) & (draws <= high)) < 0.985


def test_a_share_outside_its_interval_is_told() -> None:
    _, inside = _share_outcome("loss", "here", 10, 1000, 0.01)
    one, outside = _share_outcome("loss", "here", 30, 1000, 0.01)

    assert inside
    assert not outside
    assert "outside" in one.note


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_a_stated_distribution_has_mean_0_and_reaches_from_0_to_1(distribution: str) -> None:
    grid = np.linspace(-8, 60, 400_000)
    shares = cdf_of(distribution)(grid)  # type: ignore[arg-type]

    assert np.all(np.diff(shares) >= 0)
    assert shares[0] == pytest.approx(0, abs=1e-6)
    assert shares[-1] == pytest.approx(1, abs=1e-4)
    assert np.trapezoid(grid, shares) == pytest.approx(0, abs=0.02)


def test_samples_of_another_distribution_are_told() -> None:
    samples = np.random.default_rng(1).normal(0, 1, 2000)
    critical = chance.ks_critical(2000)

    assert chance.ks_distance(samples, cdf_of("normal")) < critical
    assert chance.ks_distance(samples * 1.15, cdf_of("normal")) > critical


def test_bursts_are_counted_by_their_lengths() -> None:
    lost = np.array([1, 1, 0, 1, 0, 0, 1, 1, 1], dtype=bool)

    assert chance.runs_of(lost).tolist() == [2, 1, 3]


def test_a_group_shows_its_worst_cell_and_every_miss() -> None:
    cells = [
        Outcome(group="g", cell=name, measured=value, unit="share", target=0.1)
        for name, value in (("good", 0.01), ("bad", -0.3), ("worse", 0.2))
    ]

    (line,) = summary(cells)

    assert (line["cell"], line["missed"], line["met"]) == ("bad", ["bad", "worse"], False)


def test_what_a_run_printed_is_read_back_and_a_later_run_of_a_cell_replaces_it() -> None:
    def told(value: float) -> str:
        cells = [Outcome(group="g", cell="same", measured=value + n, unit="share", target=0.1) for n in range(2)]
        end = {"benchmark": SUMMARY, "seed": value}
        return "\n".join(
            json.dumps(line) for line in ({"benchmark": START}, *(one.line() for one in cells), *summary(cells), end)
        )

    outcomes, end = read_lines("took 3 s\n" + told(1.0) + "\n" + told(5.0))

    assert [one.measured for one in outcomes] == [5.0, 6.0]
    assert end["seed"] == 5.0


def test_a_page_keeps_what_is_outside_its_markers() -> None:
    block = "<!-- fidelity: {} -->\nold\n<!-- /fidelity -->\n"
    text = "before\n" + block.format("misses") + "after\n" + block.format("other")

    found = replaced(text, "misses", "| new |")

    assert found.startswith("before\n<!-- fidelity: misses -->\n\n| new |\n\n<!-- /fidelity -->\nafter\n")
    with pytest.raises(ValueError, match="nowhere"):
        replaced(text, "nowhere", "")


def test_linuxs_cubic_is_the_rules_cubic_at_large_windows_and_less_at_small_ones() -> None:
    large, small = (
        linux_cubic.simulated_window(loss, 0.1, losses=losses)
        / theory.simulated_window("cubic", loss, 0.1, losses=2_000)
        for loss, losses in ((0.001, 300), (0.01, 1_000))
    )

    assert large == pytest.approx(1, abs=0.1)
    assert 0.8 < small < 0.95
