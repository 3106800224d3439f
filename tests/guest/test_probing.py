"""Probes in the embedded kernel: each way exact by itself, and the way of the flow they stand for.

One boot for all: h1 - r1 = three equal-cost ways of 2, 5 and 11 ms there, 3, 7 and 13 ms back = r5 - h2.  So what a
probe measures tells which way it took.
"""

from __future__ import annotations

import json
from pathlib import Path as FilePath
from typing import Any

import pytest
from probing_inside import FLOWS, SEEN_FILE

from shadowlab.guest.boot import run_in_guest
from shadowlab.guest.cache import need_kernel
from shadowlab.lab.job import Job
from shadowlab.lab.prepare import watched_interfaces
from shadowlab.model.flow import FlowSpec, Path
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Link, Network, Node
from shadowlab.model.plain import to_plain
from shadowlab.monitor.raw_records import read_probes
from shadowlab.shadow.ops import TimedChange
from shadowlab.shadow.plan import build_plan, link_state_ops
from shadowlab.topology.addressing import address, leaving_of, owners_of
from shadowlab.topology.routing import shortest_routes

pytestmark = pytest.mark.guest

MS = 1_000_000
NEAR_NS = 3_000
MIDDLE = {"r2": (2 * MS, 3 * MS), "r3": (5 * MS, 7 * MS), "r4": (11 * MS, 13 * MS)}
EDGE_NS = 1 * MS
NARROW = "r3"


def fan() -> Network:
    edge = Impairment(delay_ns=EDGE_NS)
    last = Impairment(delay_ns=EDGE_NS, mtu=1400)
    links = [Link(id="a", a="h1", b="r1", forward=edge, backward=edge)]
    for name, (there, back) in MIDDLE.items():
        mtu = 1300 if name == NARROW else 1500
        forward, backward = Impairment(delay_ns=there, mtu=mtu), Impairment(delay_ns=back)
        near = Impairment(delay_ns=EDGE_NS, mtu=mtu)
        links.append(Link(id=f"r1-{name}", a="r1", b=name, forward=forward, backward=near))
        links.append(Link(id=f"{name}-r5", a=name, b="r5", forward=edge, backward=backward))
    links.append(Link(id="b", a="r5", b="h2", forward=last, backward=last))
    kinds = {"h1": "host", "h2": "host"}
    names = ("h1", "r1", "r2", "r3", "r4", "r5", "h2")
    return Network(
        name="fan",
        nodes=tuple(Node(id=name, kind="host" if name in kinds else "router") for name in names),
        links=tuple(links),
        ecmp=True,
        ipv6=True,
    )


NETWORK = fan()
FABRIC = address(NETWORK)


def device(link: str, source: str) -> tuple[str, str]:
    """The node and interface a direction leaves by."""
    (one,) = (one for one in FABRIC.interfaces if one.link == link and one.node == source)
    return one.node, one.name


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder: FilePath = tmp_path_factory.mktemp("probing")
    told = {
        "ops": to_plain(build_plan(NETWORK, FABRIC, shortest_routes(NETWORK, FABRIC))),
        "leaving": {f"{one.node}/{one.name}": f"{one.link}|{one.node}|{one.peer}" for one in FABRIC.interfaces},
        "peers": {f"{one.node}/{one.name}": one.peer_address for one in FABRIC.interfaces},
        "gateways": {},
        "owners": owners_of(FABRIC),
        "books": {"4": FABRIC.node_address, "6": FABRIC.node_address6},
        "lossy": {"there": device("b", "r5"), "back": device("a", "r1")},
    }
    run_in_guest(
        kernel=need_kernel("virtual"),
        entry="probing_inside:run",
        job=json.dumps(told).encode(),
        folder=folder,
        clock="virtual",
        seed=1,
        virtual_deadline_ns=600 * 10**9,
        wall_deadline_s=120,
        memory_bytes=256 << 20,
    )
    results: dict[str, Any] = json.loads((folder / SEEN_FILE).read_text())
    return results


def part(seen: dict[str, Any], name: str) -> Any:
    found = seen[name]
    assert not isinstance(found, str), found
    return found


def taken(hops: list[str]) -> str:
    """The middle node of a way."""
    (middle,) = {hop.split("|")[2] for hop in hops} & set(MIDDLE)
    return middle


@pytest.mark.parametrize(
    ("name", "fidelity"),
    [("udp 4", "same way"), ("udp 6", "same way"), ("tcp 4", "exact identity"), ("tcp 6", "exact identity")],
)
def test_a_probe_takes_the_way_of_its_flow_there_and_back(seen: dict[str, Any], name: str, fidelity: str) -> None:
    parts = part(seen, name)

    middles = set()
    for choices, ways, probes, counts in parts:
        (there,) = (hops for path, hops, _ in ways if path == "h1→h2")
        (back,) = (hops for path, hops, _ in ways if path == "h2→h1")
        middles.add((taken(there), taken(back)))
        there_ns = 3 * EDGE_NS + MIDDLE[taken(there)][0]
        back_ns = 3 * EDGE_NS + MIDDLE[taken(back)][1]
        assert [one["fidelity"] for one in choices] == [fidelity]
        assert (len(probes), counts) == (10, [0, 0, 0])
        for _, _, _, round_trip_ns, one_way_ns in probes:
            assert one_way_ns == pytest.approx(there_ns, abs=NEAR_NS)
            assert round_trip_ns - one_way_ns == pytest.approx(back_ns, abs=NEAR_NS)
    assert len(parts) == FLOWS
    assert len(middles) > 3, "the flows are spread, so it was not by chance"


