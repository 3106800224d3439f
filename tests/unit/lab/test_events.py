"""Events that take time: flaps, drains, ramps; and what they may not do."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab_example import MS, SMALL, S, prepared, scenario

from shadowlab.errors import InputError
from shadowlab.lab.changes import Timeline
from shadowlab.lab.events.event import Event
from shadowlab.lab.events.steps import Usable, steps_of
from shadowlab.lab.events.words import describe_event
from shadowlab.model.network import Direction
from shadowlab.model.queue import Codel
from shadowlab.shadow.ops import ImpairEgress, ImpairIngress, SetLinkState, SetRoute
from shadowlab.shadow.traffic_ops import ScaleDemand
from shadowlab.topology.formats import load_map

NORTH_SOUTH = Direction(link="north-south", source="north", target="south")
NETWORK = load_map(SMALL / "map.yaml")


def timeline(folder: Path, *events: str) -> Timeline:
    return prepared(folder, events=events).timeline


def switches(found: Timeline) -> list[tuple[float, str, bool]]:
    return [(one.at_ns / S, op.link, op.up) for one in found.changes for op in one.ops if isinstance(op, SetLinkState)]


def routes(found: Timeline) -> list[tuple[float, set[tuple[str, str]]]]:
    """When which node sends where it did not send before."""
    found_at = {
        one.at_ns / S: {(op.node, op.interface) for op in one.ops if isinstance(op, SetRoute)} for one in found.changes
    }
    return [(at, some) for at, some in found_at.items() if some]


def faults(folder: Path, *events: str, edits: tuple[tuple[str, str], ...] = ()) -> list[str]:
    with pytest.raises(InputError) as caught:
        prepared(folder, *edits, events=events)
    return [str(fault).partition(": ")[2] for fault in caught.value.faults]


# --- links that go down and come up -----------------------------------------------------------------------------


def test_a_flap_goes_down_and_up_and_ends_up(tmp_path: Path) -> None:
    found = timeline(tmp_path, "at: 25 s, flap: north-south, period: 6 s, duty: 50 %, count: 2, reason: a loose plug")

    assert switches(found) == [
        (25, "north-south", False),
        (28, "north-south", True),
        (31, "north-south", False),
        (34, "north-south", True),
    ]
    assert [at for at, _ in routes(found)] == [26, 29, 32, 35]
    assert [one.reason for one in found.changes if isinstance(one.ops[0], SetLinkState)] == [
        "a loose plug: down, 1 of 2",
        "a loose plug: up, 1 of 2",
        "a loose plug: down, 2 of 2",
        "a loose plug: up, 2 of 2",
    ]
    assert found.at(39 * S).routes == found.at(0).routes


def test_a_flap_until_a_moment_is_up_from_then_on(tmp_path: Path) -> None:
    found = timeline(tmp_path, "at: 25 s, flap: north-south, period: 2 s, until: 29.5 s")

    assert switches(found)[-2:] == [(29, "north-south", False), (29.5, "north-south", True)]
    assert len(switches(found)) == 6


def test_over_a_link_that_flaps_faster_than_routing_converges_nobody_is_led(tmp_path: Path) -> None:
    found = timeline(tmp_path, "at: 25 s, flap: north-south, period: 500 ms, count: 10")

    led = [(at, some) for at, some in routes(found) if ("north", "to-south") in some]
    assert [at for at, _ in led] == [25 + 9 * 0.5 + 0.25 + 1]
    assert found.at(28 * S).failed == {"north-south"}


def test_a_drained_link_goes_down_only_when_its_routes_have_moved_off(tmp_path: Path) -> None:
    found = timeline(
        tmp_path, "at: 25 s, drain: north-south, grace: 3 s, reason: new optic", "at: 33 s, undrain: north-south"
    )

    assert [(one.at_ns / S, one.reason) for one in found.changes] == [
        (25, "new optic: routes move off"),
        (28, "new optic: down"),
        (33, "north-south is back in service (planned)"),
        (34, "routing converges"),
    ]
    assert routes(found) == [
        (25, {("north", "to-west"), ("south", "to-west")}),
        (34, {("north", "to-south"), ("south", "to-north")}),
    ]
    assert [state.since_ns / S for state in found.states] == [0, 25, 34]


def test_a_node_fails_with_all_its_links_and_comes_back_with_its_hosts_default_route(tmp_path: Path) -> None:
    found = timeline(tmp_path, "at: 25 s, fail: west", "at: 30 s, restore: west")

    assert switches(found)[:3] == [(25, "north-west", False), (25, "south-west", False), (25, "api-west", False)]
    assert found.at(27 * S).failed == {"north-west", "south-west", "api-west"}
    assert ("api", "to-west") in dict(routes(found))[31]
    assert found.at(31 * S).routes == found.at(0).routes


def test_a_group_is_drained_at_once(tmp_path: Path) -> None:
    scenario(tmp_path)
    text = (tmp_path / "map.yaml").read_text()
    (tmp_path / "map.yaml").write_text(text + "\ngroups: {trench: [north-west, api]}\n")

    found = timeline(tmp_path, "at: 25 s, drain: trench")

    assert switches(found) == [(27, "north-west", False), (27, "api-west", False)]


def test_a_link_that_is_down_already_is_left_alone(tmp_path: Path) -> None:
    found = timeline(tmp_path, "at: 25 s, fail: north-west", "at: 28 s, fail: west", "at: 32 s, restore: west")

    assert switches(found)[:3] == [(25, "north-west", False), (28, "south-west", False), (28, "api-west", False)]
    assert {link for at, link, up in switches(found) if up} == {"north-west", "south-west", "api-west"}


# --- links that change ------------------------------------------------------------------------------------------


def test_set_takes_every_key_of_a_link(tmp_path: Path) -> None:
    found = timeline(
        tmp_path,
        "at: 25 s, set: north-south, queue: {kind: codel, target: 7 ms}, loss: {share: 1 %, ecn: true}, seed: 3",
    )

    (change,) = found.changes
    one = found.at(25 * S).network.impairment(NORTH_SOUTH)
    assert (one.queue, one.loss, one.ecn, one.seed) == (Codel(target_ns=7 * MS), 0.01, True, 3)
    assert one.delay_ns == 5 * MS
    assert all(isinstance(op, ImpairEgress | ImpairIngress) for op in change.ops)
    assert change.reason == ("north-south is set: loss (ecn on, share 1 %), seed 3, queue (kind codel, target 7 ms)")


def test_a_metric_moves_routes_a_second_later_and_touches_nothing_else(tmp_path: Path) -> None:
    found = timeline(tmp_path, "at: 25 s, set: north-south, metric: 9")

    (change,) = found.changes
    assert change.at_ns == 26 * S
    assert {(op.node, op.interface) for op in change.ops if isinstance(op, SetRoute)} == {
        ("north", "to-west"),
        ("south", "to-west"),
    }
    assert found.at(26 * S).network.links_by_id["north-south"].metric == 9


def test_a_ramp_moves_in_even_steps_to_exactly_its_end(tmp_path: Path) -> None:
    found = timeline(
        tmp_path,
        "at: 25 s, ramp: north-south, towards: south, delay: 9 ms, loss: 2 %, over: 4 s, from: {loss: 1 %}",
    )

    seen = [found.at(at * S).network.impairment(NORTH_SOUTH) for at in (24, 25, 26, 27, 28, 29, 35)]
    assert [one.delay_ns / MS for one in seen] == [5, 5, 6, 7, 8, 9, 9]
    assert [round(one.loss, 6) for one in seen] == [0, 0.01, 0.0125, 0.015, 0.0175, 0.02, 0.02]
    assert [one.at_ns / S for one in found.changes] == [25, 26, 27, 28, 29]
    assert found.changes[-1].reason.endswith(": step 4 of 4")
    assert found.at(29 * S).network.impairment(NORTH_SOUTH.reverse).delay_ns == 5 * MS


def test_two_ramps_of_different_keys_do_not_disturb_each_other(tmp_path: Path) -> None:
    found = timeline(
        tmp_path,
        "at: 25 s, ramp: north-south, delay: 9 ms, over: 4 s",
        "at: 26 s, ramp: north-south, loss: 4 %, over: 2 s",
    )

    one = found.at(29 * S).network.impairment(NORTH_SOUTH)
    assert (one.delay_ns, one.loss) == (9 * MS, 0.04)


@given(over_ms=st.integers(10, 10**5), every_ms=st.integers(10, 10**5))
def test_a_ramps_steps_lie_within_its_time_and_end_at_its_end(over_ms: int, every_ms: int) -> None:
    event = Event(at_ns=5 * S, kind="ramp", over_ns=over_ms * MS, steps=-(-over_ms // every_ms))

    times = [at_ns for _, at_ns in event.step_times()]

    assert times == sorted(set(times))
    assert times[0] > 5 * S
    assert times[-1] == event.end_ns
    assert max(b - a for a, b in zip([event.at_ns, *times], times, strict=False)) <= every_ms * MS + 1


def test_demand_moves_from_what_it_is(tmp_path: Path) -> None:
    found = timeline(tmp_path, "at: 25 s, demand: 2", "at: 26 s, demand: 4, over: 2 s")

    assert [(one.at_ns / S, op) for one in found.changes for op in one.ops] == [
        (25, ScaleDemand(flows=(), factor=2.0)),
        (27, ScaleDemand(flows=(), factor=3.0)),
        (28, ScaleDemand(flows=(), factor=4.0)),
    ]


def test_flows_of_different_demand_meet_at_the_end_of_a_ramp(tmp_path: Path) -> None:
    found = timeline(tmp_path, "at: 25 s, demand: 3, flows: ['web→db:5001']", "at: 26 s, demand: 5, over: 2 s")

    halfway, end = found.changes[-2:]
    assert ScaleDemand(flows=("web→db:5001",), factor=4.0) in halfway.ops
    assert len(halfway.ops) == 2
    assert end.ops == (ScaleDemand(flows=(), factor=5.0),)


# --- what is refused --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ("flap: l, count: 3", "a flap needs its `period`, like period: 10 s"),
        ("flap: l, period: 0 s, count: 3", "period: the link would be down 0 s of each 0 s; down and up take"),
        ("flap: l, period: 2 s", "a flap ends after a `count` of times or at a moment, `until`: state one of the two"),
        ("flap: l, period: 2 s, count: 1, until: 30 s", "state one of the two"),
        ("flap: l, period: 2 s, duty: 100 %, count: 1", "duty: is the share of the time that the link is up, above 0"),
        ("flap: l, period: 2 s, count: 0", "count: the link would never go down"),
        ("flap: l, period: 2 s, until: 20 s", "until: the link would never go down"),
        ("flap: l, period: 20 ms, until: 39 s", "period: 650 times are more than 500: state a longer period"),
        ("flap: l, period: 10 s, count: 3", "at: the last of it would happen at 51 s, after the run of 40 s"),
        ("drain: l, grace: -1 s", "grace: must not be negative"),
        ("drain: l, duty: 50 %", "duty: goes with flap, not with drain"),
        ("ramp: l, delay: 9 ms", "a ramp needs the time it takes: state `over`, like over: 30 s"),
        ("ramp: l, delay: 9 ms, over: 0 s", "over: must be at least 10 ms, got 0 s"),
        ("ramp: l, delay: 9 ms, over: 5 s, every: 0 s", "every: must be at least 10 ms, got 0 s"),
        ("ramp: l, delay: 9 ms, over: 14 s, every: 10 ms", "over: 1400 steps are more than 1000"),
        ("ramp: l, dealy: 9 ms, over: 5 s", "unknown key `dealy` of events[1]: did you mean `delay`?"),
        ("ramp: l, over: 5 s", "ramp needs at least one key of the link"),
        ("ramp: l, seed: 9, over: 5 s", "seed: cannot move by steps; what can: delay, jitter"),
        ("ramp: l, queue: {kind: codel}, over: 5 s", "queue: only a plain number can move by steps"),
        ("ramp: l, rate: unlimited, over: 5 s", "rate: only a plain number can move by steps"),
        ("ramp: l, loss: 1 %, over: 5 s, from: {delay: 1 ms}", "from.delay: nothing says where it moves to"),
        ("ramp: l, loss: 1 %, over: 5 s, from: {loss: 2}", "from.loss: loss must lie between 0 and 1"),
        ("ramp: l, loss: 1 %, over: 5 s, metric: 2", "metric: goes with set, not with ramp"),
        ("set: l, towards: n, metric: 2", "metric: an event changes it both ways"),
        ("set: l, queue: {kind: codl}", "queue.kind: expected 'pfifo'"),
        ("set: l, queue: {target: 5 ms}", "the key `kind` of queue is missing"),
        ("demand: 2, over: 5 s, from: {demand: -1}", "from.demand: must lie between 0 and 1000"),
        ("fail: l, over: 5 s", "over: goes with ramp or demand, not with fail"),
    ],
)
def test_an_event_that_cannot_be_is_refused_by_its_key(tmp_path: Path, event: str, said: str) -> None:
    found = faults(tmp_path, f"at: 26 s, {event}")

    assert len(found) == 1
    assert said in found[0]


def test_what_lasts_into_the_baseline_is_refused(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, "at: 4 s, ramp: north-south, delay: 9 ms, over: 5 s")

    assert fault == "events[1].at: lasts until 9 s, into the baseline"


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (
            "ramp: north-south, delay: 9 ms, over: 5 s",
            "ramp: north-south, delay: 1 ms, loss: 1 %, over: 9 s",
            "ramp: delay of north-south is being changed already: the ramp of north-south at 26 s lasts until 31 s",
        ),
        (
            "ramp: north-south, delay: 9 ms, over: 5 s",
            "set: north-south, delay: 1 ms",
            "set: delay of north-south is being changed already",
        ),
        ("demand: 2, over: 5 s", "demand: 1, flows: ['web→db:5001']", "demand: demand of all flows is being changed"),
        (
            "flap: west, period: 1 s, count: 3",
            "fail: north-west",
            "fail: link north-west is being changed already: the flap of west at 26 s lasts until 28.5 s",
        ),
        ("drain: north-south", "restore: north-south", "the drain of north-south at 26 s lasts until 28 s"),
    ],
)
def test_events_that_get_in_each_others_way_are_refused(tmp_path: Path, first: str, second: str, said: str) -> None:
    (fault,) = faults(tmp_path, f"at: 26 s, {first}", f"at: 27 s, {second}")

    assert said in fault


def test_events_that_meet_without_harm_pass(tmp_path: Path) -> None:
    found = timeline(
        tmp_path,
        "at: 26 s, ramp: north-south, delay: 9 ms, over: 2 s, towards: south",
        "at: 26 s, ramp: north-south, delay: 3 ms, over: 2 s, towards: north",
        "at: 28 s, set: north-south, delay: 5 ms",
        "at: 30 s, fail: north",
        "at: 30 s, fail: south",
    )

    down = [(at, up) for at, _, up in switches(found)]
    assert down and set(down) == {(30.0, False)}
    assert 28.0 in {one.at_ns / S for one in found.changes}


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ("set: west, loss: 1 %", "set: the map has no link 'west'; west is a node: name its links"),
        ("fail: wset", "fail: the map has no link 'wset': did you mean `west`?"),
        ("undrain: west", "undrain: nothing drained west before"),
        ("ramp: north-south, rate: 5 Mbit, over: 2 s, from: {rate: 1 Mbit}, towards: west", "'west' is not an end"),
        ("ramp: north-south, jitter: 50 ms, over: 2 s", "no packet arrives before it was sent"),
    ],
)
def test_what_the_map_does_not_hold_is_refused(tmp_path: Path, event: str, said: str) -> None:
    (fault,) = faults(tmp_path, f"at: 26 s, {event}")

    assert said in fault


def test_a_ramp_from_nothing_must_say_where_it_begins(tmp_path: Path) -> None:
    scenario(tmp_path)
    text = (tmp_path / "map.yaml").read_text()
    (tmp_path / "map.yaml").write_text(text.replace("rate: 10 Mbit, queue: 60", "rate: unlimited"))

    (fault,) = faults(tmp_path, "at: 26 s, ramp: north-south, rate: 1 Mbit, over: 2 s")

    assert "north>south has no single rate to begin with: state it in `from`" in fault


def test_a_name_of_a_node_and_a_group_is_told(tmp_path: Path) -> None:
    scenario(tmp_path)
    text = (tmp_path / "map.yaml").read_text()
    (tmp_path / "map.yaml").write_text(text + "\ngroups: {west: [api-west]}\n")

    (fault,) = faults(tmp_path, "at: 26 s, fail: west")

    assert fault == "fail: west is a node of the map and a group too: give the group another name"


# --- laws -------------------------------------------------------------------------------------------------------


@given(
    period_ms=st.integers(40, 4000),
    duty=st.sampled_from([0.25, 0.5, 0.75]),
    count=st.integers(1, 8),
    more=st.booleans(),
)
def test_no_route_ever_leads_into_a_link_that_is_down(period_ms: int, duty: float, count: int, more: bool) -> None:
    """The kernel would refuse it, and the run would be void."""
    down = round(period_ms * MS * (1 - duty))
    flap = Event(
        at_ns=26 * S,
        kind="flap",
        name="north-south",
        period_ns=period_ms * MS,
        down_ns=down,
        count=count,
        until_ns=26 * S + (count - 1) * period_ms * MS + down,
    )
    drain = Event(at_ns=flap.end_ns + 1, kind="drain", name="north-south", grace_ns=300 * MS)
    events = [flap, drain] if more else [flap]
    steps = steps_of(events, NETWORK)
    usable = Usable(steps, NETWORK)

    down_now = False
    for step in steps:
        if step.kind in ("down", "up"):
            down_now = step.kind == "down"
        elif down_now:
            assert usable.without(step.at_ns) == {"north-south"}


def test_a_whole_event_is_one_line() -> None:
    ramp = Event(at_ns=0, kind="ramp", name="l", stated={"delay": 9 * MS}, start={"delay": MS}, over_ns=S, steps=9)

    assert describe_event(ramp) == "l moves over 1 s: delay from 1 ms to 9 ms"
    assert describe_event(Event(at_ns=0, kind="demand", factor=3, over_ns=S)) == (
        "demand of all flows moves over 1 s: to 3 times"
    )
