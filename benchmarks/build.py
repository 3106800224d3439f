"""Build and tear down networks, ours beside ``ip -batch``, pyroute2 and Mininet, in the same run on this machine.

Every peer makes the same objects in a private network namespace: namespaces, veth pairs, addresses, links up, routes.
Every peer makes the same objects in a private network namespace: namespaces, veth pairs, addresses, links, routes.
Debian's package is installed; it makes its own addresses and no routes, so its ratio flatters it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import report
from benchmarks.networks import fat_tree, random_map, ring
from shadowlab.kernel.linux import LinuxSegment
from shadowlab.kernel.netns import enter_private_segment
from shadowlab.model.network import Network
from shadowlab.shadow.apply import apply
from shadowlab.shadow.ops import CreateLink, CreateNode, ImpairEgress, ImpairIngress, Op, SetLinkState, SetRoute
from shadowlab.shadow.plan import build_plan
from shadowlab.topology.addressing import address
from shadowlab.topology.routing import shortest_routes

SMALL = (fat_tree(4), fat_tree(8))
LARGE = (ring(1000, 10), random_map(1000, 2000, 10, seed=1))
REPEATS = 5


def plan(network: Network) -> tuple[Op, ...]:
    """The operations, impairments left out."""
    fabric = address(network)
    ops = build_plan(network, fabric, shortest_routes(network, fabric))
    return tuple(op for op in ops if not isinstance(op, ImpairEgress | ImpairIngress))


def ours(ops: Sequence[Op]) -> tuple[float, float]:
    """Seconds to build and to tear down."""
    segment = LinuxSegment()
    begin = time.monotonic()
    with segment:
        apply(ops, segment)
        built = time.monotonic()
    return built - begin, time.monotonic() - built


def ip_batch(ops: Sequence[Op]) -> tuple[float, float]:
    """The same objects through iproute2's batch mode, one process per namespace after the links."""
    os.makedirs("/run/netns", exist_ok=True)
    nodes = [op.node for op in ops if isinstance(op, CreateNode)]
    first = [f"netns add {node}" for node in nodes]
    inside: dict[str, list[str]] = {node: ["link set lo up"] for node in nodes}
    for op in ops:
        if isinstance(op, CreateNode):
            inside[op.node].append(f"addr add {op.address}/32 dev lo")
        elif isinstance(op, CreateLink):
            first.append(f"link add {op.name_a} netns {op.node_a} type veth peer name {op.name_b} netns {op.node_b}")
            inside[op.node_a].append(f"addr add {op.address_a}/{op.prefix} dev {op.name_a}")
            inside[op.node_b].append(f"addr add {op.address_b}/{op.prefix} dev {op.name_b}")
        elif isinstance(op, SetLinkState):
            inside[op.node_a].append(f"link set {op.name_a} up")
            inside[op.node_b].append(f"link set {op.name_b} up")
        elif isinstance(op, SetRoute):
            inside[op.node].append(f"route replace {op.destination}/{op.prefix} via {op.via} dev {op.interface}")
    begin = time.monotonic()
    _ip(first)
    for node, lines in inside.items():
        _ip(lines, node)
    built = time.monotonic()
    _ip([f"netns del {node}" for node in nodes])
    return built - begin, time.monotonic() - built


def _ip(lines: list[str], node: str = "") -> None:
    where = ["-n", node] if node else []
    subprocess.run(["ip", *where, "-batch", "-"], input="\n".join(lines), text=True, check=True, stderr=subprocess.PIPE)