def test_a_lost_probe_tells_which_way_it_was_lost(seen: dict[str, Any]) -> None:
    there, back = part(seen, "lost there")["probes"], part(seen, "lost back")["probes"]

    assert [one[3:] for one in there] == [[-1, -1]] * 10
    assert [one[3] for one in back] == [-1] * 10
    assert all(one[4] > 3 * EDGE_NS for one in back)


def test_what_a_packet_waits_at_its_sender_lies_between_the_two_stamps(seen: dict[str, Any]) -> None:
    delay_ns, *waits = part(seen, "stamps")

    assert waits == pytest.approx([delay_ns] * 3, abs=NEAR_NS)


@pytest.mark.parametrize("family", ["4", "6"])
def test_packets_find_the_way_that_the_routing_tables_tell(seen: dict[str, Any], family: str) -> None:
    parts = part(seen, f"trace {family}")

    for traced, nodes, agrees in parts:
        middle = nodes[2]
        assert (traced["outcome"], [one["node"] for one in traced["hops"]], agrees) == ("arrived", nodes[1:], True)
        delays = [one["round_trips_ns"] for one in traced["hops"]]
        there, back = (3 * EDGE_NS + MIDDLE[middle][0], 3 * EDGE_NS)
        assert [len(one) for one in delays] == [2] * 4
        assert delays[0] == pytest.approx([2 * EDGE_NS] * 2, abs=NEAR_NS)
        assert traced["there_ns"] == pytest.approx([there] * traced["sent"], abs=NEAR_NS)
        assert min(traced["back_ns"]) > back
        assert (traced["lost_there"], traced["lost_back"], traced["sent"]) == (0, 0, 10)
    assert len({nodes[2] for _, nodes, _ in parts}) == 3, "all ways were taken by some flow"
    assert len(parts) == 2 * FLOWS


def test_black_holes_and_loops_are_told_as_such(seen: dict[str, Any]) -> None:
    ((hole, _, hole_agrees),), ((loop, _, loop_agrees),) = part(seen, "black hole"), part(seen, "loop")

    assert (hole["outcome"], hole["at"], hole_agrees) == ("black hole", hole["hops"][-1]["node"], True)
    assert hole["hops"][-1]["node"] in MIDDLE
    assert "nobody beyond" in hole["why"]
    assert (loop["outcome"], loop["at"], loop_agrees) == ("loop", "r1", True)


@pytest.mark.parametrize("name", ["mtu 4", "mtu 6"])
def test_the_narrowest_link_of_a_way_is_found_and_who_said_so(seen: dict[str, Any], name: str) -> None:
    for mtu, limited_by, told, nodes in part(seen, name):
        narrow = nodes[2] == NARROW
        assert (mtu, limited_by, told) == ((1300, "r1", True) if narrow else (1400, "r5", True))


def test_the_narrowest_link_is_found_where_nobody_says_so(seen: dict[str, Any]) -> None:
    for mtu, limited_by, told, nodes in part(seen, "silent"):
        assert (mtu, limited_by, told) == (1300 if nodes[2] == NARROW else 1400, "", False)


def test_in_a_run_probes_keep_to_their_flow_when_routes_change_and_packets_agree(tmp_path: FilePath) -> None:
    second = 10**9
    plan = build_plan(NETWORK, FABRIC, shortest_routes(NETWORK, FABRIC))
    path = Path(source="h1", target="h2")
    links = NETWORK.links_by_id
    job = Job(
        seed=1,
        duration_ns=4 * second,
        sample_every_ns=second,
        probe_every_ns=50 * MS,
        build=plan,
        addresses=FABRIC.node_address,
        addresses6=FABRIC.node_address6,
        interface_directions=leaving_of(FABRIC),
        owners=owners_of(FABRIC),
        flows=tuple(
            FlowSpec(id=name, source="h1", target="h2", flow_class="paced", rate_bps=200_000, ipv6=ipv6)
            for name, ipv6 in (("four", False), ("six", True))
        ),
        paths=(path,),
        watched=watched_interfaces(plan),
        timeline=tuple(
            TimedChange(at_ns=at * second, reason="dig", ops=link_state_ops(FABRIC, links[f"r1-{name}"], up=False))
            for at, name in ((1, "r2"), (2, "r3"))
        ),
        spreads=True,
    )
    run_in_guest(
        kernel=need_kernel("virtual"),
        entry="shadowlab.lab.inside:run",
        job=job.to_bytes(),
        folder=tmp_path,
        clock="virtual",
        seed=1,
        virtual_deadline_ns=60 * second,
        wall_deadline_s=60,
    )

    report = json.loads((tmp_path / "inside.json").read_text())
    probes = read_probes(tmp_path)
    assert report["error"] == ""
    assert {(one["flow"], one["family"], one["fidelity"]) for one in report["probes"]} == {
        ("four", 4, "same way"),
        ("six", 6, "same way"),
    }
    assert len(report["probes"]) > 2, "another way, another port"
    assert report["witnesses"][-1]["packets"] == ["h1", "r1", "r4", "r5", "h2"]
    assert all(one["agree"] for one in report["witnesses"])
    last = probes[(probes["sent_ns"] > 2.1 * second) & (probes["one_way_ns"] >= 0)]
    assert len(last) > 30
    assert last["one_way_ns"] == pytest.approx([3 * EDGE_NS + MIDDLE["r4"][0]] * len(last), abs=MS)
