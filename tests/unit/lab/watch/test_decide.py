"""What a watch decides: pace, incidents' life, instances, outbox, sums of flows."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowlab.lab.watch.decide.aggregate import merged
from shadowlab.lab.watch.decide.findings import of_correlation
from shadowlab.lab.watch.decide.incidents import MOST_ENTRIES, Finding, advance
from shadowlab.lab.watch.decide.instances import LEFT_AFTER, UNPLACED, instances_now
from shadowlab.lab.watch.decide.outbox import (
    LONGEST_WAIT_NS,
    delivered,
    due,
    failed,
    notifications,
    queued,
    wait_ns,
)
from shadowlab.lab.watch.decide.pace import next_cycle
from shadowlab.model.flow import FlowSpec
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Link, Network, Node
from shadowlab.model.verdict import Anomaly, Correlation, FaultDomain
from shadowlab.model.watch.state import WatchState

_DOMAIN = FaultDomain(
    links=("a-b",),
    kind="loss",
    onset_ns=0,
    confidence=1.0,
    suspects=(),
    runners_up=(),
    affected_paths=("x→y",),
    affected_flows=(),
)
_BROKEN = Finding(
    kind="network", severity="critical", title="a-b: loss", subjects=("a-b",), affected_paths=("x→y",), domain=_DOMAIN
)


@pytest.mark.parametrize(("took", "at", "skipped"), [(0, 60, 0), (59, 60, 0), (60, 60, 0), (61, 120, 1), (200, 240, 3)])
def test_a_cycle_that_takes_too_long_skips_beginnings(took: int, at: int, skipped: int) -> None:
    assert next_cycle(began_ns=0, ended_ns=took, every_ns=60) == (at, skipped)


@given(st.integers(0, 10**15), st.integers(0, 10**12), st.integers(1, 10**11))
def test_the_next_beginning_is_never_in_the_past_and_never_two_periods_ahead(began: int, took: int, every: int) -> None:
    at, skipped = next_cycle(began_ns=began, ended_ns=began + took, every_ns=every)

    assert began + took <= at < began + took + every + (every if took == 0 else 0)
    assert (at - began) == (skipped + 1) * every


def test_an_incident_is_opened_localised_updated_proposed_and_resolved() -> None:
    first = advance((), [_BROKEN], cycle=3, now_ns=10, resolve_after=2)
    same = advance(first.open, [_BROKEN], cycle=4, now_ns=20, resolve_after=2)
    worse = replace(_BROKEN, title="a-b: more loss", proposal="reroute", cures=(object(),))  # type: ignore[arg-type]
    more = advance(same.open, [worse], cycle=5, now_ns=30, resolve_after=2)
    quiet = advance(more.open, [], cycle=6, now_ns=40, resolve_after=2)
    over = advance(quiet.open, [], cycle=7, now_ns=50, resolve_after=2)

    assert [one.entry.kind for one in first.news] == ["opened", "localised"]
    assert same.news == ()
    assert [one.entry.kind for one in more.news] == ["updated", "proposed"]
    assert (quiet.news, quiet.closed) == ((), ())
    assert (over.open, [one.entry.kind for one in over.news]) == ((), ["resolved"])
    assert over.closed[0].resolved_ns == 50
    assert [one.kind for one in over.closed[0].timeline] == ["opened", "localised", "updated", "proposed", "resolved"]
    assert {one.id for one in (*first.open, *over.closed)} == {"3-1-network"}


def test_what_comes_back_before_it_is_resolved_is_the_same_incident() -> None:
    first = advance((), [_BROKEN], cycle=1, now_ns=10, resolve_after=2)
    quiet = advance(first.open, [], cycle=2, now_ns=20, resolve_after=2)

    again = advance(quiet.open, [_BROKEN], cycle=3, now_ns=30, resolve_after=2)

    assert [one.id for one in again.open] == ["1-1-network"]
    assert again.open[0].quiet_cycles == 0
    assert again.news[0].entry.text.startswith("found again")


def test_a_fault_elsewhere_is_another_incident() -> None:
    first = advance((), [_BROKEN], cycle=1, now_ns=10, resolve_after=2)
    other = replace(_BROKEN, subjects=("c-d",), domain=replace(_DOMAIN, links=("c-d",)))

    both = advance(first.open, [_BROKEN, other], cycle=2, now_ns=20, resolve_after=2)

    assert [one.subjects for one in both.open] == [("a-b",), ("c-d",)]


def test_a_timeline_is_bounded_and_keeps_its_beginning() -> None:
    incidents = advance((), [_BROKEN], cycle=1, now_ns=1, resolve_after=2).open
    for cycle in range(2, MOST_ENTRIES + 50):
        found = [replace(_BROKEN, title=f"loss {cycle}")]
        incidents = advance(incidents, found, cycle=cycle, now_ns=cycle, resolve_after=2).open

    assert len(incidents[0].timeline) == MOST_ENTRIES
    assert [one.kind for one in incidents[0].timeline[:2]] == ["opened", "localised"]
    assert incidents[0].entries_left_out == 50


def _network(*hosts: tuple[str, str]) -> Network:
    routers = sorted({router for _, router in hosts})
    nodes = [Node(id=one, kind="host") for one, _ in hosts] + [Node(id=one, kind="router") for one in routers]
    plain = Impairment()
    links = [Link(id=f"{one}-{at}", a=one, b=at, forward=plain, backward=plain) for one, at in hosts]
    return Network(name="n", nodes=tuple(nodes), links=tuple(links))


def test_instances_that_appear_leave_and_move_are_changes_and_the_first_cycle_has_none() -> None:
    first = instances_now({}, {}, _network(("a", "r"), ("b", "r")), {"a", "b"})
    then = instances_now(first.places, first.silent, _network(("a", "s"), ("c", "r")), {"a", "c", "stranger"})

    assert first.changes == ()
    assert {(one.instance, one.kind) for one in then.changes} == {
        ("a", "moved"),
        ("b", "left"),
        ("c", "appeared"),
        ("stranger", "appeared"),
    }
    assert then.places["stranger"] == UNPLACED


def test_silence_is_told_once_and_so_is_its_end() -> None:
    network = _network(("a", "r"), ("b", "r"))
    known = instances_now({}, {}, network, {"a", "b"})
    told = []
    for _ in range(LEFT_AFTER + 2):
        known = instances_now(known.places, known.silent, network, {"a"})
        told += known.changes
    back = instances_now(known.places, known.silent, network, {"a", "b"})

    assert [(one.instance, one.kind) for one in told] == [("b", "left")]
    assert [(one.instance, one.kind) for one in back.changes] == [("b", "appeared")]


def _state() -> WatchState:
    news = advance((), [_BROKEN], cycle=1, now_ns=5, resolve_after=2).news
    return queued(WatchState(name="w"), notifications(news, {"hook": "info", "pager": "critical"}))


def test_every_receiver_is_told_what_is_severe_enough_under_an_id_of_its_own() -> None:
    mild = advance((), [replace(_BROKEN, severity="info")], cycle=1, now_ns=5, resolve_after=2).news

    assert [one.receiver for one in notifications(mild, {"hook": "info", "pager": "critical"})] == ["hook", "hook"]
    assert len({one.id for one in _state().outbox}) == len(_state().outbox) == 4


def test_the_same_news_is_queued_once() -> None:
    state = _state()

    assert queued(state, state.outbox) == state


def test_what_failed_waits_longer_each_time_and_holds_back_what_comes_after_it() -> None:
    state = _state()
    first = next(one for one in state.outbox if one.receiver == "hook")

    state = failed(state, first, "no", now_ns=100)

    assert {one.receiver for one in due(state.outbox, 100)} == {"pager"}
    assert due(state.outbox, 100 + wait_ns(1))[0].attempts == 1
    assert wait_ns(1) < wait_ns(2) < wait_ns(50) == LONGEST_WAIT_NS


def test_what_left_is_counted_and_what_is_refused_for_good_too() -> None:
    state = _state()

    state = delivered(state, state.outbox[0])
    state = failed(state, state.outbox[0], "never", now_ns=0, for_good=True)

    assert len(state.outbox) == 2
    assert (sum(state.told.values()), sum(state.given_up.values())) == (1, 1)


def _flow(number: int, rate: int | None, target: str = "b") -> FlowSpec:
    kind = "greedy" if rate is None else "paced"
    return FlowSpec(id=f"f{number}", source="a", target=target, flow_class=kind, rate_bps=rate, service="s")  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.integers(1, 10**9), st.sampled_from("bcd")), min_size=1, max_size=30))
def test_flows_are_summed_up_without_a_bit_lost_on_any_path(some: list[tuple[int, str]]) -> None:
    flows = [_flow(number, rate, target) for number, (rate, target) in enumerate(some)]

    found = merged(flows, above=0, suspected={"a→d"})

    for target in "bcd":
        rates = [[one.rate_bps or 0 for one in part if one.target == target] for part in (flows, found.flows)]
        assert sum(rates[0]) == sum(rates[1])
    assert sum(one.target == "d" for one in found.flows) == sum(target == "d" for _, target in some)
    assert sum(one.target == "b" for one in found.flows) <= 1


def test_greedy_flows_and_few_flows_stay_as_they_are() -> None:
    flows = [_flow(1, None), _flow(2, None), _flow(3, 5), _flow(4, 6)]

    assert len(merged(flows, above=4).flows) == 4
    assert sorted(one.id for one in merged(flows, above=3).flows) == ["f1", "f2", "f3"]


@pytest.mark.parametrize(
    ("worse", "verdict", "kinds"),
    [
        (6, "shadow drifted", ["network"]),
        (6, "unsure", ["network"]),
        (4, "shadow drifted", ["shadow"]),
        (6, "demand moved", []),
        (1, "unsure", []),
    ],
)
def test_what_strikes_most_paths_at_once_is_no_drift_of_the_shadow(worse: int, verdict: str, kinds: list[str]) -> None:
    anomalies = [
        Anomaly(
            path=f"a→{number}",
            onset_ns=5,
            detected_ns=9,
            score=4.0,
            leading_kpi="srtt_ms",
            zscores={"srtt_ms": 4.0},
            detector="watch",
        )
        for number in range(worse)
    ]
    found = of_correlation(Correlation(verdict=verdict, why=""), anomalies, None, paths=8)  # type: ignore[arg-type]

    assert [one.kind for one in found] == kinds
    if kinds == ["network"]:
        assert found[0].title == "6 of 8 paths got worse at once: something that all of them cross"
        assert found[0].severity == "critical"
