"""What netem does to packets, against what was asked of it.  Linux only.

netem's own seed is set, so a share is the same in every run, and either lies in its interval or does not.
"""

from __future__ import annotations

from itertools import groupby, pairwise

from contract_base import linux, make_line
from contract_traffic import WIRE_BYTES, exchange, within_95_percent

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
        assert delay_ns <= min(delays) <= max(delays) <= delay_ns + US, (delay_ns, delays)


@linux
def a_share_of_losses_lies_in_its_interval(segment: Segment) -> None:
    make_line(segment)
    for share in (0.01, 0.1, 0.5):
        segment.set_netem("r", "rb", Impairment(loss=share, seed=1))

        lost = exchange(segment, MANY).lost

        assert within_95_percent(sum(lost) / MANY, share, MANY), sum(lost)


@linux
def gilbert_elliott_loses_its_mean_in_bursts_of_its_length(segment: Segment) -> None:
    make_line(segment)
    model = GilbertElliott(p=0.02, r=0.25)
    segment.set_netem("r", "rb", Impairment(loss_model=model, seed=3))

    lost = exchange(segment, 2 * MANY).lost

    bursts = [len(list(run)) for gone, run in groupby(lost) if gone]
    assert abs(sum(lost) / len(lost) / model.mean_loss - 1) < 0.05, (sum(lost), model.mean_loss)
    assert abs(sum(bursts) / len(bursts) * model.r - 1) < 0.05, sum(bursts) / len(bursts)


@linux
def four_states_lose_their_mean(segment: Segment) -> None:
    make_line(segment)
    model = FourState(p13=0.02, p31=0.2, p32=0.1, p23=0.5, p14=0.01)
    segment.set_netem("r", "rb", Impairment(loss_model=model, seed=3))

    lost = exchange(segment, 2 * MANY).lost

    assert abs(sum(lost) / len(lost) / model.mean_loss - 1) < 0.05, (sum(lost), model.mean_loss)


@linux
def a_share_of_duplicates_lies_in_its_interval(segment: Segment) -> None:
    make_line(segment)
    segment.set_netem("r", "rb", Impairment(delay_ns=MS, duplicate=Chance(share=0.1), seed=1))

    came = len(exchange(segment, MANY).arrivals)

    assert within_95_percent(came / MANY - 1, 0.1, MANY), came


@linux
def what_is_corrupted_does_not_arrive(segment: Segment) -> None:
    make_line(segment)
    segment.set_netem("r", "rb", Impairment(corrupt=Chance(share=0.1), seed=1))

    came = len(exchange(segment, MANY).arrivals)

    harmless = 6 / (100 + 42)  # one bit in the sender's Ethernet address, which no checksum covers
    assert abs(1 - came / MANY - 0.1 * (1 - harmless)) < 0.006, came


