"""A LAN, IPv6, equal-cost ways and exceptions: led the same way by Linux and by the fake kernel, and by packets too.

::

    h1 --+            +-- a --+
    h2 --+-- lan -- g |       | z -- web
    h3 --+ (later)    +-- b --+
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import fabric_inside
import pytest

from shadowlab.guest.boot import run_in_guest
from shadowlab.guest.cache import need_kernel
from shadowlab.kernel.fake import FakeSegment
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Link, Network, Node, SourceRoute, StaticRoute
from shadowlab.model.plain import to_plain
from shadowlab.shadow.diff import diff
from shadowlab.shadow.plan import build_plan
from shadowlab.shadow.shape import EMPTY, Shape, shape_of
from shadowlab.topology.addressing import address
from shadowlab.topology.routing import shortest_routes

SLOW = Impairment(delay_ns=1_000_000)
KINDS: dict[str, Any] = {"h1": "host", "h2": "host", "web": "host", "lan": "segment"}


def links(*names: str) -> tuple[Link, ...]:
    ends = [name.split("-") for name in names]
    return tuple(Link(id=f"{a}-{b}", a=a, b=b, forward=SLOW, backward=SLOW) for a, b in ends)


NETWORK = Network(
    name="campus",
    nodes=tuple(
        Node(id=name, kind=KINDS.get(name, "router")) for name in ("lan", "h1", "h2", "g", "a", "b", "z", "web")
    ),
    links=links("h1-lan", "h2-lan", "lan-g", "g-a", "g-b", "a-z", "b-z", "z-web"),
    ipv6=True,
    ecmp=True,
    static_routes=(StaticRoute(at="z", to="h2"),),
    source_routes=(SourceRoute(source="h2", target="web", path=("g", "b", "z")),),
)
GROWN = replace(
    NETWORK,
    nodes=(*NETWORK.nodes, Node(id="h3", kind="host")),
    links=(*NETWORK.links, *links("h3-lan")),
    static_routes=(StaticRoute(at="g", to="web", via="a"), StaticRoute(at="a", to="web", via="g")),
    source_routes=(),
)


def wanted(network: Network, live: Shape = EMPTY) -> Shape:
    fabric = address(network, keep=live.fabric)
    return shape_of(build_plan(network, fabric, shortest_routes(network, fabric, aggregate=True)))


def job() -> bytes:
    first = wanted(NETWORK)
    grown = wanted(GROWN, first)
    fabric = address(GROWN, keep=first.fabric)
    told = {
        "steps": [
            {
                "ops": to_plain([change.op for change in diff(EMPTY, first)]),
                "ask": [["h1", "h2"], ["h2", "web"], ["web", "h2"]],
            },
            {
                "ops": to_plain([change.op for change in diff(first, grown)]),
                "ask": [["h3", "h1"], ["web", "h2"], ["h2", "web"]],
            },
        ],
        "leaving": {f"{one.node}/{one.name}": f"{one.link}|{one.node}|{one.peer}" for one in fabric.interfaces},
        "gateways": {
            text: f"{one.link}|{one.peer}|{one.node}"
            for one in fabric.interfaces
            if one.peer == "lan"
            for text in (one.address, one.address6)
        },
        "books": {"4": dict(fabric.node_address), "6": dict(fabric.node_address6)},
        "send": [["h1", "web", ["a", "b"]], ["h2", "web", ["a", "b"]]],
    }
    return json.dumps(told).encode()


FIRST = [
    *(f"{family} h1 lan h2" for family in "46"),
    *(f"{family} h2 lan g b z web" for family in "46"),
    *(f"{family} web z (black hole at z)" for family in "46"),
]


def check_grown(found: list[str]) -> None:
    assert found[:2] == ["4 h3 lan h1", "6 h3 lan h1"]
    for line in found[2:4]:
        assert line.split(" ")[1:] in (["web", "z", middle, "g", "lan", "h2"] for middle in "ab")
    assert found[4:] == ["4 h2 lan g a g (loop at g)", "6 h2 lan g a g (loop at g)"]


def test_on_the_fake_kernel() -> None:
    told = json.loads(job())

    with FakeSegment() as segment:
        assert fabric_inside.ways(told, segment, 0) == FIRST
        check_grown(fabric_inside.ways(told, segment, 1))


def test_what_is_new_on_a_segment_is_told_to_all_on_it_and_touches_nothing_else() -> None:
    first = wanted(NETWORK)
    more = replace(GROWN, static_routes=NETWORK.static_routes, source_routes=NETWORK.source_routes)

    changes = diff(first, wanted(more, first))

    words = [change.describe() for change in changes]
    assert all("h3" in text or "neighbour" in text or text.startswith("route") for text in words), words
    told = [text.split(":")[0] for text in words if text.startswith("neighbour")]
    assert sorted(set(told)) == [f"neighbour {name}" for name in ("g", "h1", "h2", "h3")]
    routes = {text.split(":")[0] for text in words if text.startswith("route")}
    assert routes == {f"route {name}" for name in ("g", "h1", "h2", "h3", "z")}, "z tells h2 from its neighbours"


@pytest.mark.guest
def test_on_linux_and_by_packets(tmp_path: Path) -> None:
    run_in_guest(
        kernel=need_kernel("virtual"),
        entry="fabric_inside:run",
        job=job(),
        folder=tmp_path,
        clock="virtual",
        seed=1,
        virtual_deadline_ns=60 * 10**9,
        wall_deadline_s=60,
    )

    read = json.loads((tmp_path / fabric_inside.READ_FILE).read_text())
    assert read["ways"][0] == FIRST
    check_grown(read["ways"][1])
    for family in "46":
        flows = [one for one in read["sent"] if one[0] == family]
        assert all(arrived for _, arrived, _, _ in flows)
        assert [told for _, _, told, _ in flows] == [counted for *_, counted in flows]
        spread = {tuple(told) for _, _, told, _ in flows[: fabric_inside.FLOWS]}
        assert spread == {("a",), ("b",)}
        assert {tuple(told) for _, _, told, _ in flows[fabric_inside.FLOWS :]} == {("b",)}
