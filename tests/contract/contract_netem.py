"""Impairments and batches: set in full, read back, refused by name."""

from __future__ import annotations

from dataclasses import replace

from contract_base import EVERYTHING, FULL, MAC_A, MAC_B, assert_near, both, make_pair, refused

from shadowlab.kernel.ports import Hop, Route, Segment
from shadowlab.model.impairment import Impairment
from shadowlab.model.jitter import JitterShape, standard_table
from shadowlab.model.loss import FourState, GilbertElliott


@both
def an_interface_has_no_netem_at_first(segment: Segment) -> None:
    make_pair(segment)

    assert segment.read_netem("a", "ab") is None


@both
def netem_is_read_back(segment: Segment) -> None:
    make_pair(segment)

    segment.set_netem("a", "ab", FULL)

    held = segment.read_netem("a", "ab")
    assert held is not None
    assert abs(held.loss - FULL.loss) < 1e-9
    assert replace(held, loss=FULL.loss) == FULL


@both
def a_change_sends_the_whole_state(segment: Segment) -> None:
    make_pair(segment)
    segment.set_netem("a", "ab", FULL)

    segment.set_netem("a", "ab", Impairment(delay_ns=5_000_000))

    assert segment.read_netem("a", "ab") == Impairment(delay_ns=5_000_000)


@both
def jitter_without_a_rate_reads_back_without_one(segment: Segment) -> None:
    make_pair(segment)

    segment.set_netem("a", "ab", Impairment(delay_ns=5_000_000, jitter_ns=2_000_000))

    assert segment.read_netem("a", "ab") == Impairment(delay_ns=5_000_000, jitter_ns=2_000_000)


@both
def rates_and_times_beyond_32_bits_are_held(segment: Segment) -> None:
    make_pair(segment)
    wanted = Impairment(delay_ns=300_000_000_000, rate_bps=100_000_000_000, queue_packets=10)

    segment.set_netem("a", "ab", wanted)

    assert segment.read_netem("a", "ab") == wanted


@both
def what_netem_cannot_hold_is_refused_and_nothing_changes(segment: Segment) -> None:
    make_pair(segment)
    segment.set_netem("a", "ab", FULL)
    before = segment.read_netem("a", "ab")

    for impossible, word in (
        (Impairment(loss=1e-12), "loss"),
        (Impairment(rate_bps=1), "rate"),
        (Impairment(jitter_ns=3_000_000_000, delay_ns=3_000_000_000), "jitter"),
        (Impairment(jitter_ns=2_000_000, delay_ns=1_000_000), "before it was sent"),
    ):
        with refused("a/ab", word, "EINVAL"):
            segment.set_netem("a", "ab", impossible)

    assert segment.read_netem("a", "ab") == before


@both
def everything_netem_can_do_is_read_back(segment: Segment) -> None:
    make_pair(segment)

    segment.set_netem("a", "ab", EVERYTHING)

    held = segment.read_netem("a", "ab")
    assert held is not None
    assert_near(held, EVERYTHING)


@both
def zero_means_zero_after_everything(segment: Segment) -> None:
    make_pair(segment)
    segment.set_netem("a", "ab", EVERYTHING)

    segment.set_netem("a", "ab", Impairment())

    assert segment.read_netem("a", "ab") == Impairment()


@both
def loss_models_replace_each_other(segment: Segment) -> None:
    make_pair(segment)
    for model in (
        GilbertElliott(p=0.01, r=0.25, bad=0.75, good=0.001),
        FourState(p13=0.1, p31=0.5, p32=0.25, p23=0.75, p14=0.01),
        None,
    ):
        segment.set_netem("a", "ab", Impairment(loss_model=model))

        held = segment.read_netem("a", "ab")
        assert held is not None
        assert_near(held, Impairment(loss_model=model))


@both
def distributions_of_jitter_replace_each_other(segment: Segment) -> None:
    make_pair(segment)
    empirical = standard_table([1.0, 2.0, 4.0, 9.0])
    for shape in (
        JitterShape(distribution="normal"),
        JitterShape(distribution="pareto", reordering=True),
        JitterShape(distribution="empirical", table=empirical.entries, stretch=empirical.stretch),
        None,
    ):
        wanted = Impairment(delay_ns=50_000_000, jitter_ns=1_000_000, jitter_shape=shape)
        segment.set_netem("a", "ab", wanted)

        assert segment.read_netem("a", "ab") == wanted


