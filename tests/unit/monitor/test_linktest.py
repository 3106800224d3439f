"""The self-test of links on the virtual clock: exact where a link is as wished, and off where it is not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import linktest_inside
import pytest

from shadowlab.guest.boot import run_in_guest
from shadowlab.guest.cache import need_kernel
from shadowlab.lab.live.proof.selftest import judge, plan_trials
from shadowlab.lab.live.proof.selftest_inside import Examination, Examined
from shadowlab.model.impairment import Impairment
from shadowlab.model.jitter import JitterShape
from shadowlab.model.loss import GilbertElliott
from shadowlab.model.network import Link, Network, Node
from shadowlab.model.plain import from_plain, to_plain
from shadowlab.model.queue import Codel, Fifo
from shadowlab.monitor.linktest.grade import Finding
from shadowlab.shadow.plan import build_plan, impair_ops
from shadowlab.shadow.readback import ops_of
from shadowlab.shadow.shape import shape_of
from shadowlab.topology.addressing import address
from shadowlab.topology.routing import shortest_routes

pytestmark = pytest.mark.guest

MS = 1_000_000
TIME_S = 150.0
PLAIN = Impairment(delay_ns=10 * MS, rate_bps=10_000_000, queue_packets=40)
WISHES = {
    "plain": PLAIN,
    "nothing": Impairment(),
    "delay only": Impairment(delay_ns=25 * MS),
    "lossy": replace(PLAIN, loss=0.02),
    "bursts": replace(PLAIN, loss_model=GilbertElliott(p=0.01, r=0.25)),
    "fast": replace(PLAIN, rate_bps=200_000_000, queue_packets=200),
    "slow": Impairment(delay_ns=50 * MS, rate_bps=64_000, queue_packets=10),
    "jitter": Impairment(delay_ns=20 * MS, jitter_ns=5 * MS, jitter_shape=JitterShape(distribution="normal")),
    "bytes": replace(PLAIN, queue=Fifo(bytes=60_000)),
    "packets": replace(PLAIN, queue=Fifo(packets=40)),
    "codel": replace(PLAIN, queue=Codel()),
}
SPOILT = {
    "delay": replace(PLAIN, delay_ns=PLAIN.delay_ns + 20_000),
    "rate": replace(PLAIN, rate_bps=9_900_000),
    "loss": replace(PLAIN, loss=0.02),
    "queue": replace(PLAIN, queue_packets=37),
}


ENDS = ("host", "router")
"""From a router and to one a direction is impaired elsewhere than from an instance."""


def _network() -> Network:
    """A router in the middle, two links for each wish: to a host and to a router, the same both ways."""
    nodes, links = [Node(id="hub", kind="router")], []
    for number, (name, wish) in enumerate([*WISHES.items(), *((f"spoilt {what}", PLAIN) for what in SPOILT)]):
        for end in ENDS:
            far = f"{end[0]}{number}"
            nodes.append(Node(id=far, kind="host" if end == "host" else "router"))
            links.append(Link(id=f"{name} {end}", a="hub", b=far, forward=wish, backward=wish))
    return Network(name="wishes", nodes=tuple(nodes), links=tuple(links))


Seen = tuple[Examined, dict[str, dict[str, Finding]]]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """What was seen, and the findings by direction and quantity: one boot for all tests."""
    folder: Path = tmp_path_factory.mktemp("linktest")
    network = _network()
    fabric = address(network)
    plan = build_plan(network, fabric, shortest_routes(network, fabric))
    spoil = [
        op
        for what, wrong in SPOILT.items()
        for end in ENDS
        for direction in network.links_by_id[f"spoilt {what} {end}"].directions
        for op in impair_ops(fabric, network, direction, wrong)
    ]
    shape = shape_of(plan)
    trials, wishes = plan_trials(shape, network, tuple(shape.links), TIME_S)
    job = {
        "build": to_plain(plan),
        "spoil": to_plain(tuple(spoil)),
        "examination": to_plain(Examination(lab="", ops=ops_of(shape), trials=trials)),
    }
    run_in_guest(
        kernel=need_kernel("virtual"),
        entry="linktest_inside:run",
        job=json.dumps(job).encode(),
        folder=folder,
        clock="virtual",
        seed=1,
        virtual_deadline_ns=2 * int(TIME_S) * 10**9,
        wall_deadline_s=240,
    )
    examined: Examined = from_plain(Examined, json.loads((folder / linktest_inside.SEEN_FILE).read_text()))
    found: dict[str, dict[str, Finding]] = {}
    for finding in judge(examined, trials, wishes):
        found.setdefault(finding.direction, {})[finding.quantity] = finding
    return examined, found


def _of(seen: Seen, name: str) -> list[dict[str, Finding]]:
    """The findings of the four directions that have a wish, by quantity."""
    found = [
        found
        for direction, found in seen[1].items()
        if direction.rpartition(":")[0] in {f"{name} host", f"{name} router"}
    ]
    assert len(found) == 4
    return found


@pytest.mark.parametrize("name", WISHES)
def test_nothing_is_off_where_the_kernel_does_as_wished(seen: Seen, name: str) -> None:
    grades = {(quantity, one.grade) for found in _of(seen, name) for quantity, one in found.items()}

    assert {grade for _, grade in grades} <= {"ok", "could not tell"}, grades


@pytest.mark.parametrize("name", ["plain", "fast", "bytes", "packets"])
def test_on_the_virtual_clock_a_link_is_measured_exactly(seen: Seen, name: str) -> None:
    for found in _of(seen, name):
        delay, rate, queue = found["delay"], found["rate"], found["queue"]

        assert [one.grade for one in found.values()] == ["ok"] * 4
        assert delay.found == pytest.approx(WISHES[name].delay_ns, abs=1_000)
        assert rate.found == pytest.approx(WISHES[name].rate_bps, rel=0.002)
        assert queue.found == pytest.approx(queue.wished, abs=1)


@pytest.mark.parametrize("name", ["lossy", "bursts"])
def test_losses_lie_within_what_chance_allows(seen: Seen, name: str) -> None:
    assert [found["loss"].grade for found in _of(seen, name)] == ["ok"] * 4


@pytest.mark.parametrize("what", SPOILT)
def test_a_link_that_is_otherwise_than_wished_is_off_in_that_and_in_nothing_else(seen: Seen, what: str) -> None:
    for found in _of(seen, f"spoilt {what}"):
        assert {quantity for quantity, one in found.items() if one.grade == "off"} == {what}


def test_what_a_queue_discipline_hides_is_said_not_guessed(seen: Seen) -> None:
    for found in _of(seen, "codel"):
        assert (found["queue"].grade, found["queue"].note.split()[0]) == ("could not tell", "codel")


def test_reading_back_names_each_attribute_that_was_changed_and_nothing_else(seen: Seen) -> None:
    attributes = {one.attribute for one in seen[0].differences}

    # A link's limit counts the packets in flight: another delay or rate is another limit.
    assert attributes == {"latency_ns", "rate", "loss", "limit"}
    assert len({one.place for one in seen[0].differences}) == 4 * len(SPOILT)
