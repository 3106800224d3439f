"""Candidate cures: what they do, what undoes it, and when they cannot be tried at all."""

from __future__ import annotations

from dataclasses import replace

from shadowlab.mitigate.allowed import Allowed, Around, ChangeQueue, DrainSubject, RaiseMetric, Script, Upgrade
from shadowlab.mitigate.candidate import Candidate
from shadowlab.mitigate.propose import propose
from shadowlab.mitigate.situation import Situation
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Link, Network, Node
from shadowlab.model.verdict import FaultDomain
from shadowlab.shadow.ops import RunScript
from shadowlab.topology.addressing import address
from shadowlab.topology.routing import shortest_routes

S = 10**9
TEN = Impairment(delay_ns=5_000_000, rate_bps=10_000_000, queue_packets=60)
NETWORK = Network(
    name="triangle",
    nodes=(
        Node(id="a", kind="host"),
        Node(id="b", kind="host"),
        *(Node(id=name, kind="router") for name in ("r", "s", "t")),
    ),
    links=(
        Link(id="a-r", a="a", b="r"),
        Link(id="b-s", a="b", b="s"),
        Link(id="r-s", a="r", b="s", forward=TEN, backward=replace(TEN, rate_bps=None)),
        Link(id="r-t", a="r", b="t", forward=TEN, backward=TEN),
        Link(id="s-t", a="s", b="t", forward=TEN, backward=TEN),
    ),
)
FABRIC = address(NETWORK)
ROUTES = shortest_routes(NETWORK, FABRIC)
REROUTE = Around(name="reroute")
UPGRADE = Upgrade(name="upgrade x2", factor=2.0)
SCRIPT = Script(name="fix", text="#!/bin/sh\ntrue\n", timeout_ns=S)


def _domain(*links: str) -> FaultDomain:
    return FaultDomain(
        links=links,
        kind="loss",
        onset_ns=0,
        confidence=1.0,
        suspects=(),
        runners_up=(),
        affected_paths=(),
        affected_flows=(),
    )


def candidate(allowed: Allowed, *links: str, failed: frozenset[str] = frozenset()) -> Candidate:
    at = Situation(network=NETWORK, fabric=FABRIC, routes=ROUTES, domain=_domain(*links), failed=failed)
    nothing, found = propose(at, [allowed])
    assert (nothing.name, nothing.ops, nothing.undo) == ("do nothing", (), ())
    return found


def words(ops: tuple[object, ...]) -> list[str]:
    return [op.describe() for op in ops]  # type: ignore[attr-defined]


def test_a_reroute_changes_only_the_routes_that_lead_over_the_fault_and_knows_the_way_back() -> None:
    found = candidate(REROUTE, "r-s")

    assert found.impossible == ""
    assert [line.split(" via ")[0] for line in words(found.ops)] == ["route r: 10.32.0.2/32", "route s: 10.32.0.1/32"]
    assert all(line.endswith("dev to-t") for line in words(found.ops))
    assert [line.split(" dev ")[1] for line in words(found.undo)] == ["to-s", "to-r"]


def test_a_reroute_that_would_cut_somebody_off_is_impossible() -> None:
    assert candidate(REROUTE, "a-r").impossible == "there is no path from a to b without a-r"
    assert candidate(REROUTE, "r-s", "r-t").impossible == "there is no path from a to b without r-s, r-t"


def test_a_reroute_does_not_lead_over_a_link_that_is_down() -> None:
    found = candidate(REROUTE, "r-s", failed=frozenset({"s-t"}))

    assert found.impossible == "there is no path from a to b without r-s, s-t"


def test_an_upgrade_multiplies_rate_and_queue_of_the_directions_that_have_a_rate() -> None:
    found = candidate(UPGRADE, "r-s")

    assert found.summary == "pre-scale the bandwidth: r>s from 10 Mbit/s to 20 Mbit/s"
    assert words(found.ops) == ["impair r>s at r/to-s (egress): delay 5 ms, rate 20 Mbit/s, queue 120 packets"]
    assert words(found.undo) == ["impair r>s at r/to-s (egress): delay 5 ms, rate 10 Mbit/s, queue 60 packets"]