@both
def the_extremes_are_held_or_refused(segment: Segment) -> None:
    make_pair(segment)
    for extreme in (
        Impairment(delay_ns=1),
        Impairment(delay_ns=3_600_000_000_000),
        Impairment(rate_bps=8),
        Impairment(rate_bps=400_000_000_000, delay_ns=1_000_000),
    ):
        segment.set_netem("a", "ab", extreme)

        assert segment.read_netem("a", "ab") == extreme
    for impossible, word in (
        (Impairment(rate_bps=1), "8 bit/s"),
        (Impairment(rate_bps=400_000_000_000, delay_ns=3_600_000_000_000), "limit"),
    ):
        with refused("a/ab", word, "EINVAL"):
            segment.set_netem("a", "ab", impossible)


@both
def netem_on_a_missing_interface_is_refused(segment: Segment) -> None:
    make_pair(segment)

    with refused("a/none", "ENODEV"):
        segment.set_netem("a", "none", FULL)


@both
def netem_goes_with_its_interface(segment: Segment) -> None:
    make_pair(segment)
    segment.set_netem("a", "ab", FULL)
    segment.delete_link("a", "ab")

    make_pair(segment)

    assert segment.read_netem("a", "ab") is None


@both
def arrivals_are_impaired_through_an_ifb(segment: Segment) -> None:
    make_pair(segment)

    segment.redirect_ingress("a", "ab", "i.ab")
    segment.redirect_ingress("a", "ab", "i.ab")
    segment.set_netem("a", "i.ab", FULL)

    held = segment.read_netem("a", "i.ab")
    assert held is not None
    assert held.delay_ns == FULL.delay_ns
    assert segment.read_netem("a", "ab") is None
    assert dict(segment.links("a")) == {"ab": True, "i.ab": True}
    assert set(segment.counters("a")) == {"ab", "i.ab"}


@both
def an_ifb_goes_with_the_interface_it_serves(segment: Segment) -> None:
    make_pair(segment)
    segment.redirect_ingress("a", "ab", "i.ab")

    segment.delete_link("b", "ba")

    assert dict(segment.links("a")) == {}


@both
def an_ifb_with_a_taken_name_is_refused(segment: Segment) -> None:
    make_pair(segment, "a", "b", 0)
    make_pair(segment, "a", "c", 1)

    with refused("a/ab", "ac", "EEXIST"):
        segment.redirect_ingress("a", "ab", "ac")


@both
def a_batch_is_done_at_its_end(segment: Segment) -> None:
    with segment.batch():
        for node in ("a", "b"):
            segment.create_namespace(node)
        segment.create_veth(
            node_a="a", name_a="x", mac_a=MAC_A, node_b="b", name_b="y", mac_b=MAC_B, mtu=1500, alias="l"
        )
        segment.add_address("a", "x", "10.0.0.0", 31)
        segment.set_netem("a", "x", FULL)
        segment.set_link_up("a", "x", up=True)
        segment.set_link_up("b", "y", up=True)
        segment.replace_route("a", "192.0.2.9", 32, [Hop("x", "10.0.0.1")])
    segment.wait_for_links([("a", "x"), ("b", "y")])

    assert dict(segment.links("a")) == {"x": True}
    assert segment.routes("a") == (Route("192.0.2.9", 32, (Hop("x", "10.0.0.1"),)),)
    assert segment.read_netem("a", "x") is not None


@both
def reading_in_a_batch_sees_what_came_before(segment: Segment) -> None:
    with segment.batch():
        segment.create_namespace("a")
        segment.create_namespace("b")
        segment.create_veth(
            node_a="a", name_a="x", mac_a=MAC_A, node_b="b", name_b="y", mac_b=MAC_B, mtu=1500, alias="l"
        )
        segment.add_address("a", "x", "10.0.0.0", 31)

        assert segment.addresses("a") == (("x", "10.0.0.0", 31),)


@both
def a_refusal_in_a_batch_names_its_object(segment: Segment) -> None:
    make_pair(segment)

    with refused("192.0.2.7/32", "10.9.9.9", "ENETUNREACH"), segment.batch():
        segment.replace_route("a", "192.0.2.6", 32, [Hop("ab", "10.0.0.1")])
        segment.replace_route("a", "192.0.2.7", 32, [Hop("ab", "10.9.9.9")])
        segment.replace_route("a", "192.0.2.8", 32, [Hop("ab", "10.0.0.1")])
