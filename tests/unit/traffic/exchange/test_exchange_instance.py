"""An instance keeps its laws: Erlang's, Little's, and the order of arrival."""

from __future__ import annotations

import heapq
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowlab.model.traffic.chance import Chance
from shadowlab.model.traffic.completion import InstanceSample
from shadowlab.model.traffic.distribution import Distribution, constant
from shadowlab.model.traffic.workload import Arrivals, Compute
from shadowlab.traffic.exchange.deciding.arrivals import arrival_times
from shadowlab.traffic.exchange.deciding.instance import Begun, Instance, Refused, Waiting

MS = 1_000_000
SECOND = 1_000 * MS


def erlang_c_wait(arrivals_per_s: float, service_s: float, workers: int) -> float:
    """The mean waiting time of M/M/c in seconds (Erlang 1917)."""
    load = arrivals_per_s * service_s
    top = load**workers / math.factorial(workers) * workers / (workers - load)
    waits = top / (sum(load**k / math.factorial(k) for k in range(workers)) + top)
    return waits * service_s / (workers - load)


def served(compute: Compute, arrivals_ns: list[int], seed: int = 1) -> tuple[list[Begun], InstanceSample]:
    """Every service in the order of its beginning, and the state after the last."""
    instance, begun, ends = Instance(compute, Chance(seed, "x")), [], list[int]()

    def finish_until(now_ns: float) -> None:
        while ends and ends[0] <= now_ns:
            following = instance.finish(at := heapq.heappop(ends))
            if following is not None:
                assert following.ends_ns == at + following.service_ns
                begun.append(following)
                heapq.heappush(ends, following.ends_ns)

    for ticket, at_ns in enumerate(arrivals_ns):
        finish_until(at_ns)
        admission = instance.arrive(at_ns, ticket)
        if isinstance(admission, Begun):
            begun.append(admission)
            heapq.heappush(ends, admission.ends_ns)
    last = max([*ends, *arrivals_ns], default=0)
    finish_until(math.inf)
    return begun, instance.sample(last, "x")


def poisson(rate_per_s: float, seconds: int) -> list[int]:
    process = arrival_times(
        Arrivals(process="poisson", rate_per_s=rate_per_s), seed=3, name="w", begin_ns=0, end_ns=seconds * SECOND
    )
    found = []
    while (due_ns := process.due_ns) is not None:
        found.append(due_ns)
        process.take()
    return found


@pytest.mark.parametrize(("workers", "service_ms"), [(1, 7), (3, 21), (8, 48)])
def test_waiting_times_of_many_requests_are_erlangs(workers: int, service_ms: float) -> None:
    compute = Compute(
        workers=workers, service_ns=Distribution(family="exponential", parameters=(service_ms * MS / 1.0,))
    )

    begun, _ = served(compute, poisson(100, 1_200))

    expected = erlang_c_wait(100, service_ms / 1000, workers) * SECOND
    assert sum(one.waited_ns for one in begun) / len(begun) == pytest.approx(expected, rel=0.05)


def test_another_worker_and_a_faster_one_shorten_the_wait() -> None:
    service = Distribution(family="exponential", parameters=(8.0 * MS,))
    arrivals = poisson(100, 60)

    def mean_wait(workers: int, factor: float) -> float:
        begun, _ = served(Compute(workers=workers, service_ns=service.scaled(factor)), arrivals)
        return sum(one.waited_ns for one in begun) / len(begun)

    assert mean_wait(2, 1.0) < mean_wait(1, 1.0) / 5
    assert mean_wait(1, 0.5) < mean_wait(1, 1.0) / 5


@given(
    gaps=st.lists(st.integers(0, 20), min_size=1, max_size=60),
    workers=st.integers(1, 4),
    queue=st.none() | st.integers(0, 5),
    service=st.integers(0, 30),
)
def test_whatever_comes_nobody_is_lost_and_nobody_overtakes(
    gaps: list[int], workers: int, queue: int | None, service: int
) -> None:
    arrivals = [sum(gaps[: index + 1]) for index in range(len(gaps))]

    begun, after = served(Compute(workers=workers, service_ns=constant(service), queue=queue), arrivals)

    assert [one.ticket for one in begun] == sorted(one.ticket for one in begun)
    assert after.arrived == len(gaps) == after.finished + after.refused
    assert (after.begun, after.busy, after.queued) == (len(begun), 0, 0)
    assert after.waited_ns == sum(one.waited_ns for one in begun) == after.queue_ns
    assert after.busy_ns == sum(one.service_ns for one in begun)


def test_a_full_queue_refuses_and_the_order_is_kept() -> None:
    instance = Instance(Compute(workers=1, service_ns=constant(10), queue=1), Chance(1))

    admissions = [instance.arrive(at, ticket) for ticket, at in enumerate((0, 1, 2))]

    assert admissions == [Begun(0, 10, 10, 0), Waiting(1), Refused(2)]
    assert instance.finish(10) == Begun(1, 20, 10, 9)
    assert instance.finish(20) is None


def test_the_same_request_takes_as_long_with_more_workers() -> None:
    service = Distribution(family="exponential", parameters=(9.0 * MS,))
    arrivals = poisson(100, 5)

    one, two = (served(Compute(workers=count, service_ns=service), arrivals)[0] for count in (1, 2))

    assert {each.ticket: each.service_ns for each in one} == {each.ticket: each.service_ns for each in two}
