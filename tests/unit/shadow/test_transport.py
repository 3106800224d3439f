"""What flows want of their nodes: settings only where nobody wants otherwise, initial windows by the majority."""

from __future__ import annotations

from typing import Any

import pytest

from shadowlab.kernel.fake import FakeSegment
from shadowlab.kernel.ports import InitialWindows
from shadowlab.model.fabric import Route
from shadowlab.model.flow import FlowSpec
from shadowlab.model.network import Link, Network, Node
from shadowlab.model.traffic.tcp_options import TcpOptions
from shadowlab.shadow.apply import apply
from shadowlab.shadow.ops import Op, SetRoute, SetTransport
from shadowlab.shadow.plan import build_plan
from shadowlab.shadow.readback import differences
from shadowlab.shadow.shape import shape_of
from shadowlab.shadow.transport import keeping_windows, plan_transport, with_windows
from shadowlab.topology.addressing import address
from shadowlab.topology.routing import shortest_routes

NETWORK = Network(
    name="star",
    nodes=(Node(id="r", kind="router"), *(Node(id=name, kind="host") for name in "abc")),
    links=tuple(Link(id=f"{name}-r", a=name, b="r") for name in "abc"),
)
FABRIC = address(NETWORK)
AT = FABRIC.node_address


def flow(name: str, source: str = "a", target: str = "b", **tcp: Any) -> FlowSpec:
    return FlowSpec(id=name, source=source, target=target, flow_class="greedy", tcp=TcpOptions(**tcp))


def test_a_node_goes_without_what_all_of_its_flows_go_without() -> None:
    planned = plan_transport([flow("one", sack=False), flow("two", sack=False, timestamps=False)], FABRIC)

    assert planned.settings == (SetTransport(node="a", sack=False), SetTransport(node="b", sack=False))


def test_one_flow_that_does_not_say_keeps_the_offer_up() -> None:
    planned = plan_transport([flow("one", sack=False), flow("two", target="c")], FABRIC)

    assert planned.settings == (SetTransport(node="b", sack=False),)


def test_a_node_asks_for_ecn_when_all_that_it_opens_do() -> None:
    planned = plan_transport([flow("one", ecn=True), flow("back", "b", "a")], FABRIC)

    assert planned.settings == (SetTransport(node="a", ecn=True),)


def test_initial_windows_are_those_of_most_flows_and_the_others_are_told() -> None:
    flows = [flow(f"f{number}", initial_cwnd_segments=20, initial_rwnd_segments=12) for number in range(2)]

    planned = plan_transport([*flows, flow("odd", initial_cwnd_segments=4), flow("free")], FABRIC)

    assert planned.windows == {("a", AT["b"]): (20, 0), ("b", AT["a"]): (0, 12)}
    assert planned.differing == {"odd": "initial cwnd 4, its route gives 20"}


@pytest.mark.parametrize("aggregate", [True, False])
def test_windows_hang_on_a_route_of_their_own_destination(aggregate: bool) -> None:
    planned = plan_transport([flow("one", initial_cwnd_segments=20)], FABRIC)
    routes = shortest_routes(NETWORK, FABRIC, aggregate=aggregate)

    tuned = with_windows(routes, planned)

    (held,) = [route for route in tuned if route.initial_cwnd]
    assert (held.node, held.destination, held.prefix, held.initial_cwnd) == ("a", AT["b"], 32, 20)
    assert {one for one in tuned if not one.initial_cwnd} >= set(routes) - {held._replace(initial_cwnd=0)}
    assert len({(one.node, one.destination, one.prefix) for one in tuned}) == len(tuned)


def test_a_destination_without_a_way_gets_no_windows() -> None:
    planned = plan_transport([flow("one", initial_cwnd_segments=20)], FABRIC)

    assert with_windows([Route("a", AT["b"], 32, "", "")], planned) == (Route("a", AT["b"], 32, "", ""),)


def test_routes_that_change_keep_their_windows() -> None:
    before = (Route("a", AT["b"], 32, "10.0.0.1", "ab", initial_cwnd=20), Route("a", AT["c"], 32, "10.0.0.1", "ab"))
    after = (Route("a", AT["b"], 32, "10.0.9.1", "ax"), Route("a", AT["c"], 32, "10.0.9.1", "ax"))

    assert keeping_windows(after, before) == (after[0]._replace(initial_cwnd=20), after[1])


def test_settings_and_windows_are_applied_and_read_back() -> None:
    planned = plan_transport([flow("one", sack=False, ecn=True, initial_cwnd_segments=20)], FABRIC)
    routes = with_windows(shortest_routes(NETWORK, FABRIC), planned)
    plan = build_plan(NETWORK, FABRIC, routes, planned.settings)
    segment = FakeSegment()

    apply(plan, segment)

    assert [one.windows for one in segment.routes("a") if one.destination == AT["b"]] == [InitialWindows(cwnd=20)]
    told = [op.describe() for op in plan if isinstance(op, SetTransport)]
    assert told == ["transport a: without SACK, asks for ECN", "transport b: without SACK"]
    (route,) = [op for op in plan if isinstance(op, SetRoute) and op.initial_cwnd]
    assert route.describe().endswith(" initcwnd 20")


def test_a_lost_setting_is_a_difference() -> None:
    ops: tuple[Op, ...] = build_plan(
        NETWORK, FABRIC, shortest_routes(NETWORK, FABRIC), [SetTransport(node="a", sack=False)]
    )
    segment = _Readable()
    apply(ops, segment)
    segment.set_sysctl("a", "net/ipv4/tcp_sack", "1")

    found = [one.describe() for one in differences(shape_of(ops), segment) if one.place == "a"]

    assert found == ["a: net/ipv4/tcp_sack should be 0, the kernel holds 1"]


class _Readable(FakeSegment):
    """Tells nothing of links, and that all queues are as wished."""

    def link_states(self, node: str) -> dict[str, Any]:
        return {}

    def queue_differences(self, node: str, wanted: object) -> tuple[()]:
        return ()
