"""A plan executed on the fake kernel, and the ways of packets read back from it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from shadow_example import AROUND, CORE, FABRIC, NETWORK, ROUTES

from shadowlab.errors import KernelRefusedError, ShadowFailedError
from shadowlab.kernel.fake import FakeSegment
from shadowlab.kernel.ports import ScriptOutcome
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Direction
from shadowlab.shadow.apply import apply
from shadowlab.shadow.ops import RunScript, SetRoute
from shadowlab.shadow.plan import build_plan, impair_ops, ingress_device, link_state_ops, route_ops
from shadowlab.shadow.trace import Trace, TraceFault, trace
from shadowlab.shadow.traffic_ops import ScaleDemand
from shadowlab.topology.routing import path_directions

LEAVING = {
    f"{one.node}/{one.name}": f"{one.direction.link}|{one.direction.source}|{one.direction.target}"
    for one in FABRIC.interfaces
}
DIRECT = NETWORK.links_by_id["r1-r2"]


@pytest.fixture
def segment() -> Iterator[FakeSegment]:
    with FakeSegment() as built:
        apply(build_plan(NETWORK, FABRIC, ROUTES), built)
        yield built


def way(segment: FakeSegment, source: str = "h1", target: str = "h2") -> Trace:
    return trace(segment, LEAVING, FABRIC.node_address, source, target)


def nodes(segment: FakeSegment) -> str:
    return " ".join(way(segment).nodes)


def interface(link: str, source: str, target: str) -> str:
    return FABRIC.by_direction[Direction(link=link, source=source, target=target)].name


def test_the_kernel_holds_what_was_planned(segment: FakeSegment) -> None:
    assert segment.namespaces() == tuple(node.id for node in NETWORK.nodes)
    assert all(segment.links("r1").values())
    assert segment.read_sysctl("r1", "net/ipv4/ip_forward") == "1"
    assert segment.read_sysctl("h1", "net/ipv4/ip_forward") == "0"
    assert segment.read_netem("r1", interface("r1-r2", "r1", "r2")) == CORE
    assert segment.read_netem("h1", interface("h1-r1", "h1", "r1")) is None, "never on the originating host"
    assert ("lo", FABRIC.node_address["h1"], 32) in segment.addresses("h1")


def test_what_arrives_from_an_instance_is_impaired_on_an_ifb(segment: FakeSegment) -> None:
    device = ingress_device(interface("h1-r1", "r1", "h1"))

    assert segment.read_netem("r1", device) == NETWORK.links_by_id["h1-r1"].forward


def test_the_live_way_is_the_planned_one(segment: FakeSegment) -> None:
    assert way(segment) == Trace(directions=path_directions(NETWORK, "h1", "h2"))
    assert way(segment, "h2", "h1") == Trace(directions=path_directions(NETWORK, "h2", "h1"))


def test_a_failed_link_is_a_black_hole_until_routing_converges(segment: FakeSegment) -> None:
    apply(link_state_ops(FABRIC, DIRECT, up=False), segment)
    assert way(segment).fault == TraceFault(kind="black hole", at="r1")
    assert nodes(segment) == "h1 r1"

    apply(route_ops(ROUTES, AROUND), segment)

    assert way(segment).fault is None
    assert nodes(segment) == "h1 r1 r3 r2 h2"


def test_a_link_that_comes_back_carries_again_with_its_routes(segment: FakeSegment) -> None:
    apply(link_state_ops(FABRIC, DIRECT, up=False), segment)

    apply(link_state_ops(FABRIC, DIRECT, up=True, routes=ROUTES), segment)

    assert nodes(segment) == "h1 r1 r2 h2"


def test_a_loop_is_found(segment: FakeSegment) -> None:
    r3 = next(one for one in FABRIC.by_node["r3"] if one.peer == "r1")
    r1 = next(one for one in FABRIC.by_node["r1"] if one.peer == "r3")
    target = FABRIC.node_address["h2"]
    apply(
        [
            SetRoute(node="r1", destination=target, prefix=32, via=r1.peer_address, interface=r1.name),
            SetRoute(node="r3", destination=target, prefix=32, via=r3.peer_address, interface=r3.name),
        ],
        segment,
    )

    found = way(segment)

    assert found.fault == TraceFault(kind="loop", at="r1")
    assert str(found.fault) == "loop at r1"
    assert found.nodes == ("h1", "r1", "r3", "r1")


def test_a_router_that_stopped_forwarding_is_a_black_hole(segment: FakeSegment) -> None:
    segment.set_sysctl("r2", "net/ipv4/ip_forward", "0")

    assert way(segment).fault == TraceFault(kind="black hole", at="r2")


def test_an_impairment_can_come_where_there_was_none(segment: FakeSegment) -> None:
    direction = Direction(link="h2-r2", source="h2", target="r2")
    wanted = Impairment(delay_ns=7_000_000)

    apply(impair_ops(FABRIC, NETWORK, direction, wanted) * 2, segment)

    assert segment.read_netem("r2", ingress_device(interface("h2-r2", "r2", "h2"))) == wanted


def test_a_refusal_names_the_object(segment: FakeSegment) -> None:
    bad = SetRoute(node="r1", destination="192.0.2.9", prefix=32, via="203.0.113.1", interface="nowhere")

    with pytest.raises(KernelRefusedError, match=r"192\.0\.2\.9/32 .* nowhere in r1"):
        apply([bad], segment)


SCRIPT = RunScript(node="r1", name="fix", text="#!/bin/bash\nexit 4", environment=(("A", "1"),), timeout_ns=5)


def test_a_script_runs_in_its_node_by_its_interpreter() -> None:
    seen: list[tuple[str, tuple[str, ...], dict[str, str], str]] = []

    def on_script(node: str, argv: object, environment: object, text: str) -> ScriptOutcome:
        seen.append((node, tuple(argv), dict(environment), text))  # type: ignore[call-overload]
        return ScriptOutcome(exit_code=4, output="", timed_out=False)

    with FakeSegment(on_script=on_script) as segment:
        segment.create_namespace("r1")
        [applied] = apply([SCRIPT], segment)

    assert seen == [("r1", ("/bin/bash",), {"A": "1"}, SCRIPT.text)]
    assert applied.script is not None
    assert applied.script.exit_code == 4


def test_scripts_and_demand_can_be_taken_over(segment: FakeSegment) -> None:
    demand = ScaleDemand(flows=(), factor=2.0)
    asked: list[object] = []
    outcome = ScriptOutcome(exit_code=0, output="elsewhere", timed_out=False)

    def on_script(op: RunScript) -> ScriptOutcome:
        asked.append(op)
        return outcome

    happened = apply([demand, SCRIPT], segment, on_script=on_script, on_traffic=asked.append)

    assert asked == [demand, SCRIPT]
    assert [one.script for one in happened] == [None, outcome]


def test_demand_without_a_driver_is_refused(segment: FakeSegment) -> None:
    with pytest.raises(ShadowFailedError, match="nothing drives traffic"):
        apply([ScaleDemand(flows=(), factor=2.0)], segment)
