"""The shipped map, resolved: addresses, interfaces and routes stay as they are.

To accept a change on purpose: ``SHADOWLAB_ACCEPT=1 pytest tests/golden``, then read the difference.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from shadowlab.model.network import Network
from shadowlab.topology.addressing import address
from shadowlab.topology.formats import load_map
from shadowlab.topology.routing import path_directions, separated_hosts, shortest_routes

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).with_name("abilene.json")


@pytest.fixture(scope="module")
def abilene() -> Network:
    return load_map(ROOT / "topologies" / "abilene.yaml")


def test_addresses_and_routes_are_those_agreed_on(abilene: Network) -> None:
    fabric = address(abilene)
    resolved = {
        "nodes": dict(fabric.node_address),
        "interfaces": [f"{i.node} {i.name} {i.address}/{i.prefix} {i.mac} link {i.link}" for i in fabric.interfaces],
        "routes": [
            f"{r.node} {r.destination}/{r.prefix} via {r.via} dev {r.interface}"
            for r in shortest_routes(abilene, fabric)
        ],
    }

    text = json.dumps(resolved, indent=1) + "\n"

    if os.environ.get("SHADOWLAB_ACCEPT"):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


def test_it_is_the_backbone_of_history(abilene: Network) -> None:
    trunks = [link for link in abilene.links if not abilene.is_access(link)]

    assert len([node for node in abilene.nodes if node.kind == "router"]) == 11
    assert len(trunks) == 14
    assert {link.forward.rate_bps * abilene.rate_scale for link in trunks if link.forward.rate_bps} == {10e9}


def test_every_router_has_an_instance_and_every_instance_a_production_address(abilene: Network) -> None:
    attached = Counter(link.b for link in abilene.links if abilene.is_access(link))

    assert len(abilene.hosts) == 14
    assert set(attached) == {node.id for node in abilene.nodes if node.kind == "router"}
    assert all(host.addresses for host in abilene.hosts)
    assert separated_hosts(abilene) is None
    assert abilene.derived == ()


def test_no_single_trunk_is_the_only_way(abilene: Network) -> None:
    for link in abilene.links:
        if not abilene.is_access(link):
            assert separated_hosts(abilene, avoid=frozenset({link.id})) is None, link.id


def test_coast_to_coast(abilene: Network) -> None:
    path = path_directions(abilene, "web-sea", "cdn-nyc")

    assert " ".join(map(str, path)) == "web-sea>sea sea>den den>kan kan>ind ind>chi chi>nyc nyc>cdn-nyc"
    assert sum(abilene.impairment(one).delay_ns for one in path) == 23_800_000
