"""Words of ``set`` become a changed link, and only that link's operations."""

from __future__ import annotations

from typing import Any

import pytest

from shadowlab.errors import InputError
from shadowlab.lab.live.lab import wanted_shape
from shadowlab.lab.live.settings import KEYS, changed_link
from shadowlab.model.impairment import Framing, Impairment, Slot
from shadowlab.model.jitter import JitterShape
from shadowlab.model.loss import Chance, FourState, GilbertElliott, Reorder
from shadowlab.model.network import Link, Network
from shadowlab.model.queue import Codel, Fifo, Red
from shadowlab.shadow.diff import Change, diff
from shadowlab.shadow.ops import ImpairEgress, ImpairIngress, SetLinkState, SetRoute
from shadowlab.shadow.shape import EMPTY
from shadowlab.topology.link_keys.sections import ImpairmentSection
from shadowlab.topology.native import read_native

MS = 1_000_000
NETWORK = read_native(
    b"""
shadowlab: map/1
name: ring
defaults: {router_link: {delay: 10 ms, rate: 10 Mbit}, access_link: {delay: 0.1 ms, rate: 100 Mbit}}
nodes: {r1: {kind: router}, r2: {kind: router}, r3: {kind: router}, web: {kind: host}, db: {kind: host}}
links:
  core: {ends: [r1, r2]}
  up: {ends: [r1, r3], metric: 5}
  over: {ends: [r3, r2], metric: 5}
  web-1: {ends: [web, r1]}
  db-1: {ends: [db, r2]}
""",
    name="ring.yaml",
)


def changed(*words: str, network: Network = NETWORK, link: str = "core", towards: str | None = None) -> Link:
    return changed_link(network, link, words, towards=towards)


def changes(*words: str, link: str = "core", network: Network = NETWORK) -> tuple[Change, ...]:
    shape = wanted_shape(network, EMPTY)
    return diff(shape, wanted_shape(network.with_links(changed(*words, link=link, network=network)), shape))


def complaint(*words: str, **more: Any) -> str:
    with pytest.raises(InputError) as caught:
        changed(*words, **more)
    return str(caught.value)


PLAIN = Impairment(delay_ns=10 * MS, rate_bps=10**7)
EACH = {
    "delay=30ms": {"delay_ns": 30 * MS},
    "jitter=2ms": {"jitter_ns": 2 * MS},
    "jitter.size=2ms jitter.mode=reordering jitter.distribution=normal jitter.correlation=25%": {
        "jitter_ns": 2 * MS,
        "jitter_shape": JitterShape(distribution="normal", reordering=True, correlation=0.25),
    },
    "loss=0.1%": {"loss": 0.001},
    "loss=1% loss.correlation=25% loss.ecn=true": {"loss": 0.01, "loss_correlation": 0.25, "ecn": True},
    "loss.model=gilbert-elliott loss.p=1% loss.r=25%": {"loss_model": GilbertElliott(p=0.01, r=0.25)},
    "loss.p13=1% loss.p31=20% loss.model=four-state": {"loss_model": FourState(p13=0.01, p31=0.2)},
    "loss={model: gilbert-elliott, p: 1 %, r: 25 %}": {"loss_model": GilbertElliott(p=0.01, r=0.25)},
    "duplicate=1%": {"duplicate": Chance(share=0.01)},
    "corrupt.share=1% corrupt.correlation=5%": {"corrupt": Chance(share=0.01, correlation=0.05)},
    "reorder=5% reorder.gap=5": {"reorder": Reorder(share=0.05, gap=5)},
    "rate=2Mbit": {"rate_bps": 2_000_000},
    "rate=unlimited": {"rate_bps": None},
    "framing=none": {"framing": Framing(packet_bytes=0)},
    "framing.packet=30": {"framing": Framing(packet_bytes=30)},
    "slot.least=1ms slot.most=2ms": {"slot": Slot(least_ns=MS, most_ns=2 * MS)},
    "seed=7": {"seed": 7},
    "queue=50": {"queue_packets": 50},
    "queue.kind=codel queue.target=5ms": {"queue": Codel()},
    "queue.kind=fq_codel queue.ecn=false queue.limit=30": {"queue": Codel(fair=True, ecn=False, limit_packets=30)},
    "queue.kind=bfifo queue.limit=90kB": {"queue": Fifo(bytes=90_000)},
    "queue.kind=red queue.limit=120kB": {"queue": Red(limit_bytes=120_000, min_bytes=10_000, max_bytes=30_000)},
}


@pytest.mark.parametrize("words", EACH)
def test_every_key_of_a_map_can_be_set_and_touches_its_link_alone(words: str) -> None:
    stated = [words] if "{" in words else words.split()
    wanted = Impairment(**{"delay_ns": 10 * MS, "rate_bps": 10**7} | EACH[words])  # type: ignore[arg-type]

    link = changed(*stated)
    made = changes(*stated)

    assert (link.forward, link.backward) == (wanted, wanted)
    assert made
    assert all(isinstance(one.op, ImpairEgress | ImpairIngress) for one in made)
    assert {one.op.direction for one in made if isinstance(one.op, ImpairEgress | ImpairIngress)} == {
        "core:r1>r2",
        "core:r2>r1",
    }


