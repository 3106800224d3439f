"""What is stated of a link anew takes effect, and all the rest stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowlab.model.impairment import Framing, Impairment, Slot
from shadowlab.model.jitter import JitterShape
from shadowlab.model.loss import Chance, FourState, GilbertElliott, Reorder
from shadowlab.model.network import Link
from shadowlab.model.queue import Cake, Codel, Fifo, Pie, Queue, Red
from shadowlab.topology.link_keys.restate import restated
from shadowlab.topology.link_keys.sections import ImpairmentSection

MS = 1_000_000
share = st.floats(0.001, 0.5, allow_nan=False)
millis = st.integers(1, 500).map(lambda value: value * MS)
queues = st.one_of(
    st.none(),
    st.builds(Fifo, bytes=st.integers(3000, 10**6)),
    st.builds(Codel, fair=st.booleans(), limit_packets=st.integers(1, 999), target_ns=millis, ecn=st.booleans()),
    st.builds(Pie, limit_packets=st.integers(1, 999), target_ns=millis, alpha=st.integers(0, 32)),
    st.builds(Cake, rtt_ns=millis, memory_bytes=st.integers(0, 10**6), flows=st.sampled_from(["hosts", "flows"])),
    st.builds(
        Red, limit_bytes=st.just(60_000), min_bytes=st.integers(1, 999), max_bytes=st.integers(1000, 60_000)
    ),
)  # fmt: skip


@st.composite
def impairments(draw: st.DrawFn) -> Impairment:
    """Anything a map could have said but for measured samples."""
    queue: Queue | None = draw(queues)
    model = draw(
        st.one_of(st.none(), st.builds(GilbertElliott, p=share, r=share), st.builds(FourState, p13=share, p31=share))
    )
    return Impairment(
        delay_ns=600 * MS,
        jitter_ns=draw(millis) // 5,
        jitter_shape=draw(
            st.one_of(
                st.none(),
                st.builds(JitterShape, distribution=st.just("normal"), correlation=share),
                st.builds(JitterShape, distribution=st.just("uniform"), reordering=st.just(True)),
            )
        ),
        loss=0.0 if model else draw(share),
        loss_correlation=0.0 if model else draw(st.sampled_from([0.0, 0.25])),
        loss_model=model,
        ecn=draw(st.booleans()),
        rate_bps=draw(st.integers(10**6, 10**9)),
        queue_packets=draw(st.integers(1, 500)) if queue is None else 100,
        queue=queue,
        duplicate=draw(st.one_of(st.none(), st.builds(Chance, share=share, correlation=share))),
        corrupt=draw(st.one_of(st.none(), st.builds(Chance, share=share))),
        reorder=draw(st.one_of(st.none(), st.builds(Reorder, share=share, gap=st.integers(1, 9)))),
        framing=draw(st.one_of(st.none(), st.builds(Framing, packet_bytes=st.integers(0, 200)))),
        slot=draw(st.one_of(st.none(), st.just(Slot(least_ns=MS, most_ns=2 * MS, packets=9, bytes=100)))),
        seed=draw(st.one_of(st.none(), st.integers(0, 2**64 - 1))),
    )


def with_words(now: Impairment, **data: object) -> Impairment:
    link = Link(id="l", a="a", b="b", forward=now, backward=now)
    stated = ImpairmentSection.model_validate(data).stated()
    return restated(link, {link.directions[0]: stated}, folder=Path()).forward


@given(impairments())
def test_what_is_not_stated_stays_to_the_last_bit(now: Impairment) -> None:
    assert with_words(now, delay=f"{now.delay_ns} ns") == now


@given(impairments())
def test_zero_means_zero_and_nothing_else_changes(now: Impairment) -> None:
    zeroed = with_words(now, jitter=0, loss=0, duplicate=0, corrupt=0, reorder=0)

    assert (zeroed.jitter_ns, zeroed.mean_loss) == (0, 0)
    assert not any(chance and chance.share for chance in (zeroed.duplicate, zeroed.corrupt, zeroed.reorder))
    assert (zeroed.delay_ns, zeroed.rate_bps, zeroed.queue, zeroed.slot) == (
        now.delay_ns,
        now.rate_bps,
        now.queue,
        now.slot,
    )


def test_a_plain_size_of_a_queue_keeps_its_discipline() -> None:
    now = Impairment(rate_bps=10**7, queue=Codel(target_ns=3 * MS))

    assert with_words(now, queue=50).queue == Codel(target_ns=3 * MS, limit_packets=50)


def test_bandwidth_delay_products_are_those_of_the_new_delay() -> None:
    now = Impairment(delay_ns=10 * MS, rate_bps=10**7)

    changed = with_words(now, delay="40 ms", queue={"kind": "bfifo", "limit": "1 bdp"})

    assert changed.queue == Fifo(bytes=62_500)  # 10 Mbit/s times 40 ms there and 10 ms back


def test_a_measured_distribution_stays_when_something_else_is_stated(tmp_path: Path) -> None:
    samples = [f"{10 + number} ms" for number in range(20)]
    measured = with_words(Impairment(delay_ns=5 * MS), jitter={"distribution": "empirical", "samples": samples})

    slower = with_words(measured, rate="1 Mbit", jitter={"distribution": "empirical", "size": "1 ms"})

    assert (measured.delay_ns, measured.shape.distribution) == (pytest.approx(19.5 * MS), "empirical")
    assert slower.shape.table == measured.shape.table
    assert (slower.jitter_ns, slower.delay_ns) == (MS, measured.delay_ns)
