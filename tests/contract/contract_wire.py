"""Netems in a row: a buffer that counts only what waits, losses behind the wire, and changes that lose nothing."""

from __future__ import annotations

import socket
import time
from dataclasses import replace

from contract_base import assert_near, both, linux, make_line, make_pair
from contract_clock import assert_moments, assert_on_time, fewer, is_real, is_share, seed
from contract_traffic import WIRE_BYTES, exchange

from shadowlab.kernel.ports import Segment
from shadowlab.model.impairment import Impairment
from shadowlab.model.jitter import JitterShape
from shadowlab.model.loss import Chance, GilbertElliott, Reorder

US, MS = 1_000, 1_000_000
RATE_BPS = 10_000_000
LONG = Impairment(delay_ns=10 * MS, rate_bps=RATE_BPS, queue_packets=20)
LOSSY = replace(LONG, loss_model=GilbertElliott(p=0.25, r=0.5), corrupt=Chance(share=0.125))
SHAKEN = replace(LOSSY, jitter_ns=MS, jitter_shape=JitterShape(distribution="normal"), reorder=Reorder(share=0.25))
ONE = replace(LONG, queue_packets=500)
CHANGES = (
    ONE,
    LONG,
    replace(LONG, delay_ns=MS),
    replace(LONG, loss=0.5, loss_correlation=0.25),
    LOSSY,
    SHAKEN,
    replace(LONG, rate_bps=RATE_BPS // 2, queue_packets=7),
    ONE,
    Impairment(delay_ns=MS),
    Impairment(),
    replace(LONG, seed=seed(7), loss=0.5),
    replace(LONG, duplicate=Chance(share=0.25)),
    LONG,
)
"""Each another number of netems than the one before, or the same otherwise."""


def _frame_ns(payload_bytes: int) -> int:
    return (payload_bytes + WIRE_BYTES) * 8 * 10**9 // RATE_BPS


@both
def any_number_of_netems_reads_as_what_they_mean(segment: Segment) -> None:
    assert [one.netems for one in (ONE, LONG, LOSSY, CHANGES[-2])] == [1, 2, 3, 1]
    make_pair(segment)

    for wanted in CHANGES:
        segment.set_netem("a", "ab", wanted)

        held = segment.read_netem("a", "ab")
        assert held is not None
        assert_near(held, wanted)


@linux
def netems_in_a_row_are_compared_one_by_one(segment: Segment) -> None:
    make_pair(segment)
    differences = segment.queue_differences  # type: ignore[attr-defined]

    for wanted in CHANGES:
        segment.set_netem("a", "ab", wanted)
        assert not differences("a", {"ab": wanted}), wanted

    segment.set_netem("a", "ab", LOSSY)
    for wanted, names in (
        (replace(LOSSY, delay_ns=MS), {"latency_ns"}),
        (replace(LOSSY, queue_packets=21), {"limit"}),
        (replace(LOSSY, corrupt=None), {"corrupt"}),
        (replace(LONG, duplicate=Chance(share=0.25)), {"netems in a row"}),
    ):
        assert {name for _, name, _, _ in differences("a", {"ab": wanted})} == names
    segment.set_netem("a", "ab", Impairment())
    assert not differences("a", {"ab": None})


@linux
def a_long_link_holds_its_buffer_whatever_the_size_of_packets(segment: Segment) -> None:
    make_line(segment)
    segment.set_netem("r", "rb", LONG)
    for payload, count in ((1472, 100), (100, 300)):
        frame_ns = _frame_ns(payload)

        burst = exchange(segment, count, payload_bytes=payload)
        stream = exchange(segment, fewer(5 * count), payload_bytes=payload, gap_ns=frame_ns // 3)

        came = len(burst.arrivals)
        assert_on_time(came <= 22, came)
        assert came >= 21, came
        if not is_real():
            assert_moments(burst.since_first_ns, [10 * MS + (at + 1) * frame_ns for at in range(came)], 100 * US)
            waited = sorted(stream.delays_ns)[-len(stream.arrivals) // 100] - 10 * MS - frame_ns
            assert abs(waited / frame_ns - 20) < 1, (payload, waited)
    after = segment.counters("r")["rb"]
    assert (after.queue_packets, after.queue_bytes, after.queue_losses) == (0, 0, 0)


@linux
def what_waits_is_counted_and_what_is_on_its_way_is_not(segment: Segment) -> None:
    make_line(segment)
    segment.set_netem("r", "rb", replace(LONG, delay_ns=500 * MS, rate_bps=100_000))
    with segment.open_socket("a", socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(15):
            sender.sendto(b"x" * 1000, ("192.0.2.2", 7000))
        time.sleep(0.1)
        before = segment.counters("r")["rb"]
        time.sleep(0.42)
        after = segment.counters("r")["rb"]

    assert (before.queue_packets, before.queue_bytes) == (0, 0)
    assert_on_time((after.queue_packets, after.queue_bytes) == (14, 15 * 1042), after)


@linux
def what_is_lost_has_taken_its_time_on_the_wire(segment: Segment) -> None:
    make_line(segment)
    count, payload = fewer(2000), 1000
    frame_ns = _frame_ns(payload)
    segment.set_netem("r", "rb", replace(LONG, queue_packets=4000, loss=0.25, seed=seed(7)))

    found = exchange(segment, count, payload_bytes=payload, wait_ns=2 * count * frame_ns)

    lost = sum(found.lost)
    counters = segment.counters("r")["rb"]
    assert is_share(lost / count, 0.25, count), lost
    assert (counters.queue_drops, counters.queue_losses, counters.queue_packets) == (lost, lost, 0)
    assert counters.queue_sent_packets == count - lost
    wished = [10 * MS + (one.number + 1) * frame_ns for one in found.arrivals]
    late = [moment - wish for moment, wish in zip(found.since_first_ns, wished, strict=True)]
    if not is_real():
        assert max(map(abs, late)) < 20 * US, max(map(abs, late))


@linux
def drops_of_a_full_buffer_and_losses_are_told_apart(segment: Segment) -> None:
    make_line(segment)
    segment.set_netem("r", "rb", replace(LONG, loss=0.5, seed=seed(3)))

    found = exchange(segment, 100, payload_bytes=1472)

    counters = segment.counters("r")["rb"]
    assert counters.queue_drops == sum(found.lost)
    assert_on_time(counters.queue_drops - counters.queue_losses == 100 - 21, counters)
    assert counters.queue_packets == 0
    assert len(exchange(segment, 10, gap_ns=5 * MS).arrivals) > 0, "nothing was counted twice"


@linux
def a_change_of_netems_in_a_row_loses_nothing_and_keeps_the_order(segment: Segment) -> None:
    make_line(segment)
    slow = replace(LONG, rate_bps=100_000, queue_packets=100)
    harmless = replace(slow, corrupt=Chance(share=1e-9))
    for before, later in (
        (replace(slow, queue_packets=400), replace(slow, delay_ns=300 * MS)),  # one netem, then two
        (slow, replace(slow, delay_ns=MS)),
        (slow, harmless),
        (harmless, replace(slow, rate_bps=RATE_BPS)),
        (harmless, replace(slow, rate_bps=None, delay_ns=5 * MS)),
    ):
        segment.set_netem("r", "rb", before)
        with (
            segment.open_socket("a", socket.AF_INET, socket.SOCK_DGRAM) as sender,
            segment.open_socket("b", socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        ):
            receiver.bind(("192.0.2.2", 7000))
            for number in range(40):
                sender.sendto(bytes([number]) * 30, ("192.0.2.2", 7000))
                time.sleep(0.001)
                if number == 20:
                    segment.set_netem("r", "rb", later)
            time.sleep(2)

            came = []
            while len(came) < 40:
                came.append(receiver.recv(30)[0])

        assert came == list(range(40)), (before.describe(), later.describe(), came)
