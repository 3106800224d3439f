"""Events become operations, and the network as it stands after each."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab_example import MS, S, prepared

from shadowlab.errors import InputError
from shadowlab.lab.changes import CONVERGENCE_NS, Timeline, resolve_events
from shadowlab.model.network import Direction
from shadowlab.shadow.ops import SetLinkState, SetRoute
from shadowlab.shadow.traffic_ops import ScaleDemand

NORTH_SOUTH = Direction(link="north-south", source="north", target="south")
WEB, DB = "192.0.2.10", "192.0.2.20"


def timeline(folder: Path, *events: str) -> Timeline:
    return prepared(folder, events=events).timeline


def words(found: Timeline) -> list[tuple[float, str, list[str]]]:
    return [(one.at_ns / S, one.reason, [op.describe() for op in one.ops]) for one in found.changes]


def test_a_degraded_link_gets_worse_in_both_directions_and_keeps_what_is_not_stated(tmp_path: Path) -> None:
    found = timeline(tmp_path, "at: 25 s, degrade: north-south, loss: 10 %, reason: dirt")

    worse = "delay 5 ms, loss 10 %, rate 10 Mbit/s, queue 60 packets"
    assert words(found) == [
        (
            25,
            "dirt",
            [
                f"impair north>south at north/to-south (egress): {worse}",
                f"impair south>north at south/to-north (egress): {worse}",
            ],
        )
    ]


def test_one_direction_alone_may_get_worse(tmp_path: Path) -> None:
    found = timeline(tmp_path, "at: 25 s, degrade: north-south, towards: south, delay: 9 ms, queue: 3")

    assert words(found) == [
        (
            25,
            "north-south towards south degrades: delay 9 ms, queue 3 packets",
            ["impair north>south at north/to-south (egress): delay 9 ms, rate 10 Mbit/s, queue 3 packets"],
        )
    ]


def test_events_add_up_and_every_state_is_remembered(tmp_path: Path) -> None:
    found = timeline(
        tmp_path,
        "at: 25 s, degrade: north-south, loss: 1 %",
        "at: 30 s, degrade: north-south, delay: 7 ms",
    )

    seen = [(at, found.at(at * S).network.impairment(NORTH_SOUTH)) for at in (24, 25, 29, 30)]
    assert [one.delay_ns / MS for _, one in seen] == [5, 5, 5, 7]
    assert ["loss 1 %" in one.describe() for _, one in seen] == [False, True, True, True]


def test_a_link_that_fails_goes_down_at_once_and_routing_follows_a_second_later(tmp_path: Path) -> None:
    found = timeline(tmp_path, "at: 25 s, fail: north-south, reason: digger")

    down, converge = found.changes
    assert (down.at_ns, down.reason, [op.describe() for op in down.ops]) == (
        25 * S,
        "digger",
        ["link north-south: down"],
    )
    assert (converge.at_ns, converge.reason) == (26 * S, "routing converges")
    routes = {(op.node, op.destination, op.interface) for op in converge.ops if isinstance(op, SetRoute)}
    assert routes == {("north", DB, "to-west"), ("south", WEB, "to-west")}
    assert found.at(26 * S - 1).failed == frozenset()
    assert found.at(26 * S).failed == {"north-south"}


def test_a_link_that_comes_back_gets_its_routes_back(tmp_path: Path) -> None:
    found = timeline(tmp_path, "at: 25 s, fail: north-south", "at: 30 s, restore: north-south")

    up, converge = found.changes[2:]
    assert [op.describe() for op in up.ops] == ["link north-south: up"]
    assert {(op.node, op.interface) for op in converge.ops if isinstance(op, SetRoute)} == {
        ("north", "to-south"),
        ("south", "to-north"),
    }
    assert found.at(31 * S).routes == found.at(0).routes
    assert found.at(31 * S).failed == frozenset()


def test_routing_leads_nobody_over_a_link_that_failed_while_it_converged(tmp_path: Path) -> None:
    found = timeline(tmp_path, "at: 25 s, fail: north-south", "at: 25.5 s, fail: south-west")

    installed = {(op.node, op.interface) for one in found.changes for op in one.ops if isinstance(op, SetRoute)}
    assert installed == set()  # south is cut off: there is no way left that a router could take instead
    assert found.at(27 * S).failed == {"north-south", "south-west"}


def test_a_flap_within_a_second_ends_where_it_began(tmp_path: Path) -> None:
    found = timeline(tmp_path, "at: 25 s, fail: north-south", "at: 25.4 s, restore: north-south")

    last = {}
    for change in found.changes:
        last |= {(op.node, op.destination): op.interface for op in change.ops if isinstance(op, SetRoute)}
    assert last == {("north", DB): "to-south", ("south", WEB): "to-north"}
    assert found.at(40 * S).routes == found.at(0).routes


def test_what_happens_while_routing_converges_is_part_of_the_state_after_that(tmp_path: Path) -> None:
    found = timeline(tmp_path, "at: 25 s, fail: north-south", "at: 25.5 s, degrade: north-west, loss: 1")

    assert [state.since_ns for state in found.states] == [0, 26 * S]
    assert found.at(26 * S).failed == {"north-south"}
    assert "loss 100 %" in found.at(26 * S).network.links_by_id["north-west"].forward.describe()


def test_demand_is_scaled_by_one_operation(tmp_path: Path) -> None:
    found = timeline(tmp_path, "at: 25 s, demand: 3, flows: ['web→db:5001']")

    (change,) = found.changes
    assert change.ops == (ScaleDemand(flows=("web→db:5001",), factor=3.0),)
    assert found.at(40 * S).network == found.at(0).network


def test_changes_stand_in_the_order_of_time_also_when_routing_is_slower_than_events(tmp_path: Path) -> None:
    found = timeline(tmp_path, "at: 25 s, fail: north-south", "at: 25.5 s, degrade: north-west, loss: 1 %")

    assert [change.at_ns for change in found.changes] == [25 * S, int(25.5 * S), 25 * S + CONVERGENCE_NS]
    assert isinstance(found.changes[0].ops[0], SetLinkState)


def test_a_link_that_cannot_be_so_is_refused_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        timeline(tmp_path, "at: 25 s, degrade: north-south, jitter: 50 ms")

    (fault,) = caught.value.faults
    assert str(fault).startswith(f"{tmp_path}/incident.yaml:13:25: north-south degrades: jitter 50 ms: ")


def test_a_scaled_run_scales_what_events_state_and_another_does_not_touch_it(tmp_path: Path) -> None:
    found = prepared(tmp_path, events=("at: 25 s, degrade: north-south, rate: 2 Mbit, queue: 3",))
    full = resolve_events(found.scenario.events, found.network, found.fabric, ()).at(25 * S)
    small = resolve_events(found.scenario.events, found.network, found.fabric, (), rate_factor=4).at(25 * S)

    one, other = full.network.impairment(NORTH_SOUTH), small.network.impairment(NORTH_SOUTH)
    assert (one.rate_bps, one.queue_packets) == (2_000_000, 3)
    assert (other.rate_bps, other.queue_packets) == (500_000, 2)
