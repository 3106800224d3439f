"""What netem does to packets, against what was asked of it.  Linux only.

netem's own seed is set where it takes one: a share is then the same in every run, and either lies in its interval or
does not.  What the real clock may do to moments and shares: see :mod:`contract_clock`.
"""

from __future__ import annotations

from itertools import groupby, pairwise

from contract_base import linux, make_line
from contract_clock import (
    EARLY_NS,
    TAKES_A_SEED,
    assert_moments,
    assert_on_time,
    fewer,
    is_about,
    is_real,
    is_share,
    seed,
)
from contract_traffic import WIRE_BYTES, exchange

from shadowlab.kernel.ports import Segment
from shadowlab.model.impairment import Framing, Impairment, Slot
from shadowlab.model.jitter import JitterShape, standard_table
from shadowlab.model.loss import Chance, FourState, GilbertElliott, Reorder

US, MS = 1_000, 1_000_000
MANY = 20_000
NORMAL = JitterShape(distribution="normal", reordering=True)


def _quantile(values: list[int], share: float) -> int:
    return sorted(values)[int(share * (len(values) - 1))]


def _deviation(values: list[int]) -> float:
    mean = sum(values) / len(values)
    return float((sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5)


@linux
def a_delay_is_exact_to_a_microsecond(segment: Segment) -> None:
    make_line(segment)
    for delay_ns in (1, 10 * US, 20_000_123, 400 * MS):
        segment.set_netem("r", "rb", Impairment(delay_ns=delay_ns))

        delays = exchange(segment, 20, gap_ns=MS).delays_ns

        assert len(delays) == 20
        assert_moments(delays, [delay_ns] * 20, US + 1, delay_ns)
        assert min(delays) >= delay_ns - (EARLY_NS if is_real() else 0), (delay_ns, delays)


@linux
def a_share_of_losses_lies_in_its_interval(segment: Segment) -> None:
    make_line(segment)
    count = fewer(MANY)
    for share in (0.01, 0.1, 0.5):
        segment.set_netem("r", "rb", Impairment(loss=share, seed=seed(1)))

        lost = exchange(segment, count).lost

        assert is_share(sum(lost) / count, share, count), sum(lost)


@linux
def gilbert_elliott_loses_its_mean_in_bursts_of_its_length(segment: Segment) -> None:
    make_line(segment)
    count = fewer(MANY)
    model = GilbertElliott(p=0.02, r=0.25)
    segment.set_netem("r", "rb", Impairment(loss_model=model, seed=seed(3)))

    lost = exchange(segment, 2 * count).lost

    bursts = [len(list(run)) for gone, run in groupby(lost) if gone]
    assert is_about(sum(lost) / len(lost), model.mean_loss, 0.05, 0.4), (sum(lost), model.mean_loss)
    assert is_about(sum(bursts) / len(bursts), 1 / model.r, 0.05, 0.3), sum(bursts) / len(bursts)


@linux
def four_states_lose_their_mean(segment: Segment) -> None:
    make_line(segment)
    count = fewer(MANY)
    model = FourState(p13=0.02, p31=0.2, p32=0.1, p23=0.5, p14=0.01)
    segment.set_netem("r", "rb", Impairment(loss_model=model, seed=seed(3)))

    lost = exchange(segment, 2 * count).lost

    assert is_about(sum(lost) / len(lost), model.mean_loss, 0.05, 0.4), (sum(lost), model.mean_loss)


@linux
def a_share_of_duplicates_lies_in_its_interval(segment: Segment) -> None:
    make_line(segment)
    count = fewer(MANY)
    segment.set_netem("r", "rb", Impairment(delay_ns=MS, duplicate=Chance(share=0.1), seed=seed(1)))

    came = len(exchange(segment, count).arrivals)

    assert is_share(came / count - 1, 0.1, count), came


@linux
def what_is_corrupted_does_not_arrive(segment: Segment) -> None:
    make_line(segment)
    count = fewer(MANY)
    segment.set_netem("r", "rb", Impairment(corrupt=Chance(share=0.1), seed=seed(1)))

    came = len(exchange(segment, count).arrivals)

    harmless = 6 / (100 + 42)  # one bit in the sender's Ethernet address, which no checksum covers
    assert is_about(1 - came / count, 0.1 * (1 - harmless), 0.06, 0.25), came


@linux
def a_share_of_packets_overtakes(segment: Segment) -> None:
    make_line(segment)
    count = fewer(MANY)
    for gap, share, wished in ((1, 0.25, 0.25), (5, 0.5, 1 / 6)):
        reorder = Reorder(share=share, gap=gap)
        segment.set_netem("r", "rb", Impairment(delay_ns=20 * MS, reorder=reorder, seed=seed(1)))

        delays = exchange(segment, count // 4, gap_ns=10 * US).delays_ns

        ahead = sum(delay < 10 * MS for delay in delays)
        assert is_about(ahead / len(delays), wished, 0.06, 0.35), (gap, ahead)


@linux
def a_rate_spaces_packets_exactly(segment: Segment) -> None:
    make_line(segment)
    segment.set_netem("r", "rb", Impairment(delay_ns=5 * MS, rate_bps=1_000_000, queue_packets=200))

    found = exchange(segment, 100, payload_bytes=1000, wait_ns=2 * 10**9)

    each_ns = (1000 + WIRE_BYTES) * 8 * 1000
    moments = [moment - 5 * MS for moment in found.since_first_ns]
    assert_moments(moments, [(place + 1) * each_ns for place in range(100)], US)


@linux
def cells_are_counted_as_a_wire_carries_them(segment: Segment) -> None:
    make_line(segment)
    atm = Framing(packet_bytes=8 - 14, cell_bytes=48, cell_overhead_bytes=5)
    segment.set_netem("r", "rb", Impairment(rate_bps=1_000_000, framing=atm))

    delays = exchange(segment, 10, gap_ns=20 * MS).delays_ns

    cells = -(-(100 + 28 + 8) // 48)
    assert_moments(delays, [cells * 53 * 8 * 1000] * 10, 2 * US)


def _assert_even(delays: list[int], least_ns: int, most_ns: int) -> None:
    """Between the two alike, and nowhere else.  Late packets leave the lower half where it is."""
    width_ns = most_ns - least_ns
    if not is_real():
        assert least_ns <= min(delays) < max(delays) <= most_ns + US
        assert is_about(_deviation(delays), width_ns / 12**0.5, 0.03, 0), _deviation(delays)
        return
    assert min(delays) >= least_ns - EARLY_NS, min(delays)
    for share in (0.0, 0.2, 0.5):
        late = _quantile(delays, share) - least_ns - share * width_ns
        assert late > -0.1 * width_ns, (share, late)
        assert_on_time(late < 0.2 * width_ns, share, late)


@linux
def even_jitter_fills_its_width_and_no_more(segment: Segment) -> None:
    make_line(segment)
    shape = JitterShape(reordering=True)
    segment.set_netem("r", "rb", Impairment(delay_ns=20 * MS, jitter_ns=5 * MS, jitter_shape=shape, seed=seed(1)))

    delays = exchange(segment, fewer(4000), gap_ns=10 * US).delays_ns

    _assert_even(delays, 15 * MS, 25 * MS)


@linux
def other_jitter_has_its_standard_deviation(segment: Segment) -> None:
    make_line(segment)
    for distribution, tolerance in (("normal", 0.03), ("paretonormal", 0.15), ("pareto", 0.15)):
        shape = JitterShape(distribution=distribution, reordering=True)  # type: ignore[arg-type]
        segment.set_netem("r", "rb", Impairment(delay_ns=50 * MS, jitter_ns=2 * MS, jitter_shape=shape, seed=seed(1)))

        delays = exchange(segment, 8000, gap_ns=10 * US).delays_ns

        assert abs(sum(delays) / len(delays) - 50 * MS) < 0.1 * MS, (distribution, sum(delays) / len(delays))
        assert abs(_deviation(delays) / (2 * MS) - 1) < tolerance, (distribution, _deviation(delays))
        # Of an exponential tail there is none, of a normal little, of a Pareto's much beyond five deviations.
        far = sum(delay > 60 * MS for delay in delays)
        assert (far > 0) == (distribution != "normal"), (distribution, far)


@linux
def measured_delays_come_back_with_their_quantiles(segment: Segment) -> None:
    make_line(segment)
    # A route that changes: half the packets take 10 to 11 ms, a third 20 to 22, the rest 50.
    samples = [10 * MS + number * 2 * US for number in range(500)] + [
        20 * MS + number * 6 * US for number in range(333)
    ]
    samples += [50 * MS] * 167
    spread = sorted(samples)
    quantiles = [float(spread[int((number + 0.5) / 4096 * len(spread))]) for number in range(4096)]
    table = standard_table(quantiles)
    shape = JitterShape(distribution="empirical", table=table.entries, stretch=table.stretch, reordering=True)
    mean, deviation = sum(samples) / len(samples), _deviation(samples)
    wanted = Impairment(delay_ns=round(mean), jitter_ns=round(deviation), jitter_shape=shape, seed=seed(1))
    segment.set_netem("r", "rb", wanted)

    delays = exchange(segment, fewer(8000), gap_ns=10 * US).delays_ns

    for share in (0.05, 0.25, 0.45, 0.55, 0.75, 0.9, 0.99):
        late = _quantile(delays, share) - _quantile(samples, share)
        assert late > -(1 if is_real() else 0.3) * MS, (share, late)
        assert_on_time(late < (3 if is_real() else 0.3) * MS, share, late)


@linux
def even_jitter_comes_back_after_another_distribution(segment: Segment) -> None:
    make_line(segment)
    segment.set_netem("r", "rb", Impairment(delay_ns=50 * MS, jitter_ns=10 * MS, jitter_shape=NORMAL))
    shape = JitterShape(reordering=True)
    segment.set_netem("r", "rb", Impairment(delay_ns=50 * MS, jitter_ns=10 * MS, jitter_shape=shape, seed=seed(1)))

    delays = exchange(segment, fewer(4000), gap_ns=10 * US).delays_ns

    _assert_even(delays, 40 * MS, 60 * MS)


@linux
def reordering_jitter_reorders_and_ordered_jitter_does_not(segment: Segment) -> None:
    make_line(segment)
    for reordering in (True, False):
        shape = JitterShape(distribution="normal", reordering=reordering)
        segment.set_netem("r", "rb", Impairment(delay_ns=20 * MS, jitter_ns=5 * MS, jitter_shape=shape))

        numbers = [one.number for one in exchange(segment, 500, gap_ns=100 * US).arrivals]

        assert sorted(numbers) == list(range(500))
        assert (numbers != list(range(500))) == reordering


@linux
def slots_release_packets_in_bursts(segment: Segment) -> None:
    make_line(segment)
    slot = Slot(least_ns=10 * MS, most_ns=10 * MS, packets=5)
    segment.set_netem("r", "rb", Impairment(delay_ns=MS, slot=slot))

    moments = [one.moment_ns for one in exchange(segment, 200, gap_ns=100 * US).arrivals]

    gaps = [later - earlier for earlier, later in pairwise(moments)]
    long = [gap for gap in gaps if gap > 5 * MS]
    assert len(moments) == 200
    assert 35 <= len(long) <= 41, len(long)
    if is_real():
        assert_on_time(9 * MS < _quantile(long, 0.5) < 14 * MS, long)
    else:
        assert all(abs(gap - 10 * MS) < 0.5 * MS for gap in long), long


@linux
def what_would_be_lost_is_marked_where_it_can_be(segment: Segment) -> None:
    make_line(segment)
    segment.set_netem("r", "rb", Impairment(loss=0.2, ecn=True, seed=seed(1)))

    able, unable = exchange(segment, 5000, tos=2), exchange(segment, 5000)

    assert len(able.arrivals) == 5000
    assert is_share(sum(one.tos & 3 == 3 for one in able.arrivals) / 5000, 0.2, 5000)
    assert is_share(sum(unable.lost) / 5000, 0.2, 5000)


@linux
def the_same_seed_loses_the_same_packets(segment: Segment) -> None:
    make_line(segment)
    if not TAKES_A_SEED:
        return  # the contract's read-back says so
    runs = []
    for number in (5, 5, 6):
        segment.set_netem("r", "rb", Impairment(loss=0.1, seed=number))
        runs.append(exchange(segment, 1000).lost)

    assert runs[0] == runs[1] != runs[2]
