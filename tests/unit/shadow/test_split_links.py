"""A direction with a queue discipline: two devices, each with one thing to do, and never two netems on one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from shadow_example import FABRIC, NETWORK

from shadowlab.kernel.fake import FakeSegment
from shadowlab.lab.prepare import watched_interfaces
from shadowlab.model.impairment import Impairment
from shadowlab.model.jitter import JitterShape
from shadowlab.model.loss import Chance
from shadowlab.model.network import Direction, Network
from shadowlab.model.queue import Codel, Fifo, Red, Shaper
from shadowlab.shadow.apply import apply
from shadowlab.shadow.ops import ImpairEgress, ImpairIngress, TimedChange, ingress_device
from shadowlab.shadow.plan import build_plan, impair_ops

CORE = Direction(link="r1-r2", source="r1", target="r2")
ACCESS = Direction(link="h1-r1", source="h1", target="r1")
WANTED = Impairment(
    delay_ns=10_000_000, loss=0.01, duplicate=Chance(share=0.1), rate_bps=10_000_000, queue=Codel(target_ns=128_000_000)
)


def with_everything(network: Network, impairment: Impairment) -> Network:
    return network.with_links(*(replace(one, forward=impairment, backward=impairment) for one in network.links))


def test_from_a_router_the_shaper_leaves_and_the_delay_line_arrives() -> None:
    line, queue = impair_ops(FABRIC, NETWORK, CORE, WANTED)

    assert isinstance(queue, ImpairEgress)
    assert isinstance(line, ImpairIngress)
    assert (queue.node, line.node) == ("r1", "r2")
    assert queue.impairment == Impairment(rate_bps=10_000_000, queue=WANTED.queue)
    assert line.impairment.queue is None
    assert (line.impairment.delay_ns, line.impairment.loss, line.impairment.rate_bps) == (10_000_000, 0.01, 10_000_000)
    assert queue.describe().startswith("shape r1>r2 at r1/")


def test_from_an_instance_the_delay_line_leaves_and_the_shaper_arrives() -> None:
    line, queue = impair_ops(FABRIC, NETWORK, ACCESS, WANTED)

    assert isinstance(line, ImpairEgress)
    assert isinstance(queue, ImpairIngress)
    assert (line.node, queue.node) == ("h1", "r1")
    assert line.impairment.rate_bps is None, "a queue on the instance itself would push back on its TCP"


def test_no_device_has_two_things_to_do() -> None:
    network = with_everything(NETWORK, WANTED)
    ops = [op for op in build_plan(network, FABRIC, ()) if isinstance(op, ImpairEgress | ImpairIngress)]

    devices = [(op.node, op.device if isinstance(op, ImpairIngress) else op.interface) for op in ops]
    assert len(devices) == len(set(devices)) == 4 * len(network.links)


def test_the_queue_is_what_is_watched() -> None:
    network = with_everything(NETWORK, WANTED)

    found = watched_interfaces(build_plan(network, FABRIC, ()))
    watched = {one.direction: one for one in found if not one.line}

    assert len(watched) == 2 * len(network.links)
    assert [one.line != "" for one in found] == [False] * len(watched) + [True] * len(watched)
    core = FABRIC.by_direction[CORE]
    assert (watched["r1>r2"].node, watched["r1>r2"].interface) == ("r1", core.name)
    access = FABRIC.by_direction[ACCESS]
    assert (watched["h1>r1"].node, watched["h1>r1"].interface) == ("r1", ingress_device(access.peer_name))
    lines = {one.direction: one for one in found if one.line}
    assert (lines["r1>r2"].node, lines["r1>r2"].line) == ("r2", "behind")
    assert (lines["h1>r1"].node, lines["h1>r1"].line) == ("h1", "before")


def test_a_delay_line_that_an_event_makes_is_watched_too() -> None:
    split = TimedChange(at_ns=5, reason="", ops=impair_ops(FABRIC, NETWORK, CORE, WANTED))

    found = watched_interfaces(build_plan(NETWORK, FABRIC, ()), [split])

    assert [(one.direction, one.node, one.line) for one in found if one.line] == [("r1>r2", "r2", "behind")]


def test_both_devices_are_set_and_a_plain_link_neutralises_the_line() -> None:
    network = NETWORK.with_links(NETWORK.links_by_id["r1-r2"].with_impairment(CORE, WANTED))
    core = FABRIC.by_direction[CORE]
    line = ingress_device(core.peer_name)
    with FakeSegment() as segment:
        apply(build_plan(network, FABRIC, ()), segment)
        held = segment.read_shaper("r1", core.name)
        delayed = segment.read_netem("r2", line)

        apply(impair_ops(FABRIC, network, CORE, Impairment(delay_ns=5, rate_bps=8_000_000)), segment)

        assert held is not None
        assert held.rate_bps == 10_000_000
        assert delayed is not None
        assert delayed.delay_ns == 10_000_000
        assert segment.read_shaper("r1", core.name) is None
        assert segment.read_netem("r1", core.name) == Impairment(delay_ns=5, rate_bps=8_000_000)
        assert segment.read_netem("r2", line) == Impairment()


def test_reordering_jitter_with_a_rate_is_split_by_itself() -> None:
    reordering = Impairment(
        delay_ns=10, jitter_ns=5, rate_bps=8_000_000, queue_packets=60, jitter_shape=JitterShape(reordering=True)
    )

    line, queue = impair_ops(FABRIC, NETWORK, CORE, reordering)

    assert queue.impairment.shaper() == Shaper(rate_bps=8_000_000, queue=Fifo(packets=60))
    assert line.impairment.rate_bps is None, "netem with a rate keeps the order"


@pytest.mark.parametrize("factor", [0.5, 2, 1000])
def test_a_queue_is_scaled_with_its_rate(factor: float) -> None:
    red = Red(limit_bytes=10**7, min_bytes=10**6, max_bytes=3 * 10**6)

    scaled = Impairment(rate_bps=10**9, queue=red).scaled(factor).queue

    assert isinstance(scaled, Red)
    assert scaled.limit_bytes == round(10**7 / factor)
    assert scaled.min_bytes == round(10**6 / factor)


def test_a_buffer_in_packets_is_what_the_discipline_counts_in() -> None:
    codel = Impairment(rate_bps=10**7, queue=Codel()).with_queue_packets(50)
    buffered = Impairment(rate_bps=10**7, queue=Fifo(bytes=9000)).with_queue_packets(50)

    assert codel.queue == Codel(limit_packets=50)
    assert buffered.queue == Fifo(bytes=50 * 1514)


def test_a_discipline_without_a_rate_is_refused_before_anything_is_planned() -> None:
    with pytest.raises(ValueError, match="without a rate"):
        impair_ops(FABRIC, NETWORK, CORE, Impairment(queue=Codel()))