def test_an_unlimited_link_cannot_be_upgraded() -> None:
    assert candidate(UPGRADE, "a-r").impossible == "a-r has no rate to raise: it is unlimited"


def test_a_script_runs_at_both_ends_with_what_it_needs_to_know_and_nothing_else() -> None:
    found = candidate(SCRIPT, "r-s")

    assert [type(op) for op in found.ops] == [RunScript, RunScript]
    here, there = (dict(op.environment) for op in found.ops if isinstance(op, RunScript))
    assert here == {
        "SHADOWLAB_NODE": "r",
        "SHADOWLAB_PEER": "s",
        "SHADOWLAB_LINK": "r-s",
        "SHADOWLAB_INTERFACE": "to-s",
        "SHADOWLAB_DELAY_NS": "5000000",
        "SHADOWLAB_JITTER_NS": "0",
        "SHADOWLAB_RATE_BPS": "10000000",
        "SHADOWLAB_LIMIT_PACKETS": str(TEN.limit_packets()),
    }
    assert (there["SHADOWLAB_NODE"], there["SHADOWLAB_PEER"], there["SHADOWLAB_RATE_BPS"]) == ("s", "r", "0")
    assert len(found.undo) == 2


def test_a_script_does_not_run_on_instances() -> None:
    found = candidate(SCRIPT, "a-r")

    assert [op.node for op in found.ops if isinstance(op, RunScript)] == ["r"]


def test_several_links_are_cured_together() -> None:
    found = candidate(UPGRADE, "r-t", "s-t")

    assert len(found.ops) == 4
    assert candidate(SCRIPT, "r-t", "s-t").summary == "run the remediation script fix at both ends of r-t and s-t"


def test_a_metric_moves_who_has_another_way_and_keeps_who_has_none() -> None:
    moved = candidate(RaiseMetric(name="metric x10", factor=10), "r-s")
    alone = candidate(RaiseMetric(name="metric x10", factor=10), "a-r")

    assert [op.node for op in moved.ops] == ["r", "s"]  # type: ignore[union-attr]
    assert [op.node for op in moved.undo] == ["r", "s"]  # type: ignore[union-attr]
    assert alone.impossible == "no route would change by it"


def test_a_drained_router_is_the_last_choice_and_cuts_nobody_off() -> None:
    drained = candidate(DrainSubject(name="drain"), "r-s", "s-t")

    assert (drained.name, drained.impossible) == ("drain s", "no route would change by it")


def test_a_queue_is_changed_both_ways_and_put_back() -> None:
    found = candidate(ChangeQueue(name="queue 10", stated={"queue": 10}), "r-t")

    assert [one.impairment.queue_packets for one in found.ops] == [10, 10]  # type: ignore[union-attr]
    assert [one.impairment.queue_packets for one in found.undo] == [60, 60]  # type: ignore[union-attr]


def test_of_two_cures_that_do_the_same_one_is_tried() -> None:
    at = Situation(network=NETWORK, fabric=FABRIC, routes=ROUTES, domain=_domain("r-s"))

    _, reroute, metric = propose(at, [REROUTE, RaiseMetric(name="metric x10", factor=10)])

    assert not reroute.impossible
    assert metric.impossible == "it does the same as reroute does"


def test_a_new_way_that_cannot_carry_what_moves_there_is_told_beforehand() -> None:
    at = Situation(network=NETWORK, fabric=FABRIC, routes=ROUTES, domain=_domain("r-s"), rates_bps={"a→b": 9.9e6})

    _, found = propose(at, [REROUTE])

    assert found.warnings[0] == "r>t would have to carry 9.9 Mbit/s of its 10 Mbit/s (99 %)"
