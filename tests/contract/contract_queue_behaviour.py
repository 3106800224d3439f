"""What shapers and their disciplines do to packets, and that a change keeps what waits.  Linux only."""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from itertools import pairwise

from contract_base import linux, make_line
from contract_clock import assert_moments, assert_on_time, is_real
from contract_shapers import QUEUES
from contract_traffic import WIRE_BYTES, exchange

from shadowlab.kernel.ports import InterfaceCounters, Segment
from shadowlab.model.impairment import Impairment
from shadowlab.model.loss import Chance
from shadowlab.model.queue import Cake, Codel, Fifo, Pie, Queue, Red, Shaper

US, MS = 1_000, 1_000_000
RATE_BPS = 2_000_000
FRAME_NS = (1000 + WIRE_BYTES) * 8 * 500


def _split(segment: Segment, queue: Queue, delay_ns: int = 0) -> None:
    """A shaper where the direction leaves the router, its delay line where it arrives."""
    wanted = Impairment(delay_ns=delay_ns, rate_bps=RATE_BPS, queue=queue)
    segment.redirect_ingress("b", "br", "i.br")
    segment.set_netem("b", "i.br", wanted.delay_line(serialise=True))
    segment.set_shaper("r", "rb", wanted.shaper())


def _queue(segment: Segment) -> InterfaceCounters:
    return segment.counters("r")["rb"]


@linux
def a_shaper_and_its_delay_line_are_a_wire(segment: Segment) -> None:
    make_line(segment)
    for queue in (Fifo(packets=200), Fifo(bytes=300_000), Codel(target_ns=10**9, interval_ns=10**10), Cake()):
        _split(segment, queue, delay_ns=5 * MS)

        found = exchange(segment, 40, payload_bytes=1000, tos=2)  # CAKE marks those that waited long

        moments = [moment - 5 * MS for moment in found.since_first_ns]
        assert_moments(moments, [(at + 1) * FRAME_NS for at in range(40)], US, queue)


@linux
def a_buffer_holds_its_packets_and_no_more(segment: Segment) -> None:
    make_line(segment)
    size = 1000 + 42
    for queue, held in ((Fifo(packets=20), 20), (Fifo(bytes=20 * size), 20), (Codel(limit_packets=20), 20)):
        _split(segment, queue)
        before = _queue(segment).queue_drops

        came = len(exchange(segment, 60, payload_bytes=1000).arrivals)

        # What the shaper let through at once is on the wire: one by its burst, one by the credit of zero.
        assert _queue(segment).queue_drops - before == 60 - came, queue
        assert_on_time(held <= came - 2 <= held + 1, queue, came)  # a slow sender is overtaken by the shaper


