"""Candidate cures: what they do, what undoes it, and when they cannot be tried at all."""

from __future__ import annotations

from dataclasses import replace

from shadowlab.mitigate.propose import Allowed, Candidate, propose
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
REROUTE = Allowed(kind="reroute", name="reroute")
UPGRADE = Allowed(kind="upgrade", name="upgrade x2", factor=2.0)
SCRIPT = Allowed(kind="script", name="fix", script_text="#!/bin/sh\ntrue\n", timeout_ns=S)


def candidate(allowed: Allowed, *links: str, failed: frozenset[str] = frozenset()) -> Candidate:
    domain = FaultDomain(
        links=links,
        kind="loss",
        onset_ns=0,
        confidence=1.0,
        suspects=(),
        runners_up=(),
        affected_paths=(),
        affected_flows=(),
    )
    nothing, found = propose(
        network=NETWORK, fabric=FABRIC, routes=ROUTES, domain=domain, allowed=[allowed], failed=failed
    )
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
