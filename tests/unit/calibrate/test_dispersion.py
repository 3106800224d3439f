"""Rates of links that were never full: first windows sent packet by packet over links whose rates are known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from shadowlab.calibrate.links.estimate import estimate_links
from shadowlab.calibrate.links.flights import flights_of
from shadowlab.calibrate.links.seen import see
from shadowlab.lab.calibration.beforehand import delay_prior, stated_rates
from shadowlab.lab.inputs.ways import ways_of
from shadowlab.model.calibration import LinkCalibration
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Link, Network, Node
from shadowlab.model.telemetry import TcpRecord

MSS = 1448
MBIT = 1_000_000
HOSTS = {"a": "r1", "b": "r2", "c": "r3", "d": "r4"}


@dataclass(frozen=True, kw_only=True)
class Short:
    """A connection that was recorded once, when it ended."""

    source: str
    target: str
    source_port: int
    sender_records: tuple[TcpRecord, ...]
    target_port: int = 80
    receiver_records: tuple[TcpRecord, ...] = ()


def chain(*rates_mbps: float, stated: bool = False) -> Network:
    """Routers in a row, a host at each: the truth, or what is known of it."""
    routers = [f"r{number + 1}" for number in range(len(rates_mbps) + 1)]
    hosts = [host for host, router in HOSTS.items() if router in routers]
    trunks = [
        Link(id=f"{a}-{b}", a=a, b=b, forward=one, backward=one)
        for a, b, rate in zip(routers, routers[1:], rates_mbps, strict=False)
        for one in [Impairment(rate_bps=round(rate * MBIT) if stated else None)]
    ]
    access = [Link(id=host, a=host, b=HOSTS[host], forward=Impairment(), backward=Impairment()) for host in hosts]
    nodes = (*(Node(id=one, kind="host") for one in hosts), *(Node(id=one, kind="router") for one in routers))
    return Network(name="chain", nodes=nodes, links=(*trunks, *access))


def ended(source: str, target: str, rates_mbps: list[float], payload: int, port: int, queued_ns: float = 0) -> Short:
    """Each packet is sent over link after link, none begins before the one ahead of it is through; each is acknowledged
    at once, and each acknowledgement moves the smoothed RTT by an eighth.  Instances' own links are three times as fast
    as the fastest trunk; ``queued_ns`` stands as long as the connection lasts."""
    own = 3 * max(rates_mbps)
    rates_mbps = [own, *rates_mbps, own]
    base = 10e6 + sum(2 * 98 * 8e3 / rate for rate in rates_mbps)
    sizes = [MSS] * (payload // MSS) + ([payload % MSS] if payload % MSS else [])
    wire = [*(size + 90 for size in sizes), 90]
    free = [0.0] * len(rates_mbps)
    srtt = base + queued_ns
    for size in wire:
        at = 0.0
        for link, rate in enumerate(rates_mbps):
            at = free[link] = max(at, free[link]) + size * 8e3 / rate
        least = sum(98 * 8e3 / rate for rate in rates_mbps)
        srtt += (base + at - least + queued_ns - srtt) / 8
    record = TcpRecord(
        at_ns=1_760_000_000 * 10**9 + port * 10**6, instance=source, local_address="", local_port=port,
        peer_address="", peer_port=80, mss=MSS, srtt_ns=round(srtt), min_rtt_ns=round(base + queued_ns),
        bytes_acked=payload,
        bytes_sent=payload, data_segments_out=len(sizes), delivered_segments=len(sizes) + 2, retransmits_total=0,
        congestion_control="cubic",
    )  # fmt: skip
    return Short(source=source, target=target, source_port=port, sender_records=(record,))


def shorts(
    rates_mbps: tuple[float, ...],
    pairs: tuple[tuple[str, str], ...],
    queued_ns: float = 0,
    *,
    count: int = 20,
    every: int = 2,
) -> list[Short]:
    """``count`` of each pair; all but one in ``every`` meet a queue of up to ``queued_ns``."""
    chance = np.random.default_rng(1)
    found = []
    for source, target in pairs:
        first, last = sorted(int(HOSTS[one][1:]) - 1 for one in (source, target))
        rates = list(rates_mbps[first:last])
        rates = rates if source < target else rates[::-1]
        for number in range(count):
            waits = queued_ns * chance.random() if number % every else 0.0
            payload = int(chance.integers(3 * MSS, 10 * MSS))
            found.append(ended(source, target, rates, payload, 1000 + len(found), waits))
    return found


def calibrated(known: Network, connections: list[Short]) -> dict[str, LinkCalibration]:
    seen = see(connections, ways_of(connections, known), known.directions)
    found = estimate_links(seen, known, delay_prior(known), stated_rates(known))
    return {str(one.direction): one for one in found.links}


EACH = (("a", "b"), ("b", "c"), ("c", "d"), ("a", "d"))


def test_first_windows_tell_rates_of_links_that_were_never_full() -> None:
    truth = (8.0, 20.0, 12.0)

    links = calibrated(chain(*truth), shorts(truth, EACH))

    for name, rate in zip(("r1>r2", "r2>r3", "r3>r4"), truth, strict=True):
        value = links[name].rate_bps
        assert value.value == pytest.approx(rate * MBIT, rel=0.1), name
        assert value.low is not None and value.high is not None and value.low <= rate * MBIT <= value.high
        assert value.standing == "prior", "what rests on links of a kind being alike is not called measured"


def test_queues_that_some_of_them_met_hardly_move_the_rate() -> None:
    truth = (8.0, 20.0, 12.0)

    links = calibrated(chain(*truth), shorts(truth, EACH, queued_ns=60e6))

    assert links["r1>r2"].rate_bps.value == pytest.approx(8 * MBIT, rel=0.25)


def test_a_busy_link_that_delays_nine_of_ten_first_windows_is_not_taken_for_a_slow_one() -> None:
    truth = (20.0, 8.0, 20.0)

    links = calibrated(chain(*truth), shorts(truth, EACH, queued_ns=30e6, count=100, every=10))

    for name, rate in zip(("r1>r2", "r2>r3", "r3>r4"), truth, strict=True):
        value = links[name].rate_bps
        assert value.value == pytest.approx(rate * MBIT, rel=0.2), name
        assert value.low is not None and value.high is not None and value.low <= rate * MBIT <= value.high


def test_a_link_that_nothing_crossed_is_taken_for_one_of_its_kind_within_wider_bounds() -> None:
    truth = (10.0, 10.0, 10.0)

    links = calibrated(chain(*truth), shorts(truth, (("a", "b"), ("b", "c"))))
    crossed, other = links["r1>r2"].rate_bps, links["r3>r4"].rate_bps

    assert other.value == pytest.approx(10 * MBIT, rel=0.1)
    assert crossed.low and crossed.high and other.low and other.high
    assert other.high / other.low > crossed.high / crossed.low
    assert other.flows == 0


def test_links_too_fast_to_tell_get_no_rate() -> None:
    links = calibrated(chain(5000.0, 5000.0), shorts((5000.0, 5000.0), (("a", "b"), ("b", "c"))))

    assert links["r1>r2"].rate_bps.value is None


def test_the_maps_word_is_kept_and_tells_of_links_of_the_same_kind() -> None:
    known = chain(10.0, 10.0, stated=True)
    open_link = replace(known.links[1], forward=Impairment(), backward=Impairment())

    links = calibrated(known.with_links(open_link), shorts((10.0, 10.0), (("a", "b"),)))

    assert links["r1>r2"].rate_bps.why.startswith("nothing waited there") is False
    assert links["r2>r3"].rate_bps.value == pytest.approx(10 * MBIT, rel=0.1)


@pytest.mark.parametrize(
    "change",
    [
        {"retransmits_total": 1},
        {"data_segments_out": 40, "bytes_acked": 40 * MSS},
        {"congestion_control": "bbr"},
        {"bytes_acked": 200},
        {"srtt_ns": None},
    ],
)
def test_what_was_not_sent_in_one_go_tells_nothing(change: dict[str, object]) -> None:
    whole = ended("a", "b", [10.0], 5 * MSS, 1000)
    (record,) = whole.sender_records
    other = replace(whole, sender_records=(replace(record, **change),))  # type: ignore[arg-type]

    flights = flights_of([whole, other])

    assert flights.connection.tolist() == [0]
