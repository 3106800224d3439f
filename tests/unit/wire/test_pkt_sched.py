"""netem, filters and statistics: encode then decode is the identity, and pyroute2 reads the same."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.tcmsg import tcmsg

from shadowlab.model.impairment import Impairment
from shadowlab.wire import netlink, pkt_sched
from shadowlab.wire.netlink import Request
from shadowlab.wire.pkt_sched import KEEP_ORDER_RATE, MAX_U32, Netem

u32, s32 = st.integers(0, MAX_U32), st.integers(-(1 << 31), (1 << 31) - 1)
times = st.integers(0, (1 << 63) - 1)
netems = st.builds(
    Netem,
    latency_ns=times,
    jitter_ns=times,
    limit=u32,
    loss=u32,
    rate=st.integers(0, (1 << 64) - 1),
    packet_overhead=s32,
    duplicate=u32,
    gap=u32,
    ecn=u32,
    delay_correlation=u32,
    loss_correlation=u32,
    duplicate_correlation=u32,
    reorder=u32,
    reorder_correlation=u32,
    corrupt=u32,
    corrupt_correlation=u32,
    cell_size=u32,
    cell_overhead=s32,
    loss_model=st.just(0),
)
impairments = st.builds(
    Impairment,
    delay_ns=st.integers(0, 10**10),
    jitter_ns=st.integers(0, (1 << 31) - 1),
    loss=st.one_of(st.just(0.0), st.floats(1e-9, 1.0)),
    rate_bps=st.one_of(st.none(), st.integers(1, 10**11).map(lambda rate: rate * 8)),
    queue_packets=st.integers(1, 10**6),
)


def oracle(request: Request) -> Any:
    message = tcmsg(netlink.pack_message(request, 1))
    message.decode()
    return message


@given(netems)
def test_netem_encoded_and_decoded_is_the_same(netem: Netem) -> None:
    assert pkt_sched.parse_netem(pkt_sched.pack_netem(netem)) == netem


@given(impairments)
def test_an_impairment_comes_back_from_the_kernels_units(impairment: Impairment) -> None:
    netem = pkt_sched.netem_of(impairment)
    back = pkt_sched.impairment_of(pkt_sched.parse_netem(pkt_sched.pack_netem(netem)))

    assert abs(back.loss - impairment.loss) <= 1 / MAX_U32
    if impairment.rate_bps is None and impairment.queue_packets <= 100_000:
        assert replace(back, loss=0.0, queue_packets=1) == replace(impairment, loss=0.0, queue_packets=1)
    else:
        assert replace(back, loss=0.0) == replace(impairment, loss=0.0)
    assert pkt_sched.netem_of(back).limit == netem.limit


@given(st.integers(8, 10**12))
def test_a_rate_is_rounded_to_whole_bytes_a_second(rate_bps: int) -> None:
    back = pkt_sched.impairment_of(pkt_sched.netem_of(Impairment(rate_bps=rate_bps)))

    assert back.rate_bps is not None
    assert abs(back.rate_bps - rate_bps) <= 4


def test_a_real_rate_carries_the_framing_of_ethernet() -> None:
    assert pkt_sched.netem_of(Impairment(rate_bps=10**6)).packet_overhead == 24


def test_jitter_alone_keeps_the_order_by_a_rate_that_nothing_notices() -> None:
    netem = pkt_sched.netem_of(Impairment(delay_ns=10**7, jitter_ns=10**6))

    assert netem.rate == KEEP_ORDER_RATE
    assert 65_536 * 10**9 // netem.rate == 0, "the kernel's time for the largest packet"
    assert pkt_sched.impairment_of(netem).rate_bps is None


def test_without_jitter_no_rate_is_invented() -> None:
    assert pkt_sched.netem_of(Impairment(delay_ns=10**7)).rate == 0


@pytest.mark.parametrize(
    ("impairment", "word"),
    [
        (Impairment(loss=1e-11), "loss"),
        (Impairment(rate_bps=3), "rate"),
        (Impairment(rate_bps=KEEP_ORDER_RATE * 8), "rate"),
        (Impairment(jitter_ns=1 << 31), "jitter"),
        (Impairment(queue_packets=1 << 32), "limit"),
    ],
)
def test_what_the_fields_cannot_hold_is_refused(impairment: Impairment, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        pkt_sched.netem_of(impairment)


def test_pyroute2_reads_our_netem() -> None:
    netem = Netem(latency_ns=64_000, jitter_ns=6_400, limit=37, loss=MAX_U32 // 4, rate=125_000, packet_overhead=24)

    message = oracle(pkt_sched.set_netem(64, netem))

    options = message.get_attr("TCA_OPTIONS")
    assert message.get_attr("TCA_KIND") == "netem"
    assert (message["index"], message["parent"], message["handle"]) == (64, 0xFFFFFFFF, 0x10000)
    assert (options["delay"], options["jitter"], options["limit"]) == (1000, 100, 37), "times in ticks of 64 ns"
    assert options["loss"] == MAX_U32 // 4
    assert options.get_attr("TCA_NETEM_RATE")["rate"] == 125_000


def test_a_rate_beyond_32_bits_goes_along_twice() -> None:
    packed = pkt_sched.pack_netem(Netem(rate=12_500_000_000))

    found = netlink.attributes(packed, 24)
    assert struct.unpack_from("=I", found[pkt_sched.TCA_NETEM_RATE]) == (MAX_U32,)
    assert struct.unpack("=Q", found[pkt_sched.TCA_NETEM_RATE64]) == (12_500_000_000,)


def test_the_times_of_kernels_without_64_bits_are_read() -> None:
    netem = pkt_sched.parse_netem(struct.pack("=6I", 1000, 37, 0, 0, 0, 100))

    assert (netem.latency_ns, netem.jitter_ns, netem.limit, netem.rate) == (64_000, 6_400, 37, 0)


def test_a_loss_model_that_we_did_not_set_is_seen() -> None:
    model = netlink.pack_nested(pkt_sched.TCA_NETEM_LOSS, netlink.pack_attribute(2, struct.pack("=4I", 1, 2, 3, 4)))

    assert pkt_sched.parse_netem(pkt_sched.pack_netem(Netem()) + model).loss_model == 2


def _qdisc(kind: str, options: bytes, *stats: bytes) -> bytes:
    return (
        struct.pack("=BxxxiIII", 0, 64, 0x10000, pkt_sched.TC_H_ROOT, 2)
        + netlink.pack_text(pkt_sched.TCA_KIND, kind)
        + netlink.pack_attribute(pkt_sched.TCA_OPTIONS, options)
        + netlink.pack_nested(pkt_sched.TCA_STATS2, *stats)
    )


def test_statistics_of_a_queue() -> None:
    basic = netlink.pack_attribute(pkt_sched.TCA_STATS_BASIC, struct.pack("=QI4x", 5_000, 50))
    queue = netlink.pack_attribute(pkt_sched.TCA_STATS_QUEUE, struct.pack("=5I", 3, 300, 7, 0, 0))

    state = pkt_sched.parse_qdisc(_qdisc("netem", pkt_sched.pack_netem(Netem(limit=9)), basic, queue))

    assert state.netem == Netem(limit=9)
    assert (state.sent_bytes, state.sent_packets) == (5_000, 50)
    assert (state.queue_packets, state.queue_bytes, state.drops) == (3, 300, 7)


def test_a_packet_count_beyond_32_bits() -> None:
    basic = netlink.pack_attribute(pkt_sched.TCA_STATS_BASIC, struct.pack("=QI4x", 5_000, 0))
    wide = netlink.pack_attribute(pkt_sched.TCA_STATS_PKT64, struct.pack("=Q", 1 << 32))

    state = pkt_sched.parse_qdisc(_qdisc("noqueue", b"", basic, wide))

    assert state.sent_packets == 1 << 32
    assert state.netem is None


def test_an_ingress_hook() -> None:
    message = oracle(pkt_sched.new_ingress(64))

    assert message.get_attr("TCA_KIND") == "ingress"
    assert (message["handle"], message["parent"]) == (0xFFFF0000, 0xFFFFFFF1)


def test_a_redirect_of_all_that_arrives() -> None:
    request = pkt_sched.new_redirect(64, 66)
    message = oracle(request)

    action = message.get_attr("TCA_OPTIONS").get_attr("TCA_MATCHALL_ACT").get_attr("TCA_ACT_PRIO_1")
    parameters = action.get_attr("TCA_ACT_OPTIONS").get_attr("TCA_MIRRED_PARMS")
    assert message.get_attr("TCA_KIND") == "matchall"
    assert (message["index"], message["parent"]) == (64, 0xFFFF0000)
    assert message["info"] == 1 << 16 | 0x0300, "priority 1, every protocol in network order"
    assert action.get_attr("TCA_ACT_KIND") == "mirred"
    assert (parameters["ifindex"], parameters["eaction"], parameters["action"]) == (66, 1, 4)
    assert pkt_sched.parse_filter(request.body) == (64, "matchall", 66)
