"""Everything a map may say of a link, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from shadowlab.errors import InputError
from shadowlab.model.impairment import Framing, Impairment, Slot
from shadowlab.model.jitter import TABLE_SCALE, JitterShape
from shadowlab.model.loss import Chance, FourState, GilbertElliott, Reorder
from shadowlab.model.network import Link, Network
from shadowlab.model.queue import Cake, Codel, Fifo, Pie, Queue, Red
from shadowlab.topology.native import read_native

MS = 1_000_000


HEAD = """\
shadowlab: map/1
name: m
nodes: {a: {kind: router}, b: {kind: router}}
links:
  a-b:
    ends: [a, b]
"""


def read(*keys: str, folder: Path | None = None) -> Network:
    text = HEAD + "".join(f"    {key}\n" for key in keys)
    return read_native(text.encode(), name="m.yaml", folder=folder)


def link(*keys: str, folder: Path | None = None) -> Link:
    return read(*keys, folder=folder).links[0]


def forward(*keys: str) -> Impairment:
    return link("delay: 10 ms", *keys).forward


def faults(*keys: str, folder: Path | None = None) -> str:
    with pytest.raises(InputError) as caught:
        link(*keys, folder=folder)
    return str(caught.value)


def test_a_link_that_uses_nothing_new_is_what_it_was() -> None:
    assert forward("jitter: 1 ms", "loss: 1 %", "rate: 10 Mbit", "queue: 60") == Impairment(
        delay_ns=10 * MS, jitter_ns=MS, loss=0.01, rate_bps=10**7, queue_packets=60
    )


def test_jitter_in_full() -> None:
    one = forward("jitter: {size: 1 ms, mode: reordering, distribution: normal, correlation: 25 %}")

    assert one.jitter_ns == MS
    assert one.jitter_shape == JitterShape(distribution="normal", reordering=True, correlation=0.25)


@pytest.mark.parametrize(
    ("loss", "model"),
    [
        ("{model: gilbert-elliott, p: 1 %, r: 25 %}", GilbertElliott(p=0.01, r=0.25)),
        (
            "{model: gilbert-elliott, p: 1 %, r: 25 %, bad: 80 %, good: 0.1 %}",
            GilbertElliott(p=0.01, r=0.25, bad=0.8, good=0.001),
        ),
        ("{model: four-state, p13: 1 %, p31: 20 %}", FourState(p13=0.01, p31=0.2)),
        (
            "{model: four-state, p13: 1 %, p31: 20 %, p32: 10 %, p23: 50 %, p14: 2 %}",
            FourState(p13=0.01, p31=0.2, p32=0.1, p23=0.5, p14=0.02),
        ),
    ],
)
def test_loss_models(loss: str, model: object) -> None:
    one = forward(f"loss: {loss}")

    assert one.loss_model == model
    assert one.loss == 0


def test_single_losses_in_full() -> None:
    one = forward("loss: {share: 1 %, correlation: 25 %, ecn: true}")

    assert (one.loss, one.loss_correlation, one.ecn) == (0.01, 0.25, True)


def test_the_rest_of_netem() -> None:
    one = forward(
        "duplicate: 0.1 %",
        "corrupt: {share: 0.2 %, correlation: 10 %}",
        "reorder: {share: 5 %, gap: 5}",
        "framing: {packet: 8, cell: 48, cell_overhead: 5}",
        "slot: {least: 1 ms, most: 2 ms, packets: 10, bytes: 15 kB}",
        "seed: 7",
        "mtu: 9000",
    )

    assert one.duplicate == Chance(share=0.001)
    assert one.corrupt == Chance(share=0.002, correlation=0.1)
    assert one.reorder == Reorder(share=0.05, gap=5)
    assert one.framing == Framing(packet_bytes=8, cell_bytes=48, cell_overhead_bytes=5)
    assert one.slot == Slot(least_ns=MS, most_ns=2 * MS, packets=10, bytes=15_000)
    assert (one.seed, one.mtu) == (7, 9000)
    assert forward("framing: none").wire_overhead_bytes == 0


@pytest.mark.parametrize(
    ("stated", "queue"),
    [
        ("{kind: bfifo, limit: 90 kB}", Fifo(bytes=90_000)),
        ("{kind: bfifo, limit: 10 packets}", Fifo(bytes=15_140)),
        ("{kind: bfifo, limit: 2 bdp}", Fifo(bytes=50_000)),
        ("{kind: red, limit: 120 kB}", Red(limit_bytes=120_000, min_bytes=10_000, max_bytes=30_000)),
        (
            "{kind: red, limit: 120 kB, min: 5 kB, max: 50 kB, probability: 5 %, ecn: false, adaptive: true}",
            Red(limit_bytes=120_000, min_bytes=5_000, max_bytes=50_000, probability=0.05, ecn=False, adaptive=True),
        ),
        ("{kind: codel}", Codel()),
        ("{kind: fq_codel, limit: 500, target: 8 ms}", Codel(fair=True, limit_packets=500, target_ns=8 * MS)),
        ("{kind: pie, limit: 1.5 bdp, rtt: 100 ms, beta: 10}", Pie(limit_packets=124, beta=10)),
        ("{kind: cake, rtt: 50 ms, flows: hosts}", Cake(rtt_ns=50 * MS, flows="hosts")),
    ],
)
def test_queue_disciplines(stated: str, queue: Queue) -> None:
    one = forward("rate: 10 Mbit", f"queue: {stated}")

    assert one.queue == queue
    assert one.split


def test_a_pfifo_is_the_plain_buffer_of_netem() -> None:
    one = forward("rate: 10 Mbit", "queue: {kind: pfifo, limit: 60 packets}")

    assert one == forward("rate: 10 Mbit", "queue: 60")
    assert not one.split


def test_a_buffer_in_bandwidth_delay_products_says_what_it_came_to() -> None:
    network = read("delay: 10 ms", "rate: 10 Mbit", "queue: {kind: pfifo, limit: 1.5 bdp}")

    assert network.links[0].forward.queue_packets == 25
    told = {(one.value, one.origin) for one in network.derived}
    assert ("queue 25 packets", "1.5 bandwidth-delay products, the link's delay there and back") in told


def test_directions_may_differ_in_all_of_it() -> None:
    one = link("delay: 10 ms", "rate: 10 Mbit", "forward: {queue: {kind: codel}}", "backward: {loss: {share: 2 %}}")

    assert one.forward.queue == Codel()
    assert (one.backward.queue, one.backward.loss) == (None, 0.02)


def test_measured_delays_give_delay_jitter_and_shape() -> None:
    samples = ", ".join(["10 ms"] * 9 + ["20 ms"])

    one = link(f"jitter: {{samples: [{samples}]}}").forward

    assert abs(one.delay_ns - 11 * MS) < 0.6 * MS, "the mean; between two samples the table is linear"
    assert one.jitter_shape is not None
    table = one.jitter_shape.jitter_table()
    values = [one.delay_ns + one.jitter_ns * entry / TABLE_SCALE * table.stretch for entry in table.entries]
    assert abs(min(values) - 10 * MS) < 0.01 * MS
    assert abs(max(values) - 20 * MS) < 0.02 * MS


def test_samples_may_lie_in_a_file_beside_the_map(tmp_path: Path) -> None:
    (tmp_path / "delays.txt").write_text("# measured at night\n" + "10 ms\n12 ms # noon\n\n" * 10)

    one = link("jitter: {file: delays.txt, size: 500 us}", "delay: 40 ms", folder=tmp_path).forward

    assert (one.delay_ns, one.jitter_ns) == (40 * MS, MS // 2), "what is stated overrules the samples"


def test_an_offload_is_stated_in_what_was_derived() -> None:
    network = read("delay: 1 ms", "offload: true", "mtu: 9000")

    assert network.links[0].offload
    assert network.links[0].mtu == 9000
    assert any("64 kB count as one" in one.origin for one in network.derived)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (["delay: 1 ms", "jitter: 2 ms"], "no packet arrives before it was sent"),
        (["delay: 1 ms", "jitter: {distribution: normal}"], "jitter has no `size`"),
        (["delay: 1 ms", "jitter: {size: 1 us, distribution: gauss}"], "expected 'uniform', 'normal'"),
        (["delay: 1 ms", "jitter: {size: 1 us, distribution: empirical}"], "needs `samples` or a `file`"),
        (["delay: 1 ms", "jitter: {samples: [1 ms, 2 ms]}"], "at least 10"),
        (["delay: 1 ms", "jitter: {file: nowhere.txt}"], "cannot be read"),
        (["delay: 1 ms", "rate: 1 bit"], "8 bit/s"),
        (["delay: 1 h", "rate: 400 Gbit"], "limit ends"),
        (["delay: 1 ms", "loss: {model: gilbert-elliott, p: 1 %}"], "needs `r`"),
        (["delay: 1 ms", "loss: {model: gilbert-elliott, p: 1 %, r: 0 %}"], "never left"),
        (["delay: 1 ms", "loss: {share: 1 %, p: 1 %}"], "has no `p`"),
        (["delay: 1 ms", "loss: {share: 120 %}"], "share must lie between 0 and 1"),
        (["delay: 0 ms", "reorder: 1 %"], "needs a delay"),
        (["delay: 1 ms", "queue: {kind: codel}"], "without a rate"),
        (["delay: 1 ms", "rate: 1 Mbit", "queue: {kind: blue}"], "'pfifo', 'bfifo'"),
        (["delay: 1 ms", "rate: 1 Mbit", "queue: {kind: codel, min: 3}"], "has no `min`"),
        (["delay: 1 ms", "rate: 1 Mbit", "queue: {kind: pfifo, limit: 9 kB}"], "counts packets"),
        (["delay: 0 ms", "rate: 1 Mbit", "queue: {kind: pfifo, limit: 1 bdp}"], "state the queue's `rtt`"),
        (["delay: 1 ms", "rate: 1 Mbit", "queue: {kind: red, limit: 9 kB, min: 9 kB}"], "min below max"),
        (["delay: 1 ms", "rate: 100 bit", "queue: {kind: codel}"], "at least 1000 bit/s"),
        (["delay: 1 ms", "mtu: 20"], "MTU must lie between"),
        (["delay: 1 ms", "slot: {least: 2 ms, most: 1 ms}"], "longest pause"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(keys: list[str], words: str) -> None:
    message = faults(*keys)

    assert "m.yaml:" in message
    assert words in message


def test_every_wrong_link_is_reported() -> None:
    text = """\
shadowlab: map/1
name: m
nodes: {a: {kind: router}, b: {kind: router}}
links:
  one: {ends: [a, b], delay: 1 ms, jitter: 2 ms}
  two: {ends: [a, b], delay: 1 ms, queue: {kind: cake}}
"""
    with pytest.raises(InputError) as caught:
        read_native(text.encode(), name="m.yaml")

    assert "m.yaml:5:3: link `one`: jitter" in str(caught.value)
    assert "m.yaml:6:3: link `two`: a queue discipline" in str(caught.value)
