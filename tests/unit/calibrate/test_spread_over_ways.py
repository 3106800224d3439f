"""Connections that are spread over equal ways: nobody knows which one took which, and many met a queue."""

from __future__ import annotations

import numpy as np
import pytest

from shadowlab.calibrate.links.estimate import LinkEstimates, estimate_links
from shadowlab.calibrate.links.seen import see
from shadowlab.lab.calibration.beforehand import delay_prior, stated_rates
from shadowlab.lab.inputs.ways import ways_of
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Link, Network, Node
from shadowlab.model.telemetry import TcpRecord
from tests.unit.calibrate.test_dispersion import Short, ended

MS = 10**6
UPPER_MS, LOWER_MS, ACCESS_MS = 2.0, 3.0, 0.5
SECONDS, START_NS = 30, 1_760_000_000 * 10**9


def diamond() -> Network:
    """Two hosts, and two equal ways between their routers."""
    names = [("a", "left"), ("left", "up"), ("left", "low"), ("up", "right"), ("low", "right"), ("right", "b")]
    links = [Link(id=f"{a}-{b}", a=a, b=b, forward=Impairment(), backward=Impairment()) for a, b in names]
    nodes = [Node(id=one, kind="host" if one in ("a", "b") else "router") for one in ("a", "b", "left", "right")]
    return Network(
        name="diamond", nodes=(*nodes, Node(id="up", kind="router"), Node(id="low", kind="router")),
        links=tuple(links), ecmp=True,
    )  # fmt: skip


def record(port: int, at_s: float, least_ms: float, **more: object) -> TcpRecord:
    return TcpRecord(
        at_ns=START_NS + round(at_s * 1e9), instance="a", local_address="", local_port=port, peer_address="",
        peer_port=80, mss=1448, min_rtt_ns=round(least_ms * MS), congestion_control="cubic", **more,  # type: ignore[arg-type]
    )  # fmt: skip


def shorts(count: int, busy: float) -> list[Short]:
    """Each takes a way there and a way back; ``busy`` of them never see an empty queue."""
    chance = np.random.default_rng(1)
    found = []
    for number in range(count):
        there, back = (chance.choice([2 * UPPER_MS, 2 * LOWER_MS], size=2)).tolist()
        queue = chance.exponential(15.0) if chance.random() < busy else 0.0
        least = 4 * ACCESS_MS + there + back + queue
        known = record(1000 + number, number * 0.1, least, bytes_acked=3000, data_segments_out=3)
        found.append(Short(source="a", target="b", source_port=1000 + number, sender_records=(known,)))
    return found


def greedy(port: int, wait_ms: float) -> Short:
    """One that fills some queue of its way for half a minute."""
    least = 4 * ACCESS_MS + 4 * UPPER_MS
    records = [
        record(
            port,
            at,
            least,
            srtt_ns=round((least + wait_ms * (1 - 0.2 * (at % 3))) * MS),
            app_limited=False,
            bytes_acked=at * 500_000,
            bytes_sent=at * 500_000,
            data_segments_out=at * 345,
            delivered_segments=at * 345,
            retransmits_total=at // 5,
        )
        for at in range(SECONDS)
    ]
    return Short(source="a", target="b", source_port=port, sender_records=tuple(records))


def estimated(connections: list[Short]) -> LinkEstimates:
    network = diamond()
    seen = see(connections, ways_of(connections, network), network.directions)
    return estimate_links(seen, network, delay_prior(network), stated_rates(network))


@pytest.mark.parametrize("busy", [0.0, 0.5])
def test_the_delay_of_equal_ways_is_their_mean_however_many_met_a_queue(busy: float) -> None:
    truth_ms = 4 * ACCESS_MS + 2 * (UPPER_MS + LOWER_MS)

    found = estimated(shorts(200, busy))

    on_way = {"a-left", "right-b"}
    total = sum((one.delay_ns.value or 0.0) * (1.0 if one.direction.link in on_way else 0.5) for one in found.links)
    assert total == pytest.approx(truth_ms * MS, rel=0.15)


def test_a_queue_at_one_of_several_equal_links_is_not_taken_for_the_buffer_of_all() -> None:
    usual = [greedy(port, wait) for port, wait in zip(range(100, 107), (6, 7, 8, 8, 9, 10, 300), strict=True)]

    found = estimated([*usual, *(ended("a", "b", [10.0, 10.0], 8 * 1448, 1000 + port) for port in range(20))])

    trunk = next(one for one in found.links if str(one.direction) == "left>up")
    rate, packets = trunk.rate_bps.value, trunk.queue_packets.value
    assert rate and packets
    assert packets * 1538 * 8e3 / rate < 60, "milliseconds: of seven connections one waited for 300"
