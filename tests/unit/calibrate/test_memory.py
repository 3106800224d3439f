"""A calibration remembers: what is not seen now keeps its value, and ages; what has changed is told."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadowlab.calibrate.links.memory import joined
from shadowlab.lab.calibration.calibrate import calibrate
from shadowlab.model.calibration import Calibration, Value
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Network
from shadowlab.model.telemetry import TcpRecord, record_of
from shadowlab.telemetry.attach import attach
from tests.unit.calibrate.production import Production, Talk, bare, direction_of
from tests.unit.calibrate.test_links import CALM, GREEDY, MS, TRUNK, two_stars

HOUR_NS = 3600 * 10**9


def later(records: list[TcpRecord], by_ns: int) -> list[TcpRecord]:
    return [record_of(dict(one.__dict__) | {"at_ns": one.at_ns + by_ns}) for one in records]


def calibrated(network: Network, talks: list[Talk], by_ns: int = 0, before: Calibration | None = None) -> Calibration:
    given_map = bare(network)
    records = later(Production(network=network, talks=talks).records(), by_ns)
    return calibrate(given_map, attach(records, given_map), prior_state=before)


def test_a_link_unseen_for_an_hour_keeps_its_value_and_ages() -> None:
    first = calibrated(two_stars(), [*GREEDY, *CALM])
    kept = Calibration.from_json(first.to_json(), first.map)

    second = calibrated(two_stars(), [Talk(source="h0", target="h1", rate_bps=1e6)], HOUR_NS, kept)

    was, now = (one.by_direction[direction_of(one.map, "trunk:left>right")] for one in (first, second))
    assert now.rate_bps.value == was.rate_bps.value
    assert now.delay_ns.value == was.delay_ns.value
    assert now.rate_bps.high is not None and was.rate_bps.high is not None
    assert now.rate_bps.high > was.rate_bps.high
    assert "last seen 3" in now.rate_bps.why and now.rate_bps.seen_ns == was.rate_bps.seen_ns
    assert second.network().impairment(now.direction).rate_bps == pytest.approx(50e6, rel=0.05)


def test_a_rate_once_measured_outlives_a_quiet_hour_in_which_it_is_only_bounded() -> None:
    first = calibrated(two_stars(), [*GREEDY, *CALM])

    second = calibrated(two_stars(), CALM, HOUR_NS, first)

    now = second.by_direction[direction_of(second.map, "trunk:left>right")].rate_bps
    assert (now.standing, now.value) == ("measured", pytest.approx(50e6, rel=0.05))


def test_a_trunk_that_was_exchanged_is_told_and_the_new_value_taken() -> None:
    first = calibrated(two_stars(), [*GREEDY, *CALM])
    slower = two_stars(Impairment(delay_ns=9 * MS, rate_bps=20_000_000, queue_packets=TRUNK.queue_packets))

    second = calibrated(slower, [*GREEDY, *CALM], HOUR_NS, first)

    now = second.by_direction[direction_of(second.map, "trunk:left>right")]
    assert now.rate_bps.value == pytest.approx(20e6, rel=0.05)
    assert now.delay_ns.value == pytest.approx(9 * MS, rel=0.05)
    drifts = [one for one in second.findings if one.kind == "drift" and one.subject == "trunk:left>right"]
    assert any("rate" in one.message for one in drifts) and any("delay" in one.message for one in drifts)


def test_the_same_records_twice_teach_nothing_new() -> None:
    first = calibrated(two_stars(), CALM)

    second = calibrated(two_stars(), CALM, 0, first)

    assert second.links == first.links


@settings(max_examples=60)
@given(
    value=st.floats(1, 1e9),
    half=st.floats(0.001, 0.2),
    hours=st.integers(1, 1000),
)
def test_waiting_never_makes_a_value_surer(value: float, half: float, hours: int) -> None:
    past = Value(value=value, low=value * (1 - half), high=value * (1 + half), standing="measured", seen_ns=1)

    aged, drift = joined(past, Value(), HOUR_NS, 1 + hours * HOUR_NS)

    assert not drift and aged.value == value
    assert aged.low is not None and aged.high is not None and past.low is not None and past.high is not None
    assert aged.low <= past.low and aged.high >= past.high