def test_no_key_is_left_out() -> None:
    assert {words.split("=")[0].split(".")[0] for words in EACH} == set(ImpairmentSection.model_fields)
    assert set(KEYS) == {*ImpairmentSection.model_fields, "metric", "state"}


def test_a_member_alone_keeps_the_others() -> None:
    queue = changed("queue.kind=codel", "queue.limit=80", "queue.interval=50ms")
    network = NETWORK.with_links(queue)

    later = changed("queue.target=7ms", network=network)
    other = changed("queue.kind=pfifo", network=network)

    assert later.forward.queue == Codel(limit_packets=80, interval_ns=50 * MS, target_ns=7 * MS)
    assert other == NETWORK.links_by_id["core"]


def test_one_direction_alone() -> None:
    assert changed("delay=1ms", towards="r2").backward == PLAIN
    assert changed("backward.delay=1ms", "loss=1%").backward == Impairment(delay_ns=MS, rate_bps=10**7, loss=0.01)
    assert changed("backward.delay=1ms", "loss=1%").forward.delay_ns == 10 * MS


def test_none_ends_what_has_no_zero() -> None:
    network = NETWORK.with_links(changed("seed=7", "slot.least=1ms", "slot.most=2ms"))

    assert changed("seed=none", "slot=none", network=network) == NETWORK.links_by_id["core"]


def test_a_link_goes_down_and_comes_back_with_its_routes_and_nothing_else() -> None:
    down = changes("state=down")
    network = NETWORK.with_links(changed("state=down"))
    up = changes("state=up", network=network)

    assert [one.op.describe() for one in down if not isinstance(one.op, SetRoute)] == ["link core: down"]
    assert {(one.op.node, one.op.interface) for one in down if isinstance(one.op, SetRoute)} == {
        ("r1", "to-r3"),
        ("r2", "to-r3"),
    }
    assert [one.op.up for one in up if isinstance(one.op, SetLinkState)] == [True]
    shape = wanted_shape(NETWORK, EMPTY)
    assert wanted_shape(network.with_links(changed("state=up", network=network)), shape) == shape


def test_the_only_link_of_a_host_comes_back_with_its_route() -> None:
    network = NETWORK.with_links(changed("state=down", link="web-1"))

    back = changes("state=up", link="web-1", network=network)

    assert [
        one.op.describe().split(" via")[0] for one in back if isinstance(one.op, SetRoute) and one.op.node == "web"
    ] == ["route web: 0.0.0.0/0"]


def test_what_is_set_on_a_link_that_is_down_stays_down() -> None:
    network = NETWORK.with_links(changed("state=down"))

    assert not changed("delay=1ms", network=network).up
    assert not any(isinstance(one.op, SetLinkState) for one in changes("delay=1ms", network=network))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("delay=5", "delay: 5 has no unit"),
        ("delay", "write key=value"),
        ("delay=", "delay: a value is missing"),
        ("dealy=5ms", "did you mean `delay`"),
        ("queue.kind=codl", "queue.kind: expected 'pfifo', 'bfifo', 'red', 'codel', 'fq_codel', 'pie' or 'cake'"),
        ("queue.traget=5ms", "unknown key `traget` of queue: did you mean `target`?"),
        ("queue.target=5ms", "queue of the kind pfifo has no `target`"),
        ("loss.p=1%", "loss of the model single has no `p`"),
        ("loss.model=gilbert-elliott", "loss of the model gilbert-elliott needs `p`"),
        ("loss=120%", "between 0 and 1"),
        ("loss=1% loss=2%", "loss is given twice"),
        ("jitter=50ms", "no packet arrives before it was sent"),
        ("jitter.distribution=empirical", "an empirical distribution needs `samples`"),
        ("queue=[1", "the closing `]`"),
        ("slot={least: 1 ms, least: 2 ms}", "`least` is given twice"),
        ("rate=unlimited queue.kind=codel", "never holds a packet without a rate"),
        ("mtu=9000", "mtu cannot change while the link lives"),
        ("offload=true", "offload cannot change while the link lives"),
        ("ends=[r1,r3]", "ends cannot change while the link lives"),
        ("forward.mtu=9000", "mtu cannot change while the link lives"),
        ("state=donw", "state: expected 'up' or 'down', got 'donw'"),
        ("metric=0", "metric: must be greater than or equal to 1"),
        ("forward.state=down", "a state is of the whole link: write state=..."),
        ("backward.metric=0", "metric: must be greater than or equal to 1"),
        ("metric.x=3", "'metric.x' cannot be set"),
        ("delay.size=3ms", "delay: expected a duration like '3 ms'"),
    ],
)
def test_what_no_link_could_hold_is_refused_by_its_key(words: str, said: str) -> None:
    stated = [words] if "{" in words else words.split()

    assert said in complaint(*stated)


def test_a_metric_of_one_direction() -> None:
    one, other = changed("metric=3", towards="r1"), changed("metric=4", "backward.metric=7")

    assert [one.metric_of(direction) for direction in one.directions] == [1, 3]
    assert [other.metric_of(direction) for direction in other.directions] == [4, 7]
    assert changed("metric=3").metric_backward is None


def test_a_state_has_no_direction() -> None:
    assert "leave out --towards" in complaint("state=down", towards="r1")
    assert "both choose a direction" in complaint("forward.delay=3ms", towards="r1")
