"""One plan for a whole network becomes a plan for each host that carries a part of it.

In: the operations that build the network, the host of each node.  Out: for each host its operations, and the wires that
join the hosts.  Never: an address, a route or an impairment other than those of the network on one host.

A link whose ends live on two hosts becomes, on each, a veth pair from its node to a *wire*: a bridge in a namespace of
its own, which only passes on.  Each wire has the end of a tunnel as its other port.  Impairments stay where they were,
at the node's interface: the underlay's delay comes on top.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from shadowlab.model.network import Link, Network, Node
from shadowlab.shadow.ops import CreateLink, CreateNode, Op, SetLinkState, SetNeighbour

WIRE = "wire-"
"""Begins the name of a wire's node; the link's number in the map follows."""
_PORT = "to-node"


@dataclass(frozen=True, kw_only=True)
class Wire:
    """A link between hosts.  ``number`` tells it from the others of the network; ``hosts`` are those of its ends."""

    link: str
    number: int
    node: str
    hosts: tuple[str, str]
    mtu: int


@dataclass(frozen=True, kw_only=True)
class Spread:
    """``ops`` and ``networks`` by host: what is built there, and that as a network."""

    ops: Mapping[str, tuple[Op, ...]]
    networks: Mapping[str, Network]
    wires: tuple[Wire, ...]


def spread(network: Network, ops: Sequence[Op], place: Mapping[str, str]) -> Spread:
    """Raises ValueError for a node of the map that has a wire's name."""
    hosts = list(dict.fromkeys(place.values()))
    wires = {
        link.id: Wire(
            link=link.id, number=number, node=f"{WIRE}{number}", hosts=(place[link.a], place[link.b]), mtu=link.mtu
        )
        for number, link in enumerate(network.links)
        if place[link.a] != place[link.b]
    }
    taken = sorted(one.node for one in wires.values() if one.node in place)
    if taken:
        raise ValueError(f"node {taken[0]}: a lab over several hosts needs names that begin with {WIRE!r} for itself")
    found: dict[str, list[Op]] = {host: [] for host in hosts}
    for wire in wires.values():
        for host in wire.hosts:
            found[host].append(CreateNode(node=wire.node, address="", forwards=False, ipv6=network.ipv6))
    for op in ops:
        match op:
            case CreateLink() if op.link in wires:
                for mine in (op, _turned(op)):
                    found[place[mine.node_a]] += _stub(mine, wires[op.link])
            case SetLinkState() if op.link in wires:
                for node, name in ((op.node_a, op.name_a), (op.node_b, op.name_b)):
                    stub = replace(op, node_a=node, name_a=name, node_b=wires[op.link].node, name_b=_PORT)
                    found[place[node]].append(stub)
            case CreateLink() | SetLinkState():
                found[place[op.node_a]].append(op)
            case _:
                found[place[op.node]].append(op)  # type: ignore[union-attr]  # a plan changes nodes, not programs
    return Spread(
        ops={host: tuple(some) for host, some in found.items()},
        networks={host: _part(network, host, place, wires) for host in hosts},
        wires=tuple(wires.values()),
    )


def _turned(op: CreateLink) -> CreateLink:
    return replace(
        op,
        node_a=op.node_b,
        name_a=op.name_b,
        address_a=op.address_b,
        mac_a=op.mac_b,
        node_b=op.node_a,
        name_b=op.name_a,
        address_b=op.address_a,
        mac_b=op.mac_a,
        address6_a=op.address6_b,
        address6_b=op.address6_a,
    )


def _stub(op: CreateLink, wire: Wire) -> list[Op]:
    """The link from ``node_a`` to its wire, and who is at the other end of that."""
    # Not the far end's own address: a bridge keeps frames to an address that a port of it has.
    mac = f"02:57:{zlib.crc32(f'{op.link} {op.node_a}'.encode()):08x}"
    mac = mac[:6] + ":".join(mac[6 + step : 8 + step] for step in range(0, 8, 2))
    stub = replace(op, node_b=wire.node, name_b=_PORT, address_b="", address6_b="", mac_b=mac)
    known = [
        SetNeighbour(node=op.node_a, interface=op.name_a, address=address, mac=op.mac_b)
        for address in (op.address_b, op.address6_b)
        if address
    ]
    return [stub, *known]


def _part(network: Network, host: str, place: Mapping[str, str], wires: Mapping[str, Wire]) -> Network:
    nodes = [node for node in network.nodes if place[node.id] == host]
    nodes += [Node(id=one.node, kind="segment") for one in wires.values() if host in one.hosts]
    links: list[Link] = []
    for link in network.links:
        wire = wires.get(link.id)
        if wire is None:
            links += [link] * (place[link.a] == host)
        elif place[link.a] == host:
            links.append(replace(link, b=wire.node))
        elif place[link.b] == host:
            links.append(replace(link, a=wire.node))
    return replace(
        network,
        name=f"{network.name}@{host}",
        nodes=tuple(nodes),
        links=tuple(links),
        groups={},
        derived=(),
        static_routes=(),
        source_routes=(),
        demands=type(network.demands)(),
    )
