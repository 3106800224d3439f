"""Weights away from a fault domain: at which routers, how many, and back."""

from __future__ import annotations

import json
from dataclasses import replace

from shadowlab.mitigate.allowed import ShiftWeights
from shadowlab.mitigate.candidate import Candidate
from shadowlab.mitigate.export import FORMS
from shadowlab.mitigate.export.subject import Subject
from shadowlab.mitigate.propose import propose
from shadowlab.mitigate.situation import Situation
from shadowlab.model.cure.action import SetWeights, undone
from shadowlab.model.network import Link, Network, Node
from shadowlab.model.verdict import FaultDomain
from shadowlab.shadow.ops import SetRoute
from shadowlab.topology.addressing import address
from shadowlab.topology.routing import shortest_routes

# Two leaves under three spines, a host at each leaf.
ENDS = (("a", "l1"), ("b", "l2"), *((leaf, spine) for leaf in ("l1", "l2") for spine in ("s1", "s2", "s3")))
NETWORK = Network(
    name="clos",
    nodes=tuple(
        Node(id=one, kind="host" if one in "ab" else "router") for one in ("a", "b", "l1", "l2", "s1", "s2", "s3")
    ),
    links=tuple(Link(id=f"{a}-{b}", a=a, b=b) for a, b in ENDS),
    ecmp=True,
)


def cure(network: Network, link: str, factor: int = 8, failed: frozenset[str] = frozenset()) -> Candidate:
    fabric = address(network)
    domain = FaultDomain(
        links=(link,),
        kind="loss",
        onset_ns=0,
        confidence=1.0,
        suspects=(),
        runners_up=(),
        affected_paths=(),
        affected_flows=(),
    )
    routes = shortest_routes(network, fabric, avoid=failed)
    at = Situation(network=network, fabric=fabric, routes=routes, domain=domain, failed=failed)
    return propose(at, (ShiftWeights(name="weights", factor=factor),))[1]


def test_routers_before_the_fault_and_at_it_shift_their_flows() -> None:
    made = cure(NETWORK, "l2-s1")

    # l2 at the link itself; l1 knows that what goes to b by s1 comes to it, though its own links are sound.
    assert {(one.node, one.target): one.after for one in made.actions if isinstance(one, SetWeights)} == {
        ("l1", "b"): (1, 8, 8),
        ("l2", "a"): (1, 8, 8),
    }
    assert not made.impossible and {one.node for one in made.ops if isinstance(one, SetRoute)} == {"l1", "l2"}


def test_it_is_taken_back_to_what_was() -> None:
    weighted = NETWORK.with_links(replace(NETWORK.links_by_id["l1-s1"], weight=4))
    made = cure(weighted, "l1-s1", factor=2)

    assert {one.weights for one in made.ops if isinstance(one, SetRoute)} == {(2, 1, 1), (1, 2, 2)}
    assert {(one.node, one.weights) for one in made.undo if isinstance(one, SetRoute)} == {
        ("l1", (4, 1, 1)),
        ("l2", ()),
    }
    back = [undone(one) for one in made.actions]
    assert {one.after for one in back if isinstance(one, SetWeights)} == {(4, 1, 1), (1, 1, 1)}


def test_weights_stay_within_what_the_kernel_holds() -> None:
    heavy = NETWORK.with_links(replace(NETWORK.links_by_id["l1-s2"], weight=200))
    made = cure(heavy, "l1-s1", factor=256)

    held = [one.weights for one in made.ops if isinstance(one, SetRoute) and one.node == "l1"]
    assert held and all(1 <= weight <= 256 for weights in held for weight in weights)
    assert all(second == 256 and first == 1 for first, second, _ in held)


def test_it_is_impossible_where_nothing_can_be_weighed() -> None:
    assert "one of several equal ways" in cure(replace(NETWORK, ecmp=False), "l1-s1").impossible
    assert "no router has equal ways" in cure(NETWORK, "a-l1").impossible
    assert "no router has equal ways" in cure(NETWORK, "l1-s1", failed=frozenset(("l1-s2", "l1-s3"))).impossible


def test_exports_write_the_weights() -> None:
    made = cure(NETWORK, "l1-s1")
    of = Subject(run="r", cure=made.name, summary=made.summary, gain="less", actions=made.actions)

    assert 'dev "$interface_l1_l1_s1" weight 1 nexthop via' in FORMS["iproute2"](of)
    assert "weight" in FORMS["ansible"](of)
    assert "weights of the ways to b: 1 by s1 over l1-s1 (was 1), 8 by s2" in FORMS["frr"](of)
    actions = json.loads(FORMS["webhook"](of))["actions"]
    assert {tuple(one["after"]) for one in actions} == {(1, 8, 8)}
