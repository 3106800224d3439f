"""What a self-test may say: the grade follows from figures, and from how far they can be believed."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shadowlab.lab.live.proof.selftest import confirmed
from shadowlab.model.impairment import Impairment
from shadowlab.monitor.linktest.chance import allowed
from shadowlab.monitor.linktest.grade import DOUBT, Finding, grade
from shadowlab.monitor.linktest.measure import Passed, most_held, stalled_ns
from shadowlab.monitor.linktest.record import Measured, Precision
from shadowlab.monitor.linktest.trial import End, Trial, plan_trial, wire_bits, wire_ns

MS, S = 1_000_000, 1_000_000_000
WISH = Impairment(delay_ns=10 * MS, rate_bps=10_000_000, queue_packets=40)
EXACT = Precision(late_ns=100, late_p90_ns=200, passage_ns=500, most_bps=0)
LATE = Precision(late_ns=4 * MS, late_p90_ns=9 * MS, passage_ns=30_000, most_bps=20_000_000)


def trial(wish: Impairment = WISH, budget_ns: int = 4 * S) -> Trial:
    a, b = End(node="a", address="192.0.2.0"), End(node="b", address="192.0.2.1")
    return plan_trial(direction="a>b", sender=a, receiver=b, wish=wish, leaves_router=True, budget_ns=budget_ns)


def as_wished(wish: Impairment = WISH) -> Measured:
    """What a link that does as wished shows."""
    planned = trial(wish)
    serial_ns = round(wire_ns(wish, planned.small_bytes))
    return Measured(
        direction="a>b",
        delays_ns=(wish.delay_ns + serial_ns,) * planned.probes,
        loss_sent=planned.loss_packets,
        loss_came=planned.loss_packets - round(planned.loss_packets * wish.loss),
        train_span_ns=round(100 * wire_ns(wish, planned.train_bytes)),
        train_came=100,
        train_numbers=100,
        burst_sent=planned.burst_packets,
        burst_came=planned.burst_room,
        burst_held=planned.burst_room,
    )


def graded(measured: Measured, wish: Impairment = WISH, precision: Precision = EXACT) -> dict[str, Finding]:
    found = grade(wish=wish, trial=trial(wish), measured=measured, precision=precision)
    return {one.quantity: one for one in found}


def test_a_link_as_wished_is_ok_in_all_four() -> None:
    assert {one.grade for one in graded(as_wished()).values()} == {"ok"}


@pytest.mark.parametrize(
    ("quantity", "wrong"),
    [
        ("delay", replace(as_wished(), delays_ns=(11 * MS,) * 30)),
        ("delay", replace(as_wished(), delays_ns=(9 * MS,) * 30)),
        ("rate", replace(as_wished(), train_span_ns=round(as_wished().train_span_ns * 1.01))),
        ("rate", replace(as_wished(), train_span_ns=round(as_wished().train_span_ns / 1.01))),
        ("loss", replace(as_wished(), loss_came=as_wished().loss_sent - 1)),
        ("queue", replace(as_wished(), burst_held=47, burst_came=47)),
        ("queue", replace(as_wished(), burst_held=51, burst_came=51)),
    ],
)
def test_what_differs_by_more_than_it_may_is_off(quantity: str, wrong: Measured) -> None:
    assert [name for name, one in graded(wrong).items() if one.grade == "off"] == [quantity]


def test_a_late_clock_explains_what_it_may_have_caused_and_nothing_is_called_right_by_it() -> None:
    late = replace(as_wished(), delays_ns=(14 * MS,) * 30)

    assert graded(late)["delay"].grade == "off"
    assert graded(late, precision=LATE)["delay"].grade == "could not tell"


def test_a_slow_machine_is_not_a_slow_link() -> None:
    half = replace(as_wished(), train_span_ns=2 * as_wished().train_span_ns)

    assert graded(half)["rate"].grade == "off"
    assert "this machine" in graded(half, precision=replace(EXACT, most_bps=20_000_000))["rate"].note


def test_a_machine_that_stalls_is_not_a_slow_link_and_not_a_lossy_one() -> None:
    pauses = [MS] * 50 + [31 * MS] + [MS] * 50
    span_ns = as_wished().train_span_ns + 30 * MS
    stalled = replace(
        as_wished(),
        train_span_ns=span_ns,
        train_stalled_ns=stalled_ns(list(accumulate(pauses))),
        loss_came=as_wished().loss_sent - 5,
        loss_held=45,
    )

    found = graded(stalled)

    assert [found[name].grade for name in ("rate", "loss")] == ["could not tell"] * 2
    assert stalled_ns(list(accumulate([2 * MS] * 100))) == 0, "a link that is slow all the time is slow"


def test_a_queue_that_nobody_could_fill_is_not_called_short() -> None:
    unfilled = replace(as_wished(), burst_held=20, burst_came=as_wished().burst_sent)

    assert graded(unfilled)["queue"].grade == "could not tell"


def test_an_unlimited_link_has_no_queue_to_fill() -> None:
    wish = Impairment(delay_ns=MS)

    found = graded(replace(as_wished(wish), train_span_ns=10_000), wish)

    assert [(name, one.grade) for name, one in found.items()] == [("delay", "ok"), ("rate", "ok"), ("loss", "ok")]


@pytest.mark.parametrize(
    "wish",
    [
        Impairment(delay_ns=3600 * S),
        Impairment(rate_bps=1),
        Impairment(loss=1.0),
    ],
)
def test_what_takes_too_long_is_left_out_and_the_reason_is_said(wish: Impairment) -> None:
    planned = trial(wish)
    nothing = Measured(direction="a>b", loss_sent=planned.loss_packets)

    found = graded(nothing, wish)

    assert all(one.grade != "off" and (one.note or one.grade == "ok") for one in found.values()), found
    assert found["delay"].grade == "could not tell"


@given(
    delay_ns=some.integers(0, 10 * S),
    rate_bps=some.none() | some.integers(1, 10**12),
    queue_packets=some.integers(1, 10**6),
    loss=some.floats(0, 1),
    mtu=some.integers(68, 65_521),
)
def test_a_trial_keeps_to_its_time_whatever_is_wished(
    delay_ns: int, rate_bps: int | None, queue_packets: int, loss: float, mtu: int
) -> None:
    wish = Impairment(delay_ns=delay_ns, rate_bps=rate_bps, queue_packets=queue_packets, loss=loss, mtu=mtu)

    planned = trial(wish, budget_ns=4 * S)

    for payload, packets in (
        (planned.small_bytes, planned.loss_packets),
        (planned.train_bytes, planned.train_packets),
        (planned.burst_bytes, planned.burst_room if planned.burst_packets else 0),
    ):
        assert packets * wire_ns(wish, payload) <= planned.part_ns
        assert 16 <= payload <= mtu - 28
    assert planned.probes * planned.probe_gap_ns <= planned.part_ns
    if rate_bps is not None:
        if wish.netems == 1:
            assert planned.train_packets == 0 or planned.train_window <= wish.limit_packets()
        assert planned.loss_batch <= max(1, queue_packets // 4)


@given(sent=some.integers(1, 3000), share=some.floats(0, 1))
def test_the_wished_share_itself_is_always_allowed(sent: int, share: float) -> None:
    least, most = allowed(sent, share, DOUBT)

    assert 0 <= least <= sent * share + 1
    assert sent * share - 1 <= most <= sent


def test_the_most_that_waited_at_one_moment_is_the_size_of_the_buffer() -> None:
    burst = Passed()
    burst.left = [0, 0, 0, 10, 20]
    burst.came = [(0, 5), (1, 15), (3, 25), (4, 30)]  # number 2 was lost

    assert most_held(burst, 0) == 2
    assert most_held(burst, 5) == 1


def test_a_rate_counts_cells_where_there_are_cells() -> None:
    from shadowlab.model.impairment import Framing

    atm = Impairment(rate_bps=8, framing=Framing(packet_bytes=-10, cell_bytes=48, cell_overhead_bytes=5))

    assert wire_bits(atm, 64) == 8 * 2 * 53
    assert wire_bits(WISH, 64) == 8 * (64 + 42 + 24)


def test_what_is_off_only_once_is_not_called_off() -> None:
    stalled = grade(
        wish=WISH, trial=trial(), measured=replace(as_wished(), loss_came=900, burst_held=20), precision=EXACT
    )
    calm = grade(wish=WISH, trial=trial(), measured=replace(as_wished(), burst_held=20), precision=EXACT)

    kept = confirmed(stalled, calm)

    assert [one.quantity for one in kept if one.grade == "off"] == ["queue"]
    assert next(one.note for one in kept if one.quantity == "loss").endswith("for it was off at first")
