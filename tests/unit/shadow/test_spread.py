"""One plan becomes a plan for each host."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from shadowlab.lab.live.lab import wanted_shape
from shadowlab.model.network import Network
from shadowlab.shadow.diff import diff
from shadowlab.shadow.ops import CreateLink, CreateNode, Op, SetLinkState, SetNeighbour
from shadowlab.shadow.shape import EMPTY, shape_of
from shadowlab.shadow.spread import WIRE, Spread, spread
from shadowlab.topology.formats import load_map
from shadowlab.topology.partition import partition

ABILENE = Path(__file__).parents[3] / "topologies" / "abilene.yaml"


def whole() -> tuple[Network, tuple[Op, ...]]:
    network = load_map(ABILENE)
    return network, tuple(change.op for change in diff(EMPTY, wanted_shape(network, EMPTY)))


def parted(hosts: int) -> tuple[Network, tuple[Op, ...], Spread, dict[str, str]]:
    network, ops = whole()
    found = partition(network, {f"h{number}": 1.0 for number in range(hosts)})
    return network, ops, spread(network, ops, found.place), dict(found.place)


@pytest.mark.parametrize("hosts", [1, 2, 4])
def test_all_that_is_of_a_node_is_on_its_host_and_there_alone(hosts: int) -> None:
    _, ops, found, place = parted(hosts)

    for op in ops:
        if not isinstance(op, CreateLink | SetLinkState):
            assert [host for host, some in found.ops.items() if op in some] == [place[op.node]]  # type: ignore[union-attr]


def test_a_cut_link_ends_at_a_wire_on_both_hosts_and_its_ends_know_each_other() -> None:
    _, ops, found, _ = parted(2)

    assert found.wires
    for wire in found.wires:
        (old,) = (op for op in ops if isinstance(op, CreateLink) and op.link == wire.link)
        ends = {(old.node_a, old.address_a): (old.address_b, old.mac_b)}
        ends[old.node_b, old.address_b] = (old.address_a, old.mac_a)
        for host in wire.hosts:
            some = found.ops[host]
            (stub,) = (op for op in some if isinstance(op, CreateLink) and op.link == wire.link)
            told = [(op.address, op.mac) for op in some if isinstance(op, SetNeighbour) and op.node == stub.node_a]
            far, mac = ends[stub.node_a, stub.address_a]
            assert (stub.node_b, stub.address_b) == (wire.node, "")
            assert (far, mac) in told
            assert stub.mac_b != mac
            assert [op.bridges for op in some if isinstance(op, CreateNode) and op.node == wire.node] == [True]


def test_a_part_is_a_shape_that_comes_out_of_its_own_plan_again() -> None:
    _, _, found, _ = parted(3)

    for host, ops in found.ops.items():
        shape = shape_of(ops)
        again = tuple(change.op for change in diff(EMPTY, shape))

        assert shape_of(again) == shape
        assert {node.id for node in found.networks[host].nodes} == set(shape.nodes)
        assert {link.id for link in found.networks[host].links} == set(shape.links)


def test_a_map_with_a_name_of_ours_is_refused() -> None:
    network, ops = whole()
    place = dict(partition(network, {"a": 1, "b": 1}).place)
    number = next(index for index, link in enumerate(network.links) if place[link.a] != place[link.b])
    old = network.nodes[0].id
    renamed = replace(network.nodes[0], id=f"{WIRE}{number}")

    with pytest.raises(ValueError, match="names that begin with 'wire-'"):
        spread(network, ops, {(renamed.id if node == old else node): host for node, host in place.items()} | place)
