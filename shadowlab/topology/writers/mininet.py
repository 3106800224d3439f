"""A Mininet script.

In: a network.  Out: a Python program that builds it with our addresses and routes, and what it leaves out.

Routers are hosts that forward, LANs are bridges, links are Mininet's ``TCLink``.  Mininet shapes at the sender, on
instances too, and counts no framing, so its figures differ from ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

from shadowlab.model.fabric import Fabric
from shadowlab.model.impairment import DEFAULT_QUEUE_PACKETS, Impairment
from shadowlab.model.network import Direction, Network
from shadowlab.topology.addressing import address
from shadowlab.topology.routing import shortest_routes
from shadowlab.topology.writers.quantities import beyond_links, plain_quantities

_HEAD = '''#!/usr/bin/env python3
"""%(name)s, as Mininet builds it.  Run as root: python3 FILE"""

from mininet.cli import CLI
from mininet.link import TCLink
from mininet.log import setLogLevel
from mininet.net import Mininet
from mininet.node import Node, OVSBridge

'''
_FOOT = """

def build():
    net = Mininet(controller=None, link=TCLink, switch=OVSBridge)
    nodes = {}
    for name, (label, kind) in NODES.items():
        if kind == "segment":
            nodes[name] = net.addSwitch(label)
        else:
            nodes[name] = net.addHost(label, cls=Node, ip=None)
    for a, b, port_a, port_b, there, back in LINKS:
        net.addLink(nodes[a], nodes[b], intfName1=port_a, intfName2=port_b, params1=there, params2=back)
    net.start()
    for name, commands in SETTINGS.items():
        for command in commands:
            said = nodes[name].cmd(command)
            if said:
                raise SystemExit(f"{name}: {command}: {said}")
    return net


if __name__ == "__main__":
    setLogLevel("info")
    net = build()
    try:
        CLI(net)
    finally:
        net.stop()
"""


def write_mininet(network: Network) -> tuple[str, list[str]]:
    """The program, and a line for each thing that it leaves out."""
    left_out = beyond_links(network)
    if network.ipv6:
        left_out.append("IPv6")
    fabric = address(network)
    names = _short_names(network)
    ports = {one.direction: f"{names[one.node]}-{number}" for number, one in enumerate(fabric.interfaces)}
    lines = ["NODES = {"]
    lines += [f"    {node.id!r}: ({names[node.id]!r}, {node.kind!r})," for node in network.nodes]
    lines += ["}", "LINKS = ["]
    for link in network.links:
        plain_quantities(link, left_out)
        there, back = link.directions
        ways = f"{_parameters(link.forward)!r}, {_parameters(link.backward)!r}"
        lines.append(f"    ({link.a!r}, {link.b!r}, {ports[there]!r}, {ports[back]!r}, {ways}),")
    lines += ["]", "SETTINGS = {"]
    for name, commands in _settings(network, fabric, ports):
        lines += [f"    {name!r}: ["] + [f"        {command!r}," for command in commands] + ["    ],"]
    left_out = [one for one in left_out if "what differs from" not in one]
    return (_HEAD % {"name": network.name}).lstrip("\n") + "\n".join([*lines, "}"]) + _FOOT, left_out


def _short_names(network: Network) -> dict[str, str]:
    """Mininet names interfaces after nodes, and Linux gives an interface 15 characters."""
    letters = {"host": "h", "router": "r", "segment": "s"}
    counters = {kind: count(1) for kind in letters}
    return {node.id: f"{letters[node.kind]}{next(counters[node.kind])}" for node in network.nodes}


def _parameters(one: Impairment) -> dict[str, Any]:
    """The arguments of ``TCIntf.config``: Mbit/s, times as text, loss in per cent."""
    found: dict[str, Any] = {}
    if one.rate_bps is not None:
        found["bw"] = one.rate_bps / 1e6
    if one.delay_ns:
        found["delay"] = f"{one.delay_ns / 1e3:.10g}us"
    if one.jitter_ns:
        found["jitter"] = f"{one.jitter_ns / 1e3:.10g}us"
    if one.loss:
        found["loss"] = one.loss * 100
    if one.rate_bps is not None or one.queue_packets != DEFAULT_QUEUE_PACKETS:
        found["max_queue_size"] = one.limit_packets()
    return found


def _settings(network: Network, fabric: Fabric, ports: Mapping[Direction, str]) -> Iterator[tuple[str, list[str]]]:
    routes: dict[str, list[str]] = {}
    names = {(one.node, one.name): ports[one.direction] for one in fabric.interfaces}
    for route in shortest_routes(network, fabric, partial=True):
        if ":" in route.destination or not route.via or route.source:
            continue
        words = f"ip route add {route.destination}/{route.prefix} via {route.via} src {fabric.node_address[route.node]}"
        routes.setdefault(route.node, []).append(f"{words} dev {names[route.node, route.interface]}")
    for node in network.nodes:
        if node.kind == "segment":
            continue
        commands = [f"ip addr add {fabric.node_address[node.id]}/32 dev lo", "ip link set lo up"]
        commands += [
            f"ip addr add {one.address}/{one.prefix} dev {ports[one.direction]}"
            for one in fabric.by_node.get(node.id, ())
        ]
        if node.kind == "router":
            commands.append("sysctl -qw net.ipv4.ip_forward=1")
        yield node.id, commands + routes.get(node.id, [])
