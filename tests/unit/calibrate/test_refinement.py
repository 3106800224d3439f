"""A step of refinement goes towards production, and stops at its noise; the part that is run has the whole's ways."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadowlab.calibrate.refinement import (
    FIGURES,
    Figures,
    Wanted,
    figures_of,
    misfit,
    next_queue,
    next_rate,
    wanted_of,
)
from shadowlab.lab.calibration.part import part_of
from shadowlab.topology.forwarding.candidates import CandidateFinder
from tests.unit.calibrate.test_demand import Seen, record
from tests.unit.calibrate.test_links import two_stars

S, MS = 10**9, 10**6
BASE_NS = 10.0 * MS


def course(wait_ms: float, *, seconds: int = 20, rate: int = 1_000_000, lost: int = 0) -> Seen:
    return Seen(
        tuple(
            record(
                at,
                srtt_ns=round(BASE_NS + wait_ms * MS),
                bytes_acked=rate // 8 * at,
                data_segments_out=86 * at,
                retransmits_total=lost * at,
            )
            for at in range(seconds)
        )
    )


def figures(**known: float | None) -> Figures:
    return Figures(**(dict.fromkeys(FIGURES) | known))


def test_figures_are_of_the_wait_beyond_the_rtt_without_queues() -> None:
    found = figures_of([(course(30, lost=2), BASE_NS)], from_ns=0, to_ns=19 * S)

    assert found.wait_p50_ns == pytest.approx(30 * MS, rel=0.01)
    assert found.goodput_bps == pytest.approx(1e6, rel=0.01)
    assert found.resent is not None and 0.01 < found.resent < 0.03


def test_production_that_repeats_itself_is_as_near_as_its_least_noise_and_another_queue_is_far() -> None:
    wanted = wanted_of([(course(30), BASE_NS)], from_ns=0, to_ns=19 * S)

    same = figures_of([(course(30), BASE_NS)], from_ns=0, to_ns=19 * S)
    other = figures_of([(course(60), BASE_NS)], from_ns=0, to_ns=19 * S)

    assert misfit(wanted, same) == 0
    assert misfit(wanted, other) > 10


@settings(max_examples=50)
@given(truth=st.floats(5, 500), start=st.floats(5, 500))
def test_where_waits_go_with_the_buffer_the_steps_end_at_the_truth(truth: float, start: float) -> None:
    wanted = Wanted(figures=figures(wait_p50_ns=truth, wait_p95_ns=truth), noise=figures())
    queue = start

    for _ in range(8):
        queue = next_queue(queue, wanted, figures(wait_p50_ns=queue, wait_p95_ns=queue))

    assert queue == pytest.approx(truth, rel=1e-6)


def test_a_rate_follows_goodput_and_what_nobody_knows_moves_nothing() -> None:
    wanted = Wanted(figures=figures(goodput_bps=9e6), noise=figures())

    assert next_rate(10e6, wanted, figures(goodput_bps=8e6)) == pytest.approx(11.25e6)
    assert next_rate(10e6, wanted, figures()) == 10e6
    assert next_queue(50, wanted, figures(goodput_bps=8e6)) == 50
    assert misfit(wanted, figures()) == 0


def test_the_part_of_a_network_keeps_the_ways_of_its_pairs_and_nothing_else() -> None:
    network = two_stars()

    part = part_of(network, [("h0", "h4"), ("h1", "h0")])

    assert {one.id for one in part.links} == {"h0-left", "trunk", "h4-right", "h1-left"}
    assert {one.id for one in part.hosts} == {"h0", "h1", "h4"}
    assert CandidateFinder(part).pair("h0", "h4") == CandidateFinder(network).pair("h0", "h4")
