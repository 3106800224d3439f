"""Verdicts become sentences, and none says more than its verdict."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shadowlab.lab.conclude import best_cure, clock, conclusions, headline
from shadowlab.lab.events.planned import Planned, behind
from shadowlab.model.level import LevelOutcome
from shadowlab.model.network import Direction
from shadowlab.model.result import Scaling
from shadowlab.model.traffic.summary import HeatMap, Histogram, WorkloadSummary
from shadowlab.model.verdict import CureOutcome, FaultDomain, Suspect

S = 10**9
FULL = Scaling(factor=1.0, map_rate_scale=1.0, reason="")
SUSPECT = Suspect(
    directions=(Direction(link="a-b", source="a", target="b"),),
    score=9.0,
    posterior=0.97,
    loss=0.021,
    excess_delay_ns=0.0,
    paths_affected=2,
    paths_crossing=2,
)
DOMAIN = FaultDomain(
    links=("a-b",),
    kind="loss",
    onset_ns=150 * S,
    confidence=0.97,
    suspects=(SUSPECT,),
    runners_up=(),
    affected_paths=("x→y", "y→x"),
    affected_flows=("x→y:80",),
)


def cure(name: str, *, recovered: float = 0.0, note: str = "", harm: int = 0, kind: str = "reroute") -> CureOutcome:
    return CureOutcome(
        cure=name,
        kind=kind,
        summary=f"what {name} does",
        rank=0,
        broken_share=0.2 * (1 - recovered),
        transient_share=0.0,
        severity=0.0,
        recovered=recovered,
        harm=harm,
        note=note,
    )


WORK = Planned(name="a-b", links=frozenset({"a-b"}), from_ns=150 * S, to_ns=200 * S)
NOTHING = cure("do nothing", kind="nothing")


def outcome(path: str, *, holds: bool, level: str = "fast") -> LevelOutcome:
    return LevelOutcome(
        level=level, path=path, limit=1, worst=2, median=1, broken_share=0.5, excess=0.1, holds=holds, samples=9
    )


def sentences(
    domain: FaultDomain | None = DOMAIN,
    after: tuple[LevelOutcome, ...] = (),
    cures: tuple[CureOutcome, ...] = (),
    scaling: Scaling = FULL,
) -> tuple[str, ...]:
    return conclusions(
        domain=domain, detected_ns=153 * S, localised_ns=158 * S, after=after, cures=cures, scaling=scaling
    )


@pytest.mark.parametrize(("at_ns", "words"), [(0, "0:00"), (59 * S, "0:59"), (61 * S, "1:01"), (3600 * S, "60:00")])
def test_a_moment_is_told_in_minutes_and_seconds(at_ns: int, words: str) -> None:
    assert clock(at_ns) == words


def test_the_headline_names_link_kind_onset_and_cure() -> None:
    assert headline(DOMAIN, [cure("reroute", recovered=1.0), NOTHING], []) == (
        "a-b: loss since 2:30. Best rehearsed cure: reroute."
    )


def test_the_headline_of_a_fault_without_a_cure() -> None:
    assert headline(DOMAIN, [NOTHING, cure("reroute")], []) == "a-b: loss since 2:30. No rehearsed cure helps."
    assert headline(DOMAIN, [], []) == "a-b: loss since 2:30."


def test_the_headline_without_a_guilty_link() -> None:
    vague = replace(DOMAIN, links=(), suspects=())

    assert headline(vague, [], []) == "Left their baseline: 2 paths; no single link explains it."
    assert headline(None, [], []) == "All paths keep to their baseline."
    assert headline(None, [], [outcome("x→y", holds=False)]) == (
        "Service levels are broken, but no path left its baseline."
    )


def test_the_best_cure_helps_and_was_carried_out() -> None:
    assert best_cure([]) is None
    assert best_cure([NOTHING, cure("reroute", recovered=-0.5)]) is None
    assert best_cure([cure("reroute", recovered=0.0), NOTHING]) is None
    assert best_cure([cure("fix", recovered=0.9, note="exit code 1"), NOTHING]) is None
    best = cure("reroute", recovered=0.1)
    assert best_cure([best, NOTHING]) is best


def test_the_whole_story_is_told_in_order() -> None:
    told = sentences(
        after=(outcome("x→y", holds=False), outcome("y→x", holds=True), outcome("x→y", holds=False, level="clean")),
        cures=(cure("reroute", recovered=0.75, harm=2), NOTHING),
    )

    assert told == (
        "What happens: service levels broken: 2 of 3 (clean, fast), on 1 of 2 paths.",
        "Where: a-b, with 97 % confidence: a>b (loss 2.1 %); affected: 2 paths, 1 flow.",
        "Since when: 2:30 of the run; detected at 2:33, placed at 2:38.",
        "What to do: reroute – what reroute does.",
        "What it gains: 5 % of the judged windows stay broken instead of 20 %, 75 % recovered; "
        "levels that held and break by it: 2.",
    )


def test_paths_and_services_are_counted_apart() -> None:
    after = (outcome("x→y", holds=False), outcome("shop", holds=False), outcome("names", holds=True))

    assert sentences(domain=None, after=after)[0] == (
        "What happens: service levels broken: 2 of 3 (fast), on 1 of 1 paths and 1 of 2 services."
    )


def test_a_calm_run_is_told_in_one_sentence() -> None:
    assert sentences(domain=None, after=(outcome("x→y", holds=True),)) == (
        "What happens: every service level holds (1 of 1).",
    )
    assert sentences(domain=None) == ("What happens: no service level is set.",)


def test_delay_is_told_like_loss() -> None:
    slow = replace(SUSPECT, loss=0.0, excess_delay_ns=3_200_000.0)

    assert sentences(domain=replace(DOMAIN, suspects=(slow,)))[1] == (
        "Where: a-b, with 97 % confidence: a>b (delay +3.2 ms); affected: 2 paths, 1 flow."
    )


def test_cures_that_failed_or_were_impossible_are_told_with_the_reason() -> None:
    told = sentences(cures=(NOTHING, cure("fix", note="script fix in a: exit code 7"), cure("up", note="unlimited")))

    assert told[3:] == (
        "What to do: nothing that was rehearsed is better than doing nothing.",
        "Not counted: fix – script fix in a: exit code 7.",
        "Not counted: up – unlimited.",
    )


def test_a_scaled_run_says_so_last() -> None:
    told = sentences(scaling=Scaling(factor=4.0, map_rate_scale=1.0, reason="everything divided by 4"))

    assert told[-1] == "Scaled down: everything divided by 4."


def test_what_failed_by_the_limits_of_the_shadow_is_not_put_down_to_the_network() -> None:
    empty = Histogram(edges=(), counts=())
    crowd = WorkloadSummary(
        workload="web",
        kind="requests",
        service="web",
        outcomes={"ok": 5, "failed": 12},
        whole={},
        before={},
        after={},
        completion_ms=empty,
        slowdown=empty,
        heat_map=HeatMap(window_ns=S, edges=(), counts=()),
        failed_by={"EMFILE": 7, "ECONNREFUSED": 3, "EADDRINUSE": 2},
    )
    calm = replace(crowd, workload="db", failed_by={"ECONNREFUSED": 3})

    told = conclusions(
        domain=None, detected_ns=0, localised_ns=0, after=[], cures=[], scaling=FULL, workloads=[calm, crowd]
    )

    assert told[1:] == (
        "Beyond the shadow: 9 exchanges of web failed because it had no port, open file or memory left for them "
        "(EMFILE, EADDRINUSE); that says nothing of the network.",
    )


def test_what_was_planned_is_no_fault() -> None:
    assert behind(DOMAIN, [WORK]) == (WORK,)
    assert headline(DOMAIN, [], [], [WORK]) == "a-b: planned work since 2:30, no fault; it moved 2 paths."
    said = conclusions(
        domain=DOMAIN, detected_ns=152 * S, localised_ns=160 * S, after=[], cures=[], scaling=FULL, planned=[WORK]
    )
    assert said[-1] == "Planned: a-b was out of service from 2:30 to 3:20: 1 link, no fault."


def test_a_domain_beyond_the_planned_work_or_outside_its_time_is_a_fault() -> None:
    assert behind(replace(DOMAIN, links=("a-b", "b-c")), [WORK]) == ()
    assert behind(replace(DOMAIN, onset_ns=140 * S), [WORK]) == ()
    assert behind(replace(DOMAIN, onset_ns=210 * S), [WORK]) == ()
    assert behind(None, [WORK]) == ()


def test_paths_that_planned_work_led_another_way_are_put_down_to_it() -> None:
    nowhere = replace(DOMAIN, links=(), suspects=())

    assert behind(nowhere, [WORK]) == (WORK,)
    assert behind(replace(nowhere, onset_ns=140 * S), [WORK]) == ()
