"""An explicit path for one pair, and a server in the place of another: what they do, and how they are taken back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shadowlab.mitigate.allowed import MoveInstance, Pin
from shadowlab.mitigate.propose import propose
from shadowlab.mitigate.situation import Situation
from shadowlab.model.cure import action
from shadowlab.model.cure.action import PinPath, undone
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Link, Network, Node
from shadowlab.model.traffic.distribution import constant
from shadowlab.model.traffic.workload import Requests
from shadowlab.model.verdict import FaultDomain
from shadowlab.shadow.ops import RemoveRoute, SetRoute
from shadowlab.shadow.traffic_ops import SetServers
from shadowlab.topology.addressing import address
from shadowlab.topology.routing import path_directions, shortest_routes

HOSTS, ROUTERS = ("a", "b", "c"), ("x", "y", "z")
ENDS = (("a", "x"), ("b", "x"), ("c", "y"), ("x", "y"), ("x", "z"), ("z", "y"))
NETWORK = Network(
    name="triangle",
    nodes=(*(Node(id=one, kind="host") for one in HOSTS), *(Node(id=one, kind="router") for one in ROUTERS)),
    links=tuple(Link(id=f"{a}-{b}", a=a, b=b, forward=Impairment(), backward=Impairment()) for a, b in ENDS),
)
FABRIC = address(NETWORK)
DOMAIN = FaultDomain(
    links=("x-y",),
    kind="loss",
    onset_ns=0,
    confidence=1.0,
    suspects=(),
    runners_up=(),
    affected_paths=(),
    affected_flows=(),
)
PAGES = Requests(
    name="pages",
    clients=("a",),
    servers=("c",),
    request=constant(100),
    response=constant(1000),
    think_ns=constant(1000),
)
AT = Situation(
    network=NETWORK,
    fabric=FABRIC,
    routes=tuple(shortest_routes(NETWORK, FABRIC)),
    domain=DOMAIN,
    workloads=(PAGES,),
    rates_bps={"a→c": 1e6, "b→c": 5e6, "a→b": 9e6},
    hops={f"{s}→{t}": path_directions(NETWORK, s, t) for s, t in (("a", "c"), ("b", "c"), ("a", "b"))},
)


def test_the_heaviest_pair_alone_goes_around_the_domain_and_back() -> None:
    _, found = propose(AT, [Pin(name="path")])

    assert found.summary == "b→c alone goes by x, z, y"
    set_ops = [op for op in found.ops if isinstance(op, SetRoute)]
    assert {op.source for op in set_ops} == {FABRIC.node_address["b"]}
    assert all(isinstance(op, RemoveRoute) for op in found.undo)
    assert found.actions == (PinPath(source="b", target="c", before=("x", "y"), after=("x", "z", "y")),)
    back = undone(found.actions[0])
    assert isinstance(back, PinPath)
    assert back.after == ("x", "y")


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (Pin(name="p", source="a", target="b"), "does not cross x-y"),
        (Pin(name="p", source="a", target="c", path=("x", "nowhere")), "nowhere"),
        (MoveInstance(name="m", workload="pages", source="b", target="b"), "b does not serve it"),
        (MoveInstance(name="m", workload="page", source="c", target="b"), "no workload of requests is called page"),
        (MoveInstance(name="m", workload="pages", source="c", target="a"), "one of its clients or servers already"),
        (MoveInstance(name="m", workload="pages", source="c", target="x"), "x is no host"),
    ],
)
def test_what_cannot_be_moved_says_why(one: Pin | MoveInstance, why: str) -> None:
    _, found = propose(AT, [one])

    assert why in found.impossible


def test_a_server_in_the_place_of_another_keeps_its_place_in_the_list() -> None:
    at = replace(AT, workloads=(replace(PAGES, servers=("c",)),))

    _, found = propose(at, [MoveInstance(name="m", workload="pages", source="c", target="b")])

    assert found.ops == (SetServers(workload="pages", servers=("b",), like="c"),)
    assert found.undo == (SetServers(workload="pages", servers=("c",), like="c"),)
    assert found.actions == (action.MoveInstance(workload="pages", before="c", after="b"),)