@linux
def a_share_of_packets_overtakes(segment: Segment) -> None:
    make_line(segment)
    for gap, share, wished in ((1, 0.25, 0.25), (5, 0.5, 1 / 6)):
        reorder = Reorder(share=share, gap=gap)
        segment.set_netem("r", "rb", Impairment(delay_ns=20 * MS, reorder=reorder, seed=1))

        delays = exchange(segment, MANY // 4, gap_ns=10 * US).delays_ns

        ahead = sum(delay < 10 * MS for delay in delays)
        assert abs(ahead / len(delays) / wished - 1) < 0.06, (gap, ahead)


@linux
def a_rate_spaces_packets_exactly(segment: Segment) -> None:
    make_line(segment)
    segment.set_netem("r", "rb", Impairment(delay_ns=5 * MS, rate_bps=1_000_000, queue_packets=200))

    found = exchange(segment, 100, payload_bytes=1000, wait_ns=2 * 10**9)

    each_ns = (1000 + WIRE_BYTES) * 8 * 1000
    moments = [moment - 5 * MS for moment in found.since_first_ns]
    assert len(moments) == 100
    assert all(abs(moment - (place + 1) * each_ns) < US for place, moment in enumerate(moments)), moments


@linux
def cells_are_counted_as_a_wire_carries_them(segment: Segment) -> None:
    make_line(segment)
    atm = Framing(packet_bytes=8 - 14, cell_bytes=48, cell_overhead_bytes=5)
    segment.set_netem("r", "rb", Impairment(rate_bps=1_000_000, framing=atm))

    (delay,) = exchange(segment, 1).delays_ns

    cells = -(-(100 + 28 + 8) // 48)
    assert abs(delay - cells * 53 * 8 * 1000) < 2 * US, delay


@linux
def even_jitter_fills_its_width_and_no_more(segment: Segment) -> None:
    make_line(segment)
    shape = JitterShape(reordering=True)
    segment.set_netem("r", "rb", Impairment(delay_ns=20 * MS, jitter_ns=5 * MS, jitter_shape=shape, seed=1))

    delays = exchange(segment, 4000, gap_ns=10 * US).delays_ns

    assert 15 * MS <= min(delays) < max(delays) <= 25 * MS + US
    assert abs(_deviation(delays) / (5 * MS / 3**0.5) - 1) < 0.03, _deviation(delays)


@linux
def other_jitter_has_its_standard_deviation(segment: Segment) -> None:
    make_line(segment)
    for distribution, tolerance in (("normal", 0.03), ("paretonormal", 0.15), ("pareto", 0.15)):
        shape = JitterShape(distribution=distribution, reordering=True)  # type: ignore[arg-type]
        segment.set_netem("r", "rb", Impairment(delay_ns=50 * MS, jitter_ns=2 * MS, jitter_shape=shape, seed=1))

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
    wanted = Impairment(delay_ns=round(mean), jitter_ns=round(deviation), jitter_shape=shape, seed=1)
    segment.set_netem("r", "rb", wanted)

    delays = exchange(segment, 8000, gap_ns=10 * US).delays_ns

    for share in (0.05, 0.25, 0.45, 0.55, 0.75, 0.9, 0.99):
        assert abs(_quantile(delays, share) - _quantile(samples, share)) < 0.3 * MS, (share, _quantile(delays, share))


@linux
def even_jitter_comes_back_after_another_distribution(segment: Segment) -> None:
    make_line(segment)
    segment.set_netem("r", "rb", Impairment(delay_ns=50 * MS, jitter_ns=2 * MS, jitter_shape=NORMAL))
    shape = JitterShape(reordering=True)
    segment.set_netem("r", "rb", Impairment(delay_ns=50 * MS, jitter_ns=2 * MS, jitter_shape=shape, seed=1))

    delays = exchange(segment, 4000, gap_ns=10 * US).delays_ns

    assert 48 * MS <= min(delays) < max(delays) <= 52 * MS + US
    assert abs(_deviation(delays) / (2 * MS / 3**0.5) - 1) < 0.03, _deviation(delays)


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
    assert all(abs(gap - 10 * MS) < 0.5 * MS for gap in long), long


@linux
def what_would_be_lost_is_marked_where_it_can_be(segment: Segment) -> None:
    make_line(segment)
    segment.set_netem("r", "rb", Impairment(loss=0.2, ecn=True, seed=1))

    able, unable = exchange(segment, 5000, tos=2), exchange(segment, 5000)

    assert len(able.arrivals) == 5000
    assert within_95_percent(sum(one.tos & 3 == 3 for one in able.arrivals) / 5000, 0.2, 5000)
    assert within_95_percent(sum(unable.lost) / 5000, 0.2, 5000)


@linux
def the_same_seed_loses_the_same_packets(segment: Segment) -> None:
    make_line(segment)
    runs = []
    for seed in (5, 5, 6):
        segment.set_netem("r", "rb", Impairment(loss=0.1, seed=seed))
        runs.append(exchange(segment, 1000).lost)

    assert runs[0] == runs[1] != runs[2]