def pyroute2(ops: Sequence[Op]) -> tuple[float, float]:
    """The same objects through pyroute2, a socket per namespace."""
    from pyroute2 import IPRoute
    from pyroute2 import netns as names

    begin = time.monotonic()
    sockets = {}
    for op in ops:
        if isinstance(op, CreateNode):
            names.create(op.node)
            sockets[op.node] = IPRoute(netns=op.node, flags=0)
            sockets[op.node].link("set", index=1, state="up")
            sockets[op.node].addr("add", index=1, address=op.address, prefixlen=32)
        elif isinstance(op, CreateLink):
            peer = {"ifname": op.name_b, "net_ns_fd": op.node_b}
            sockets[op.node_a].link("add", ifname=op.name_a, kind="veth", peer=peer)
            for node, name, own in ((op.node_a, op.name_a, op.address_a), (op.node_b, op.name_b, op.address_b)):
                index = sockets[node].link_lookup(ifname=name)[0]
                sockets[node].addr("add", index=index, address=own, prefixlen=op.prefix)
        elif isinstance(op, SetLinkState):
            for node, name in ((op.node_a, op.name_a), (op.node_b, op.name_b)):
                sockets[node].link("set", index=sockets[node].link_lookup(ifname=name)[0], state="up")
        elif isinstance(op, SetRoute):
            index = sockets[op.node].link_lookup(ifname=op.interface)[0]
            sockets[op.node].route("replace", dst=f"{op.destination}/{op.prefix}", gateway=op.via, oif=index)
    built = time.monotonic()
    for node, one in sockets.items():
        one.close()
        names.remove(node)
    return built - begin, time.monotonic() - built


MININET = """
import sys, time
from mininet.net import Mininet
from mininet.node import Node
class Router(Node): pass
links = [line.split() for line in sys.stdin]
begin = time.monotonic()
net = Mininet(controller=None, build=False, autoSetMacs=False, waitConnected=False)
nodes = {}
for a, b in links:
    for one in (a, b):
        if one not in nodes: nodes[one] = net.addHost(one, cls=Router, ip=None)
for a, b in links: net.addLink(nodes[a], nodes[b])
net.build()
built = time.monotonic()
net.stop()
print(built - begin, time.monotonic() - built)
"""


def mininet(ops: Sequence[Op]) -> tuple[float, float]:
    """Nodes and links by Mininet; names shortened, since it puts them into interface names."""
    short = {op.node: f"n{index}" for index, op in enumerate(one for one in ops if isinstance(one, CreateNode))}
    lines = [f"{short[op.node_a]} {short[op.node_b]}" for op in ops if isinstance(op, CreateLink)]
    done = subprocess.run(["/usr/bin/python3", "-c", MININET], input="\n".join(lines), text=True, check=True,
                          capture_output=True)  # fmt: skip
    build, down = done.stdout.split()
    return float(build), float(down)


PEERS: dict[str, Callable[[Sequence[Op]], tuple[float, float]]] = {
    "ours": ours, "ip -batch": ip_batch, "pyroute2": pyroute2, "mininet": mininet,
}  # fmt: skip


def _measure(peer: str, network: int, large: bool) -> tuple[float, float]:
    """One measurement in a process and a private segment of its own."""
    done = subprocess.run([sys.executable, "-m", __spec__.name, peer, str(network), str(int(large))], text=True,
                          check=True, capture_output=True, cwd=Path(__file__).parents[1])  # fmt: skip
    build, down = done.stdout.split()[-2:]
    return float(build), float(down)


def _child(peer: str, network: int, large: bool) -> None:
    enter_private_segment()
    with tempfile.TemporaryDirectory():
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
        print(*PEERS[peer](plan((LARGE if large else SMALL)[network])))


def main() -> None:
    """One line per network and peer; ratios against ours."""
    if len(sys.argv) == 4:
        _child(sys.argv[1], int(sys.argv[2]), sys.argv[3] == "1")
        return
    present = [peer for peer in PEERS if peer != "mininet" or Path("/usr/lib/python3/dist-packages/mininet").is_dir()]
    for large, networks in ((False, SMALL), (True, LARGE)):
        for number, network in enumerate(networks):
            mine = 0.0
            for peer in present:
                if large and peer in ("mininet", "pyroute2"):
                    continue  # a minute and more, for a ratio that the smaller networks give as well
                repeats = 1 if large and peer != "ours" else REPEATS if peer == "ours" else 2
                runs = [_measure(peer, number, large) for _ in range(repeats)]
                builds = sorted(build for build, _ in runs)
                median = builds[len(builds) // 2]
                mine = mine or median
                report(benchmark=f"build {network.name}", unit="s", values=builds, by=peer,
                       nodes=len(network.nodes), links=len(network.links),
                       teardown_s=round(sorted(down for _, down in runs)[len(runs) // 2], 4),
                       times_ours=round(median / mine, 1))  # fmt: skip


if __name__ == "__main__":
    main()
