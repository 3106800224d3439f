"""Telemetry that lies is found, named, and bounded in what it spoils."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from shadowlab.lab.calibration.calibrate import calibrate
from shadowlab.model.calibration import Calibration, Finding
from shadowlab.model.network import Network
from shadowlab.model.telemetry import TcpRecord
from shadowlab.telemetry.attach import attach
from tests.unit.calibrate.production import START_NS, Production, Talk, bare, direction_of
from tests.unit.calibrate.test_links import CALM, GREEDY, MS, TRUNK, two_stars


def production(**more: object) -> Production:
    return Production(network=two_stars(), talks=[*GREEDY, *CALM], **more)  # type: ignore[arg-type]


def calibrated(records: list[TcpRecord], network: Network) -> Calibration:
    return calibrate(network, attach(records, network))


def findings(found: Calibration, kind: str) -> list[Finding]:
    return [one for one in found.findings if one.kind == kind]


def changed(records: list[TcpRecord], instance: str, change: Callable[[TcpRecord], TcpRecord]) -> list[TcpRecord]:
    return [change(one) if one.instance == instance else one for one in records]


def trunk_rate(found: Calibration) -> float:
    return found.by_direction[direction_of(found.map, "trunk:left>right")].rate_bps.value or 0.0


@pytest.mark.parametrize("liar", ["h0", "h5"])
def test_an_instance_that_counts_bits_is_named_and_put_right(liar: str) -> None:
    def in_bits(one: TcpRecord) -> TcpRecord:
        fields = ("bytes_sent", "bytes_acked", "bytes_received")
        return replace(one, **{name: value * 8 for name in fields if (value := getattr(one, name)) is not None})

    found = calibrated(changed(production().records(), liar, in_bits), bare(two_stars()))

    (finding,) = findings(found, "unit factor")
    assert finding.subject == liar
    assert "eight times" in finding.message
    assert trunk_rate(found) == pytest.approx(50e6, rel=0.05)
    rates = [flow.rate_bps for flow in found.demands.flows if flow.rate_bps is not None]
    assert max(rates) < 2e6, "no paced flow was replayed at eight times its rate"


def test_honest_instances_are_not_accused() -> None:
    found = calibrated(production().records(), bare(two_stars()))

    assert not found.findings


def test_an_rtt_below_what_light_needs_is_named_and_not_used() -> None:
    network = two_stars()
    placed = replace(
        bare(network),
        nodes=tuple(
            replace(one, latitude=0.0, longitude=0.0 if one.id == "left" else 13.5) if one.kind == "router" else one
            for one in network.nodes
        ),
    )  # 1500 km: 5 ms one way in a vacuum

    def impossible(one: TcpRecord) -> TcpRecord:
        return replace(one, min_rtt_ns=2 * MS) if one.peer_address == "10.0.0.5" and one.min_rtt_ns else one

    found = calibrated(changed(production().records(), "h0", impossible), placed)

    (finding,) = findings(found, "below propagation")
    assert "h0" in finding.subject and "2 ms" in finding.message
    trunk = found.by_direction[direction_of(placed, "trunk:left>right")].delay_ns
    assert trunk.value == pytest.approx(5 * MS, rel=0.05)


def test_a_path_that_cannot_exist_is_named_and_left_out() -> None:
    network = bare(two_stars())
    cut = replace(network, links=tuple(one for one in network.links if one.id != "h0-left"))

    found = calibrated(production().records(), cut)

    (finding,) = findings(found, "impossible path")
    assert "h0" in finding.subject and "no way" in finding.message
    assert found.by_direction[direction_of(cut, "trunk:left>right")].delay_ns.value == pytest.approx(5 * MS, rel=0.05)


def test_half_of_the_instances_silent_widens_what_is_known_and_says_so() -> None:
    silent = ("h0", "h2", "h4", "h6")

    found = calibrated(production(silent=silent).records(), bare(two_stars()))

    (finding,) = findings(found, "silent instances")
    assert all(one in finding.subject for one in silent)
    trunk = found.by_direction[direction_of(found.map, "trunk:left>right")]
    assert trunk.rate_bps.standing == "bounded", "two of the four greedy flows run between silent instances"
    assert trunk.rate_bps.low is not None and 20e6 < trunk.rate_bps.low < 50e6 and trunk.rate_bps.high is None
    assert "silent" in trunk.rate_bps.why
    assert found.network().impairment(trunk.direction).rate_bps == round(trunk.rate_bps.low), "what is left for us"
    for one in found.links:
        delay = one.delay_ns
        if delay.standing == "measured":
            assert delay.value == pytest.approx(two_stars().impairment(one.direction).delay_ns, rel=0.02, abs=0.2 * MS)


def test_a_link_that_changes_its_rate_every_minute_is_named_with_all_its_levels() -> None:
    levels = [50e6, 20e6, 40e6]
    course = [levels[second // 60] for second in range(180)]
    changing = production(seconds=180, rates={"trunk:left>right": course})

    found = calibrated(changing.records(), bare(two_stars()))

    (finding,) = findings(found, "rate changes")
    assert finding.subject == "trunk:left>right"
    rate = found.by_direction[direction_of(found.map, "trunk:left>right")].rate_bps
    assert rate.value == pytest.approx(40e6, rel=0.05), "the newest"
    assert rate.low == pytest.approx(20e6, rel=0.05)
    assert rate.high == pytest.approx(50e6, rel=0.05)
    back = found.by_direction[direction_of(found.map, "trunk:right>left")].rate_bps
    assert back.standing == "prior"
    assert back.value == pytest.approx(50e6, rel=0.05), (
        "the highest: unseen traffic one way slows nothing the other way"
    )


@pytest.mark.parametrize("jump_s", [3600, -3600, -7])
def test_a_clock_that_jumps_is_named_and_set_back(jump_s: int) -> None:
    def later(one: TcpRecord) -> TcpRecord:
        jumped = one.at_ns >= START_NS + 20 * 10**9
        return replace(one, at_ns=one.at_ns + jump_s * 10**9) if jumped else one

    found = calibrated(changed(production().records(), "h1", later), bare(two_stars()))

    (finding,) = findings(found, "clock jump")
    assert finding.subject == "h1"
    assert trunk_rate(found) == pytest.approx(50e6, rel=0.06)
    rates = sorted(flow.rate_bps for flow in found.demands.flows if flow.rate_bps is not None)
    assert rates[0] > 0.9e6 and rates[-1] < 1.2e6


def test_a_rate_that_the_map_overstates_is_told_beside_what_could_take_the_rest() -> None:
    network = two_stars()
    trunk = network.links_by_id["trunk"]
    stated = network.with_links(replace(trunk, forward=replace(TRUNK, rate_bps=100_000_000)))

    found = calibrated(production().records(), stated)

    (finding,) = findings(found, "contradicts the map")
    assert "50" in finding.message and "no record knows" in finding.message
    unseen = found.by_direction[direction_of(stated, "trunk:left>right")].background_bps
    assert unseen.standing == "bounded"
    assert unseen.high == pytest.approx(50e6, rel=0.05)


def test_records_of_another_network_leave_the_map_alone_without_a_traceback() -> None:
    network = bare(two_stars())
    strangers = [replace(one, instance="x", local_address="192.0.2.1") for one in production().records()]

    found = calibrated(strangers, network)

    assert found.network() == network


def test_one_lonely_host_that_delays_every_acknowledgement_is_named() -> None:
    slow = [Talk(source="h0", target="h6", rate_bps=1e6, port=42000)]
    records = Production(network=two_stars(), talks=[*CALM, *slow]).records()
    late = [
        replace(one, min_rtt_ns=one.min_rtt_ns + 40 * MS, srtt_ns=one.srtt_ns + 40 * MS)
        if one.local_port == 42000 and one.min_rtt_ns and one.srtt_ns
        else one
        for one in records
    ]

    found = calibrated(late, bare(two_stars()))

    (finding,) = findings(found, "contradicts the map")
    assert finding.subject == "h0→h6" and "above" in finding.message
    for one in found.links:
        truth = two_stars().impairment(one.direction).delay_ns
        assert one.delay_ns.value == pytest.approx(truth, rel=0.1, abs=0.3 * MS)