@linux
def active_disciplines_mark_a_standing_queue(segment: Segment) -> None:
    make_line(segment)
    for queue in (
        Red(limit_bytes=300_000, min_bytes=10_000, max_bytes=60_000),
        Codel(),
        Codel(fair=True),
        Pie(target_ns=5 * MS),
        Cake(rtt_ns=20 * MS),
    ):
        _split(segment, queue)
        before = _queue(segment)

        # Above 10 % PIE drops rather than marks: it is asked for less, and for longer.
        number, share = (3000, 97) if isinstance(queue, Pie) else (1500, 93)
        found = exchange(segment, number, payload_bytes=1000, gap_ns=FRAME_NS * share // 100, tos=2, wait_ns=4 * 10**9)

        marked = sum(one.tos & 3 == 3 for one in found.arrivals)
        after = _queue(segment)
        assert marked >= 5, (queue, marked)
        assert after.queue_marks - before.queue_marks == marked, (queue, after, marked)
        assert after.queue_drops - before.queue_drops == sum(found.lost), (queue, after)
        segment.set_netem("r", "rb", Impairment())  # counters begin anew with the next


@linux
def active_disciplines_drop_what_cannot_be_marked(segment: Segment) -> None:
    make_line(segment)
    for queue in (
        Red(limit_bytes=300_000, min_bytes=10_000, max_bytes=60_000, ecn=False),
        Codel(ecn=False),
        Codel(fair=True, ecn=False),
        Pie(ecn=False),
        Cake(rtt_ns=20 * MS),
    ):
        _split(segment, queue)
        able = 0 if isinstance(queue, Cake) else 2  # CAKE marks whatever can be marked

        found = exchange(segment, 600, payload_bytes=1000, gap_ns=FRAME_NS * 9 // 10, tos=able, wait_ns=3 * 10**9)

        after = _queue(segment)
        assert after.queue_drops == sum(found.lost) >= 3, (queue, after, sum(found.lost))
        assert after.queue_marks == 0
        segment.set_netem("r", "rb", Impairment())


@linux
def codel_holds_the_delay_where_a_plain_buffer_fills(segment: Segment) -> None:
    make_line(segment)
    worst = {}
    for queue in (Fifo(packets=200), Codel()):
        _split(segment, queue)
        found = exchange(segment, 1500, payload_bytes=1000, gap_ns=FRAME_NS * 95 // 100, wait_ns=3 * 10**9)
        worst[queue.kind] = sorted(found.delays_ns)[len(found.arrivals) * 9 // 10]

    assert worst["codel"] < worst["pfifo"] / 2, worst


@linux
def a_change_in_place_loses_nothing_that_waits(segment: Segment) -> None:
    make_line(segment)
    for queue in QUEUES:
        _split(segment, queue)
        slow = Shaper(rate_bps=10_000, queue=queue)
        segment.set_shaper("r", "rb", slow)
        before = _queue(segment)

        found = exchange_with_change(segment, replace(slow, rate_bps=RATE_BPS))

        after = _queue(segment)
        assert found == 20, (queue, found)
        assert after.queue_drops == before.queue_drops, queue
        assert after.queue_sent_packets - before.queue_sent_packets == 20, "the same discipline counted all of them"


def exchange_with_change(segment: Segment, later: Shaper) -> int:
    """Twenty packets into a slow queue; the change; how many arrived."""
    with (
        segment.open_socket("a", socket.AF_INET, socket.SOCK_DGRAM) as sender,
        segment.open_socket("b", socket.AF_INET, socket.SOCK_DGRAM) as receiver,
    ):
        receiver.bind(("192.0.2.2", 7000))
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 2)
        for _ in range(20):
            # What can be marked is not dropped: a loss would be the change's.
            sender.sendto(b"x" * 100, ("192.0.2.2", 7000))
        time.sleep(0.01)
        segment.set_shaper("r", "rb", later)
        time.sleep(0.5)
        came = 0
        while True:
            try:
                receiver.recv(200)
            except BlockingIOError:
                return came
            came += 1


@linux
def a_shaper_on_arrival_serves_what_leaves_an_instance(segment: Segment) -> None:
    make_line(segment)
    wanted = Impairment(delay_ns=5 * MS, rate_bps=RATE_BPS, queue=Codel(target_ns=10**9, interval_ns=10**10))
    segment.redirect_ingress("r", "ra", "i.ra")
    segment.set_netem("a", "ar", wanted.delay_line(serialise=False))
    segment.set_shaper("r", "i.ra", wanted.shaper())

    found = exchange(segment, 40, payload_bytes=1000)

    # The shaper lets a full frame's length through at once, then keeps to its rate.
    moments = [moment - 5 * MS for moment in found.since_first_ns]
    assert len(moments) == 40
    assert_moments(moments[:1], [0], 3 * US)
    if is_real():
        # A frame that the shaper sends late gives it the credit of one more frame back, never of more.
        assert_moments(moments[2:], [at * FRAME_NS for at in range(38)], US)
    else:
        assert all(abs(later - one - FRAME_NS) < US for one, later in pairwise(moments[2:])), moments
    assert segment.counters("r")["i.ra"].queue_sent_packets == 40


@linux
def duplicates_pass_a_shaper_on_the_other_device(segment: Segment) -> None:
    make_line(segment)
    wanted = Impairment(
        delay_ns=MS, rate_bps=RATE_BPS, queue=Fifo(packets=500), duplicate=Chance(share=1.0), jitter_ns=MS // 2
    )
    segment.redirect_ingress("b", "br", "i.br")
    segment.set_netem("b", "i.br", wanted.delay_line(serialise=True))
    segment.set_shaper("r", "rb", wanted.shaper())

    found = exchange(segment, 100)

    assert len(found.arrivals) == 200
