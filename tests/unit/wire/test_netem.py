"""netem: encode then decode is the identity, pyroute2 reads the same, and what the kernel cannot hold is refused."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.tcmsg import tcmsg

from shadowlab.model.impairment import Framing, Impairment, Slot
from shadowlab.model.jitter import TABLE_SCALE, JitterShape, named_table, standard_table
from shadowlab.model.loss import Chance, FourState, GilbertElliott, Reorder
from shadowlab.model.queue import Fifo
from shadowlab.wire import netem, netlink, pkt_sched
from shadowlab.wire.netem import KEEP_ORDER_RATE, MAX_U32, Netem, impairment_of, netem_of, pack_netem, parse_netem
from shadowlab.wire.netlink import Request

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
    slot_least_ns=st.integers(0, 10**12),
    slot_most_ns=st.integers(0, 10**12),
    slot_packets=st.integers(0, (1 << 31) - 1),
    slot_bytes=st.integers(0, (1 << 31) - 1),
    seed=st.one_of(st.none(), st.integers(0, (1 << 64) - 1)),
    loss_chances=st.just(()),
    table=st.just(()),
)
models = st.sampled_from([(0, ()), (1, (1, 2, 3, 4, 5)), (2, (6, 7, 8, 9))])
correlations = st.sampled_from([0.0, 0.25, 1.0])
shares = st.one_of(st.just(0.0), st.floats(1e-9, 1.0))
chances = st.one_of(st.none(), st.builds(Chance, share=st.floats(1e-9, 1.0), correlation=correlations))
probabilities = st.floats(0.001, 0.5)
impairments = st.builds(
    Impairment,
    delay_ns=st.integers(1 << 33, 10**12),
    jitter_ns=st.integers(0, (1 << 31) - 1),
    loss=shares,
    rate_bps=st.one_of(st.none(), st.integers(1, 10**7).map(lambda rate: rate * 8)),
    queue_packets=st.integers(1, 10**6),
    loss_correlation=correlations,
    duplicate=chances,
    corrupt=chances,
    reorder=st.one_of(
        st.none(), st.builds(Reorder, share=probabilities, correlation=correlations, gap=st.integers(1, 100))
    ),
    slot=st.one_of(st.none(), st.just(Slot(least_ns=5, most_ns=10**6, packets=3, bytes=4000))),
    ecn=st.booleans(),
    seed=st.one_of(st.none(), st.integers(0, (1 << 64) - 1)),
)


NORMAL = JitterShape(distribution="normal")
REORDERING = JitterShape(reordering=True)


def oracle(request: Request) -> Any:
    message = tcmsg(netlink.pack_message(request, 1))
    message.decode()
    return message


@given(netems, models)
def test_netem_encoded_and_decoded_is_the_same(wanted: Netem, model: tuple[int, tuple[int, ...]]) -> None:
    wanted = wanted._replace(loss_model=model[0], loss_chances=model[1])

    assert parse_netem(pack_netem(wanted)) == wanted


def near(one: float, other: float) -> bool:
    return abs(one - other) <= 1 / MAX_U32


@given(impairments)
def test_an_impairment_comes_back_from_the_kernels_units(impairment: Impairment) -> None:
    wanted = netem_of(impairment)
    back = impairment_of(parse_netem(pack_netem(wanted)))

    assert near(back.loss, impairment.loss)
    for one, other in (
        (back.duplicate, impairment.duplicate),
        (back.corrupt, impairment.corrupt),
        (back.reorder, impairment.reorder),
    ):
        assert near((one or Chance()).share, (other or Chance()).share)
        assert near((one or Chance()).correlation, (other or Chance()).correlation)
    same = dict.fromkeys(("duplicate", "corrupt", "reorder"), None) | {"loss": 0.0, "loss_correlation": 0.0}
    if impairment.rate_bps is None and impairment.queue_packets <= 100_000:
        same["queue_packets"] = 1
    assert replace(back, **same) == replace(impairment, **same)  # type: ignore[arg-type]
    assert netem_of(back).limit == wanted.limit


@given(st.integers(4000, 10**12))
def test_a_rate_is_rounded_to_whole_bytes_a_second(rate_bps: int) -> None:
    back = impairment_of(netem_of(Impairment(rate_bps=rate_bps)))

    assert back.rate_bps is not None
    assert abs(back.rate_bps - rate_bps) <= 4


def test_a_real_rate_carries_the_framing_of_ethernet() -> None:
    assert netem_of(Impairment(rate_bps=10**6)).packet_overhead == 24


def test_jitter_alone_keeps_the_order_by_a_rate_that_nothing_notices() -> None:
    held = netem_of(Impairment(delay_ns=10**7, jitter_ns=10**6))

    assert held.rate == KEEP_ORDER_RATE
    assert 65_536 * 10**9 // held.rate == 0, "the kernel's time for the largest packet"
    assert impairment_of(held).rate_bps is None


def test_without_jitter_no_rate_is_invented() -> None:
    assert netem_of(Impairment(delay_ns=10**7)).rate == 0


@pytest.mark.parametrize(
    ("impairment", "word"),
    [
        (Impairment(loss=1e-11), "loss"),
        (Impairment(rate_bps=3), "rate"),
        (Impairment(rate_bps=KEEP_ORDER_RATE * 8), "rate"),
        (Impairment(rate_bps=1), "8 bit/s"),
        (Impairment(rate_bps=13), "take 16 bit/s"),
        (Impairment(delay_ns=1 << 32, jitter_ns=1 << 31), "jitter"),
        (Impairment(delay_ns=10**6, jitter_ns=1_000_001), "no packet arrives before it was sent"),
        (Impairment(delay_ns=10**6, jitter_ns=272_600, jitter_shape=NORMAL), "at most 272.6 µs"),
        (Impairment(delay_ns=10**6, jitter_ns=5, rate_bps=8000, jitter_shape=REORDERING), "on another device"),
        (Impairment(delay_ns=3_600_000_000_000, rate_bps=400_000_000_000), "limit ends"),
        (Impairment(duplicate=Chance(share=1e-11)), "duplicate"),
        (Impairment(reorder=Reorder(share=0.1)), "needs a delay"),
        (Impairment(rate_bps=10**6, queue=Fifo(bytes=9)), "a device of its own"),
        (Impairment(queue_packets=1 << 32), "limit"),
    ],
)
def test_what_the_fields_cannot_hold_is_refused(impairment: Impairment, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        netem_of(impairment)


def test_pyroute2_reads_our_netem() -> None:
    wanted = Netem(latency_ns=64_000, jitter_ns=6_400, limit=37, loss=MAX_U32 // 4, rate=125_000, packet_overhead=24)

    message = oracle(pkt_sched.set_netem(64, wanted))

    options = message.get_attr("TCA_OPTIONS")
    assert message.get_attr("TCA_KIND") == "netem"
    assert (message["index"], message["parent"], message["handle"]) == (64, 0xFFFFFFFF, 0x10000)
    assert (options["delay"], options["jitter"], options["limit"]) == (1000, 100, 37), "times in ticks of 64 ns"
    assert options["loss"] == MAX_U32 // 4
    assert options.get_attr("TCA_NETEM_RATE")["rate"] == 125_000


def test_a_rate_beyond_32_bits_goes_along_twice() -> None:
    packed = pack_netem(Netem(rate=12_500_000_000))

    found = netlink.attributes(packed, 24)
    assert struct.unpack_from("=I", found[netem.TCA_NETEM_RATE]) == (MAX_U32,)
    assert struct.unpack("=Q", found[netem.TCA_NETEM_RATE64]) == (12_500_000_000,)


def test_the_times_of_kernels_without_64_bits_are_read() -> None:
    held = parse_netem(struct.pack("=6I", 1000, 37, 0, 0, 0, 100))

    assert (held.latency_ns, held.jitter_ns, held.limit, held.rate) == (64_000, 6_400, 37, 0)


def test_loss_models_are_sent_as_the_kernel_has_them() -> None:
    bursts = netem_of(Impairment(loss_model=GilbertElliott(p=0.01, r=0.25, bad=0.9, good=0.001)))
    states = netem_of(Impairment(loss_model=FourState(p13=0.1, p31=0.5, p32=0.25, p23=0.75, p14=0.01)))

    assert bursts.loss_model == netem.NETEM_LOSS_GE
    assert [round(one / MAX_U32, 6) for one in bursts.loss_chances] == [0.01, 0.25, 0.1, 0.001], "p, r, h, 1-k"
    assert [round(one / MAX_U32, 6) for one in states.loss_chances] == [0.1, 0.5, 0.25, 0.01, 0.75], (
        "p13 p31 p32 p14 p23"
    )
    assert bursts.loss == states.loss == 0


def test_a_loss_model_comes_back() -> None:
    model = GilbertElliott(p=0.01, r=0.25, bad=0.9)

    back = impairment_of(parse_netem(pack_netem(netem_of(Impairment(loss_model=model))))).loss_model

    assert isinstance(back, GilbertElliott)
    assert near(back.p, 0.01)
    assert near(back.bad, 0.9)


def test_a_normal_jitter_brings_its_table() -> None:
    wanted = netem_of(Impairment(delay_ns=10**7, jitter_ns=10**6, jitter_shape=NORMAL))

    sent = netlink.attributes(pack_netem(wanted), 24)[netem.TCA_NETEM_DELAY_DIST]
    assert len(sent) == 2 * 4096
    assert struct.unpack("=4096h", sent) == named_table("normal").entries
    assert wanted.jitter_ns == 10**6


def test_a_long_tail_is_compressed_and_the_jitter_raised_to_match() -> None:
    shape = JitterShape(distribution="pareto")
    wanted = netem_of(Impairment(delay_ns=10**8, jitter_ns=10**6, jitter_shape=shape))

    draws = [wanted.jitter_ns * entry / TABLE_SCALE for entry in wanted.table]
    mean = sum(draws) / len(draws)
    assert abs(mean) < 1000
    assert abs((sum((one - mean) ** 2 for one in draws) / len(draws)) ** 0.5 - 10**6) < 2000
    assert max(draws) > 20 * 10**6, "netem's own table would end at four times the jitter"
    assert impairment_of(wanted, shape).jitter_ns == 10**6


def test_an_empirical_table_keeps_its_quantiles() -> None:
    table = standard_table([1.0, 1.0, 1.0, 5.0])

    mean, deviation = 2.0, 3**0.5
    values = [mean + deviation * entry / TABLE_SCALE * table.stretch for entry in table.entries]
    assert [round(value, 3) for value in values] == [1.0, 1.0, 1.0, 5.0]


def test_samples_that_are_all_the_same_are_no_distribution() -> None:
    with pytest.raises(ValueError, match="no distribution"):
        standard_table([3.0, 3.0])


def test_cells_are_counted() -> None:
    wanted = netem_of(
        Impairment(rate_bps=8_000, framing=Framing(packet_bytes=-14, cell_bytes=48, cell_overhead_bytes=5))
    )

    assert (wanted.packet_overhead, wanted.cell_size, wanted.cell_overhead) == (-14, 48, 5)


def test_a_seed_of_zero_is_a_seed() -> None:
    assert netem.TCA_NETEM_PRNG_SEED in netlink.attributes(pack_netem(Netem(seed=0)), 24)
    assert netem.TCA_NETEM_PRNG_SEED not in netlink.attributes(pack_netem(Netem()), 24)
