"""What a cure changes of traffic while it runs: workers of an instance, servers of a workload."""

import pytest

from shadowlab.model.traffic.chance import Chance
from shadowlab.model.traffic.distribution import constant
from shadowlab.model.traffic.workload import Compute
from shadowlab.traffic.exchange.deciding.draws import Pairs
from shadowlab.traffic.exchange.deciding.instance import Instance, Waiting


def test_more_workers_begin_at_once_what_waits_and_fewer_finish_what_they_serve() -> None:
    instance = Instance(Compute(workers=1, service_ns=constant(100)), Chance(1, "x"))
    instance.arrive(0, 1)
    assert [instance.arrive(0, ticket) for ticket in (2, 3, 4)] == [Waiting(2), Waiting(3), Waiting(4)]

    begun = instance.resize(3, now_ns=10)

    assert [(one.ticket, one.ends_ns, one.waited_ns) for one in begun] == [(2, 110, 10), (3, 110, 10)]
    assert instance.resize(1, now_ns=20) == []
    assert instance.finish(100) is None  # two are still served
    assert instance.finish(110) is None
    following = instance.finish(110)
    assert following is not None
    assert following.ticket == 4


def test_servers_are_drawn_among_the_new_ones_only() -> None:
    pairs = Pairs(("a", "b"), ("c",), Chance(1, "x"))

    pairs.lead_to(("c", "d"))
    found = {pairs.draw()[1] for _ in range(50)}
    pairs.lead_to(("d",))

    assert found == {"c", "d"}
    assert {pairs.draw()[1] for _ in range(10)} == {"d"}


def test_a_client_is_never_left_without_a_server_but_itself() -> None:
    pairs = Pairs(("a", "b"), ("c",), Chance(1, "x"))

    with pytest.raises(ValueError, match="no server but itself"):
        pairs.lead_to(("a",))
