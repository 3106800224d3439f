"""Shapers with their queue disciplines: set in full, read back, changed in place, replaced, refused by name."""

from __future__ import annotations

from dataclasses import replace

from contract_base import EVERYTHING, assert_near, both, make_pair, refused

from shadowlab.kernel.ports import Segment
from shadowlab.model.impairment import Impairment
from shadowlab.model.queue import Cake, Codel, Fifo, Pie, Queue, Red, Shaper

MS = 1_000_000
# Times are such that the kernel's coarser units hold them exactly: CoDel counts in 1024 ns, PIE in 64 ns.
QUEUES: tuple[Queue, ...] = (
    Fifo(packets=60),
    Fifo(bytes=90_000),
    Red(limit_bytes=200_000, min_bytes=15_000, max_bytes=45_000, probability=0.125, adaptive=True),
    Red(limit_bytes=90_000, min_bytes=10_000, max_bytes=30_000, probability=0.0625, ecn=False),
    Codel(limit_packets=500, target_ns=128 * MS, interval_ns=1024 * MS),
    Codel(fair=True, limit_packets=2000, target_ns=128 * MS, interval_ns=1024 * MS, ecn=False),
    Pie(limit_packets=700, target_ns=16 * MS, update_ns=30 * MS, alpha=3, beta=21, ecn=False),
    Cake(rtt_ns=50 * MS, memory_bytes=300_000, flows="flows", priorities="besteffort"),
)


@both
def an_interface_has_no_shaper_at_first(segment: Segment) -> None:
    make_pair(segment)

    assert segment.read_shaper("a", "ab") is None


@both
def each_discipline_is_read_back_and_replaces_the_one_before(segment: Segment) -> None:
    make_pair(segment)
    for queue in (*QUEUES, *reversed(QUEUES)):
        wanted = Shaper(rate_bps=10_000_000, queue=queue)

        segment.set_shaper("a", "ab", wanted)

        held = segment.read_shaper("a", "ab")
        assert_near(held, wanted)
        assert segment.read_netem("a", "ab") is None


@both
def each_discipline_is_changed_in_place(segment: Segment) -> None:
    for number, queue in enumerate(QUEUES):
        make_pair(segment, f"a{number}", f"b{number}", number)
        node, name = f"a{number}", f"a{number}b{number}"
        segment.set_shaper(node, name, Shaper(rate_bps=10_000_000, queue=queue, frame_overhead_bytes=0))
        wanted = Shaper(rate_bps=100_000_000_000, queue=queue)

        segment.set_shaper(node, name, wanted)

        assert_near(segment.read_shaper(node, name), wanted)


@both
def microseconds_are_rounded_as_the_kernel_rounds_them(segment: Segment) -> None:
    make_pair(segment)

    segment.set_shaper("a", "ab", Shaper(rate_bps=10_000_000, queue=Codel()))

    held = segment.read_shaper("a", "ab")
    assert held is not None
    assert isinstance(held.queue, Codel)
    assert held.queue.target_ns == 4_999_000
    assert held.queue.interval_ns == 99_999_000


@both
def netem_and_a_shaper_replace_each_other(segment: Segment) -> None:
    make_pair(segment)
    for _ in range(2):
        segment.set_netem("a", "ab", EVERYTHING)
        assert segment.read_shaper("a", "ab") is None

        segment.set_shaper("a", "ab", Shaper(rate_bps=10_000_000, queue=Fifo(packets=9)))
        assert segment.read_netem("a", "ab") is None

    segment.set_netem("a", "ab", Impairment(delay_ns=5 * MS, jitter_ns=MS))

    assert segment.read_netem("a", "ab") == Impairment(delay_ns=5 * MS, jitter_ns=MS)


@both
def a_shaper_can_stand_on_an_ifb(segment: Segment) -> None:
    make_pair(segment)
    wanted = Shaper(rate_bps=10_000_000, queue=Fifo(packets=9))

    with segment.batch():
        segment.redirect_ingress("a", "ab", "i.ab")
        segment.set_shaper("a", "i.ab", wanted)
        segment.set_netem("a", "ab", EVERYTHING)

    assert segment.read_shaper("a", "i.ab") == wanted
    assert segment.read_shaper("a", "ab") is None


@both
def what_a_shaper_cannot_hold_is_refused_and_nothing_changes(segment: Segment) -> None:
    make_pair(segment)
    before = Shaper(rate_bps=10_000_000, queue=Fifo(packets=9))
    segment.set_shaper("a", "ab", before)

    huge = Red(limit_bytes=1 << 31, min_bytes=1 << 29, max_bytes=1 << 30)
    for impossible, word in ((replace(before, queue=huge), "RED"), (replace(before, rate_bps=1003), "take 1000 bit/s")):
        with refused("a/ab", word, "EINVAL"):
            segment.set_shaper("a", "ab", impossible)

    assert segment.read_shaper("a", "ab") == before


@both
def a_shaper_on_a_missing_interface_is_refused(segment: Segment) -> None:
    make_pair(segment)

    with refused("a/none", "ENODEV"):
        segment.set_shaper("a", "none", Shaper(rate_bps=10_000_000, queue=Fifo(packets=9)))


@both
def a_shaper_goes_with_its_interface(segment: Segment) -> None:
    make_pair(segment)
    segment.set_shaper("a", "ab", Shaper(rate_bps=10_000_000, queue=Codel()))
    segment.delete_link("a", "ab")

    make_pair(segment)

    assert segment.read_shaper("a", "ab") is None
