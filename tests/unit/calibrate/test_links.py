"""Links come out as they were made, and what cannot be known is said to be unknown."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadowlab.lab.calibration.calibrate import calibrate
from shadowlab.model.calibration import Calibration, LinkCalibration
from shadowlab.model.impairment import Impairment
from shadowlab.model.loss import Reorder
from shadowlab.model.network import Network
from shadowlab.model.telemetry import TcpRecord
from shadowlab.telemetry.attach import attach
from tests.unit.calibrate.production import (
    START_NS,
    Production,
    Talk,
    bare,
    direction_of,
    star_of_two,
)

MS = 10**6
TRUNK = Impairment(delay_ns=5 * MS, rate_bps=50_000_000, queue_packets=80)
ACCESS = [MS * (one + 1) // 4 for one in range(8)]
GREEDY = [Talk(source=f"h{one}", target=f"h{one + 4}") for one in range(4)]
PAIRS = [(0, 1), (1, 2), (2, 3), (0, 3), (4, 5), (5, 6), (6, 7), (4, 7), (0, 5), (3, 4), (1, 3), (5, 7), (6, 1), (7, 2)]
CALM = [Talk(source=f"h{a}", target=f"h{b}", rate_bps=1e6, port=41000) for a, b in PAIRS]


def two_stars(trunk: Impairment = TRUNK) -> Network:
    return star_of_two(hosts=8, trunk=trunk, access_delay_ns=ACCESS)


def calibrated(production: Production, given_map: Network | None = None) -> Calibration:
    given_map = given_map or bare(production.network)
    return calibrate(given_map, attach(production.records(), given_map))


@cache
def full_trunk() -> tuple[Network, Calibration]:
    network = two_stars()
    return network, calibrated(Production(network=network, talks=[*GREEDY, *CALM]))


def link(found: Calibration, text: str) -> LinkCalibration:
    return found.by_direction[direction_of(found.map, text)]


def test_delays_come_out_as_they_were_made() -> None:
    network, found = full_trunk()

    for one in found.links:
        truth, delay = network.impairment(one.direction).delay_ns, one.delay_ns
        assert delay.standing == "measured"
        assert delay.value == pytest.approx(truth, rel=0.02, abs=0.2 * MS)
        assert delay.low is not None and delay.high is not None and delay.low <= truth <= delay.high


def test_a_full_trunk_shows_its_rate_and_its_buffer() -> None:
    _, found = full_trunk()

    trunk = link(found, "trunk:left>right")

    assert trunk.rate_bps.standing == "measured"
    assert trunk.rate_bps.value == pytest.approx(50e6, rel=0.05)
    assert trunk.queue_packets.standing == "measured"
    assert trunk.queue_packets.value == pytest.approx(80, rel=0.15)
    assert (trunk.discipline, trunk.congested > 0.9) == ("fifo", True)


def test_a_link_that_was_never_full_has_a_lower_bound_only() -> None:
    _, found = full_trunk()

    access = link(found, "h0>left").rate_bps

    assert access.standing == "bounded"
    assert access.low is not None and 12e6 < access.low < 20e6
    assert access.high is None


def test_drops_of_a_full_queue_are_no_random_loss() -> None:
    _, found = full_trunk()

    assert not [one for one in found.links if one.loss.standing == "measured"]


def test_the_map_is_filled_with_what_was_measured_and_nothing_else() -> None:
    network, found = full_trunk()

    filled = found.network()

    trunk = filled.links_by_id["trunk"]
    assert trunk.forward.rate_bps == pytest.approx(50e6, rel=0.05)
    assert trunk.backward.rate_bps == trunk.forward.rate_bps, "the other direction is taken to be alike"
    assert filled.links_by_id["h0-left"].forward.rate_bps is None
    assert filled.nodes == network.nodes


def test_a_calibration_kept_as_text_comes_back_whole() -> None:
    _, found = full_trunk()

    again = Calibration.from_json(found.to_json(), found.map)

    assert again == found
    with pytest.raises(ValueError, match="about the map"):
        Calibration.from_json(found.to_json(), replace(found.map, name="elsewhere"))


@settings(max_examples=5, deadline=None)
@given(share=st.sampled_from([0.001, 0.003, 0.01, 0.03]), seed=st.integers(0, 99))
def test_random_loss_on_an_idle_trunk_is_found_and_found_there_only(share: float, seed: int) -> None:
    network = two_stars(Impairment(delay_ns=5 * MS, loss=share))
    talks = [*[replace(one, rate_bps=4e6) for one in GREEDY], *CALM]

    found = calibrated(Production(network=network, talks=talks, seed=seed))

    trunk = link(found, "trunk:left>right").loss
    assert trunk.standing == "measured"
    chance = 4 * float(np.sqrt(share / trunk.samples))  # of counts: some 60 losses at the least share
    assert min(share / 1.5, share - chance) < (trunk.value or 0) < max(share * 1.5, share + chance)
    assert [str(one.direction) for one in found.links if one.loss.standing == "measured"] == ["trunk:left>right"]
    back = link(found, "trunk:right>left").loss
    assert back.standing == "bounded" and (back.high or 1) < 0.002


def test_jitter_and_reordering_are_found_where_they_are() -> None:
    network = two_stars(Impairment(delay_ns=20 * MS, jitter_ns=6 * MS, reorder=Reorder(share=0.01)))

    found = calibrated(Production(network=network, talks=CALM + [replace(one, rate_bps=2e6) for one in GREEDY]))

    trunk = link(found, "trunk:left>right")
    assert trunk.reorder.standing == "measured"
    assert trunk.reorder.value == pytest.approx(0.01, rel=0.3)
    jitters = {one.direction.link for one in found.links if one.jitter_ns.standing == "measured"}
    assert jitters == {"trunk"}


def test_links_that_only_one_connection_crosses_are_a_segment_with_a_probe() -> None:
    network = two_stars()

    found = calibrated(Production(network=network, talks=[Talk(source="h0", target="h4", rate_bps=1e6)]))

    (segment,) = found.segments
    assert {one.link for one in segment.directions} == {"h0-left", "trunk", "h4-right"}
    true_total = 2 * (0.25 + 5 + 1.25) * MS
    assert segment.delay_ns.value == pytest.approx(true_total, rel=0.02, abs=0.2 * MS)
    assert "hangs on" in segment.probe
    assert link(found, "trunk:left>right").delay_ns.standing == "unidentifiable"
    assert link(found, "h1>left").delay_ns.standing == "prior"


def test_what_the_map_states_divides_what_telemetry_cannot() -> None:
    network = two_stars()
    talks = [Talk(source="h0", target="h4", rate_bps=1e6)]

    found = calibrated(Production(network=network, talks=talks), network)

    assert link(found, "trunk:left>right").delay_ns.value == pytest.approx(5 * MS, rel=0.1)
    assert link(found, "h0>left").delay_ns.value == pytest.approx(0.25 * MS, rel=0.3)


def test_no_records_leave_the_map_as_it_is() -> None:
    network = two_stars()

    found = calibrate(network, attach([], network))

    assert found.network() == network
    assert {one.delay_ns.standing for one in found.links} == {"prior"}


def test_two_bottlenecks_at_once_are_told_apart() -> None:
    network = two_stars()
    narrow = network.links_by_id["h7-right"]
    slow = replace(narrow.backward, rate_bps=5_000_000, queue_packets=30)
    network = network.with_links(replace(narrow, backward=slow))

    found = calibrated(Production(network=network, talks=[*GREEDY, *CALM]))

    assert link(found, "trunk:left>right").rate_bps.value == pytest.approx(50e6, rel=0.05)
    assert link(found, "right>h7").rate_bps.value == pytest.approx(5e6, rel=0.1)
    others = [one for one in found.links if one.rate_bps.standing == "measured"]
    assert {str(one.direction) for one in others} == {"trunk:left>right", "h7-right:right>h7"} or len(others) == 2


def test_the_same_records_give_the_same_text() -> None:
    network = two_stars()
    production = Production(network=network, talks=[*GREEDY, *CALM], seconds=20)

    assert calibrated(production).to_json() == calibrated(production).to_json()
    assert np.isfinite([one.congested for one in calibrated(production).links]).all()


def test_a_sender_that_its_receivers_window_holds_fills_no_queue() -> None:
    network = two_stars()
    known = bare(network)
    records = Production(network=network, talks=[*GREEDY, *CALM]).records()
    held = [replace(one, rwnd_limited_ns=one.at_ns - START_NS) for one in records]

    found = calibrate(known, attach(held, known))

    full = [str(one.direction) for one in full_trunk()[1].links if one.rate_bps.standing == "measured"]
    assert full
    assert all(link(found, one).rate_bps.standing != "measured" for one in full)


def test_what_was_exceeded_at_another_time_is_no_capacity() -> None:
    network = two_stars()
    course = [50e6] * 10 + [20e6] * 10 + [50e6] * 20
    trunk = next(str(one.direction) for one in full_trunk()[1].links if one.rate_bps.standing == "measured")

    changed = calibrated(Production(network=network, talks=[*GREEDY, *CALM], rates={trunk: course}))
    rate = link(changed, trunk).rate_bps

    assert rate.value is not None
    assert rate.standing != "measured" or (rate.high is not None and rate.high >= 49e6)


def test_marks_tell_a_queue_that_is_managed_by_ecn_and_where() -> None:
    network = two_stars()
    greedy = {talk.source for talk in GREEDY}
    records = [
        replace(one, delivered_ce_segments=40 * ((one.at_ns - START_NS) // 10**9))
        if one.instance in greedy and one.local_port == 40000
        else one
        for one in Production(network=network, talks=[*GREEDY, *CALM]).records()
    ]

    found = calibrate(bare(network), attach(records, bare(network)))

    trunk, back = link(found, "trunk:left>right"), link(found, "trunk:right>left")
    assert (trunk.discipline, trunk.ecn) == ("aqm", True)
    assert trunk.queue_packets.standing == "bounded" and "marks" in trunk.queue_packets.why
    assert not back.ecn and back.discipline == ""


def test_a_queue_that_drops_while_it_is_short_and_yet_lets_bursts_in_is_managed_without_any_marks() -> None:
    network = two_stars()

    def across(one: TcpRecord) -> bool:
        return (one.instance < "h4") != (f"h{int(one.peer_address.rpartition('.')[2]) - 1}" < "h4")

    def managed(one: TcpRecord) -> TcpRecord:
        if not (one.srtt_ns and one.min_rtt_ns and across(one)):
            return one
        second = (one.at_ns - START_NS) // 10**9
        wait_ms = 60 if second in (7, 23) else 4 + 2 * (second % 3)
        drops = 3 * second if one.local_port == 40000 else 0
        return replace(one, srtt_ns=one.min_rtt_ns + wait_ms * MS, retransmits_total=drops)

    records = [managed(one) for one in Production(network=network, talks=[*GREEDY, *CALM]).records()]

    trunk = link(calibrate(bare(network), attach(records, bare(network))), "trunk:left>right")

    assert (trunk.discipline, trunk.ecn) == ("aqm", False)
    assert trunk.rate_bps.value == pytest.approx(50e6, rel=0.06)
    assert trunk.queue_packets.value is None and "short queues" in trunk.queue_packets.why
