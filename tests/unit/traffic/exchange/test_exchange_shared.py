"""An instance that shares its workers: its mean is that of theory whatever the distribution, and all work is done."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_exchange_instance import MS, SECOND, poisson

from shadowlab.kernel.loop import Loop
from shadowlab.model.traffic.chance import Chance
from shadowlab.model.traffic.distribution import Distribution, constant
from shadowlab.model.traffic.workload import Compute
from shadowlab.traffic.exchange.channel import Exchange
from shadowlab.traffic.exchange.deciding.shared import Served, SharedInstance
from shadowlab.traffic.exchange.desk import REFUSAL_BYTES, Desk


def served(compute: Compute, arrivals_ns: list[int]) -> tuple[dict[int, tuple[int, Served]], SharedInstance]:
    """By ticket, when each was done, and what is told of it."""
    instance, done = SharedInstance(compute, Chance(1, "x")), dict[int, tuple[int, Served]]()

    def until(now_ns: int | None) -> None:
        while (due_ns := instance.due_ns()) is not None and (now_ns is None or due_ns <= now_ns):
            found = instance.finish(due_ns)
            assert found
            done.update({one.ticket: (due_ns, one) for one in found})

    for ticket, at_ns in enumerate(arrivals_ns):
        until(at_ns)
        instance.arrive(at_ns, ticket)
    until(None)
    return done, instance


def compute(workers: int, service: Distribution, queue: int | None = None) -> Compute:
    return Compute(workers=workers, service_ns=service, queue=queue, discipline="shared")


def test_two_that_share_a_worker_take_twice_as_long() -> None:
    done, _ = served(compute(1, constant(10 * MS)), [0, 0])
    apart, _ = served(compute(2, constant(10 * MS)), [0, 0])

    assert [done[ticket][0] for ticket in (0, 1)] == [20 * MS, 20 * MS]
    assert [apart[ticket][0] for ticket in (0, 1)] == [10 * MS, 10 * MS]
    assert done[0][1] == Served(0, 10 * MS, 10 * MS)


def test_one_that_comes_halfway_slows_the_other_down_from_then_on() -> None:
    done, _ = served(compute(1, constant(10 * MS)), [0, 5 * MS])

    assert (done[0][0], done[1][0]) == (15 * MS, 20 * MS)


@pytest.mark.parametrize("service", [constant(5 * MS), Distribution(family="exponential", parameters=(5.0 * MS,))])
def test_the_mean_time_is_service_over_what_is_free_whatever_the_distribution(service: Distribution) -> None:
    """S / (1 - load), insensitive to the distribution of S (Kleinrock, Queueing Systems II, 4.4)."""
    arrivals = poisson(120, 200)
    done, _ = served(compute(1, service), arrivals)

    times = [at_ns - arrivals[ticket] for ticket, (at_ns, _) in done.items()]
    assert len(times) == len(arrivals)
    assert sum(times) / len(times) == pytest.approx(5 * MS / (1 - 0.6), rel=0.08)


def test_beyond_workers_and_queue_requests_are_refused_and_more_workers_serve_faster() -> None:
    instance = SharedInstance(compute(1, constant(10 * MS), queue=1), Chance(1, "x"))

    assert [instance.arrive(0, ticket) for ticket in range(3)] == [True, True, False]
    instance.resize(2, 10 * MS)
    assert instance.due_ns() == 15 * MS
    seen = instance.sample(15 * MS, "x")
    assert (seen.refused, seen.busy, seen.queued, seen.busy_ns, seen.queue_ns) == (1, 2, 0, 20 * MS, 10 * MS)


@given(
    gaps=st.lists(st.integers(0, 20 * MS), min_size=1, max_size=60),
    workers=st.integers(1, 4),
)
def test_no_request_is_done_before_its_service_and_all_work_is_done(gaps: list[int], workers: int) -> None:
    arrivals = [sum(gaps[: number + 1]) for number in range(len(gaps))]
    done, instance = served(compute(workers, Distribution(family="exponential", parameters=(8.0 * MS,))), arrivals)

    assert len(done) == len(arrivals)
    for ticket, (at_ns, one) in done.items():
        assert at_ns - arrivals[ticket] >= one.service_ns
    total = sum(one.service_ns for _, one in done.values())
    last = instance.sample(max(at_ns for at_ns, _ in done.values()), "x")
    assert last.busy_ns == pytest.approx(total, abs=len(done) * 8)
    assert last.busy_ns <= last.at_ns * workers + SECOND


class Moments:
    """The part of a loop that a desk uses."""

    def __init__(self) -> None:
        self.now_ns = 0
        self._due: list[tuple[int, int, Callable[[int], None]]] = []

    def at(self, when_ns: int, callback: Callable[[int], None]) -> None:
        heapq.heappush(self._due, (when_ns, len(self._due), callback))

    def run(self) -> None:
        while self._due:
            self.now_ns, _, callback = heapq.heappop(self._due)
            callback(self.now_ns)


def test_the_desk_replies_when_shared_service_ends_and_a_sample_in_between_changes_nothing() -> None:
    loop, replies, seen = Moments(), list[tuple[int, int, bool]](), list[object]()
    desk = Desk(loop=cast(Loop, loop), compute={"b": compute(1, constant(10 * MS), queue=1)}, seed=1)

    def ask(number: int) -> None:
        exchange = Exchange("request", number, "a", "b", 1, 100 + number, loop.now_ns)
        desk.serve("b", exchange, lambda size, refused: replies.append((loop.now_ns, size, refused)))

    for number, at_ns in enumerate((0, 5 * MS, 6 * MS)):
        loop.at(at_ns, lambda due_ns, number=number: ask(number))  # type: ignore[misc]
    loop.at(7 * MS + 1, lambda due_ns: seen.extend(desk.sample(0)))
    loop.run()

    assert replies == [(6 * MS, REFUSAL_BYTES, True), (15 * MS, 100, False), (20 * MS, 101, False)]
