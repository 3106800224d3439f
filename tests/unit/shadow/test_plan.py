"""A network becomes operations: in which order, with impairments where, and only what differs on a change."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shadow_example import ACCESS, AROUND, CORE, FABRIC, NETWORK, ROUTES

from shadowlab.model.fabric import Route
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Direction
from shadowlab.shadow.ops import (
    CreateLink,
    CreateNode,
    ImpairEgress,
    ImpairIngress,
    RunScript,
    SetLinkState,
    SetRoute,
    ingress_device,
)
from shadowlab.shadow.plan import build_plan, impair_ops, link_state_ops, route_ops

PLAN = build_plan(NETWORK, FABRIC, ROUTES)


def test_everything_is_made_before_it_is_used() -> None:
    order = [CreateNode, CreateLink, (ImpairEgress, ImpairIngress), SetLinkState, SetRoute]

    stages = [next(place for place, kinds in enumerate(order) if isinstance(op, kinds)) for op in PLAN]

    assert stages == sorted(stages)


def test_routers_forward_and_instances_do_not() -> None:
    assert {op.node: op.forwards for op in PLAN if isinstance(op, CreateNode)} == {
        "h1": False, "h2": False, "r1": True, "r2": True, "r3": True,
    }  # fmt: skip


def test_every_link_is_made_once_and_taken_up_once() -> None:
    made = [op.link for op in PLAN if isinstance(op, CreateLink)]
    raised = [op.link for op in PLAN if isinstance(op, SetLinkState) and op.up]

    assert made == raised == [link.id for link in NETWORK.links]


def test_what_leaves_a_router_is_impaired_there_always() -> None:
    egress = {op.direction: op for op in PLAN if isinstance(op, ImpairEgress)}

    assert set(egress) == {"r1>h1", "r2>h2", "r1>r2", "r2>r1", "r1>r3", "r3>r1", "r2>r3", "r3>r2"}
    for op in egress.values():
        assert op.node == op.direction.split(">")[0]
    assert egress["r1>r2"].impairment == CORE


def test_what_leaves_an_instance_is_impaired_where_it_arrives_if_at_all() -> None:
    ingress = {op.direction: op for op in PLAN if isinstance(op, ImpairIngress)}

    assert set(ingress) == {"h1>r1", "h1>h2", "h2>h1"}, "h2>r2 has no impairment"
    assert (ingress["h1>r1"].node, ingress["h1>r1"].impairment) == ("r1", ACCESS)
    assert (ingress["h1>h2"].node, ingress["h2>h1"].node) == ("h2", "h1")


def test_an_impairment_that_comes_later_is_placed_alike() -> None:
    later = impair_ops(FABRIC, NETWORK, Direction(link="h2-r2", source="h2", target="r2"), Impairment(delay_ns=1))

    arrival = FABRIC.by_direction[Direction(link="h2-r2", source="r2", target="h2")]
    placed = ImpairIngress(node="r2", interface=arrival.name, direction="h2>r2", impairment=Impairment(delay_ns=1))
    assert later == (placed,)


def test_a_direction_that_is_not_in_the_map_is_refused() -> None:
    with pytest.raises(KeyError):
        impair_ops(FABRIC, NETWORK, Direction(link="none", source="h2", target="r2"), CORE)


def test_a_link_goes_down_as_one() -> None:
    [switch] = link_state_ops(FABRIC, NETWORK.links_by_id["r1-r2"], up=False, routes=ROUTES)

    assert isinstance(switch, SetLinkState)
    assert not switch.up
    assert (switch.node_a, switch.node_b) == ("r1", "r2")


def test_a_link_that_comes_back_brings_its_routes() -> None:
    switch, *routes = link_state_ops(FABRIC, NETWORK.links_by_id["r1-r2"], up=True, routes=ROUTES)

    assert isinstance(switch, SetLinkState)
    assert switch.up
    assert {op.node for op in routes if isinstance(op, SetRoute)} == {"r1", "r2"}
    assert len(routes) == 2


def test_only_routes_that_differ_are_set() -> None:
    changed = route_ops(ROUTES, AROUND)

    assert {op.node for op in changed} == {"r1", "r2"}
    assert route_ops(ROUTES, ROUTES) == ()


routes = st.builds(
    Route,
    node=st.sampled_from("abc"),
    destination=st.sampled_from(("192.0.2.1", "192.0.2.2")),
    prefix=st.just(32),
    via=st.sampled_from(("10.0.0.1", "10.0.0.3")),
    interface=st.sampled_from(("x", "y")),
    others=st.just(()),
    source=st.sampled_from(("", "192.0.2.9")),
    table=st.just(0),
)
tables = st.lists(routes, max_size=8, unique_by=lambda route: (route.node, route.destination, route.source))


@given(old=tables, new=tables)
def test_applying_the_difference_gives_the_new_routes(old: list[Route], new: list[Route]) -> None:
    held = {(one.node, one.destination, one.source): one.hops for one in old}

    for op in route_ops(old, new):
        if isinstance(op, SetRoute):
            held[op.node, op.destination, op.source] = op.hops
        else:
            del held[op.node, op.destination, op.source]

    for one in new:
        assert held.pop((one.node, one.destination, one.source)) == one.hops
    assert not any(source for _, _, source in held), "exceptions that nobody wants any more"
    assert route_ops(new, new) == ()


@given(st.text(alphabet=st.characters(codec="ascii", exclude_characters="/ "), min_size=1, max_size=15))
def test_an_ifb_has_a_name_that_linux_takes(interface: str) -> None:
    name = ingress_device(interface)

    assert len(name) <= 15
    assert name != interface


def test_long_interface_names_have_ifbs_of_their_own() -> None:
    assert ingress_device("to-frankfurt-01") != ingress_device("to-frankfurt-02")


def test_a_plan_is_the_same_every_time() -> None:
    assert build_plan(NETWORK, FABRIC, ROUTES) == PLAN
    assert [op.describe() for op in PLAN] == [op.describe() for op in build_plan(NETWORK, FABRIC, ROUTES)]


@pytest.mark.parametrize(
    ("text", "argv"),
    [
        ("echo hi\n", ("/bin/sh",)),
        ("#!/usr/bin/env python3\nprint()\n", ("/usr/bin/env", "python3")),
        ("#!/bin/bash -e\n", ("/bin/bash", "-e")),
        ("#!\n", ("/bin/sh",)),
        ("", ("/bin/sh",)),
    ],
)
def test_a_script_is_run_by_the_interpreter_it_names(text: str, argv: tuple[str, ...]) -> None:
    script = RunScript(node="r1", name="fix", text=text, environment=(), timeout_ns=1)

    assert script.argv == argv
    assert replace(script, text="").argv == ("/bin/sh",)
