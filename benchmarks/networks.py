"""Networks of stated sizes to build and drive: fat-trees, rings, random maps.

In: a size, a seed.  Out: networks whose routers send at 100 Mbit/s with a delay of 1 ms; hosts send unimpaired.
"""

from __future__ import annotations

import dataclasses
import random

from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Link, Network, Node

WIRE = Impairment(delay_ns=1_000_000, rate_bps=100_000_000)


def fat_tree(k: int) -> Network:
    """A fat-tree of k pods: 5k²/4 switches, k³/4 hosts."""
    half = k // 2
    cores = [f"c{index}" for index in range(half * half)]
    nodes = [Node(id=core, kind="router") for core in cores]
    links = []
    for pod in range(k):
        up = [f"a{pod}-{index}" for index in range(half)]
        down = [f"e{pod}-{index}" for index in range(half)]
        nodes += [Node(id=name, kind="router") for name in (*up, *down)]
        for index, switch in enumerate(up):
            links += [joined(switch, edge) for edge in down]
            links += [joined(switch, core) for core in cores[index * half : (index + 1) * half]]
        for edge in down:
            hosts = [f"h{edge[1:]}-{index}" for index in range(half)]
            nodes += [Node(id=host, kind="host") for host in hosts]
            links += [joined(host, edge) for host in hosts]
    return Network(name=f"fat-tree k={k}", nodes=tuple(nodes), links=tuple(links))


def ring(count: int, hosts: int) -> Network:
    """A ring of ``count`` routers with ``hosts`` hosts spread over it."""
    nodes = [Node(id=f"r{index}", kind="router") for index in range(count)]
    links = [joined(f"r{index}", f"r{(index + 1) % count}") for index in range(count)]
    return _with_hosts(f"ring of {count}", nodes, links, hosts)


def random_map(count: int, links: int, hosts: int, seed: int) -> Network:
    """A random connected map: a random tree, then random links up to ``links``."""
    rng = random.Random(seed)
    nodes = [Node(id=f"r{index}", kind="router") for index in range(count)]
    pairs = {(rng.randrange(index), index) for index in range(1, count)}
    while len(pairs) < links:
        a, b = sorted(rng.sample(range(count), 2))
        pairs.add((a, b))
    return _with_hosts(f"random map of {count}", nodes, [joined(f"r{a}", f"r{b}") for a, b in sorted(pairs)], hosts)


def _with_hosts(name: str, nodes: list[Node], links: list[Link], hosts: int) -> Network:
    step = len(nodes) // hosts
    for index in range(hosts):
        nodes.append(Node(id=f"h{index}", kind="host"))
        links.append(joined(f"h{index}", f"r{index * step}"))
    return Network(name=f"{name}, {hosts} hosts", nodes=tuple(nodes), links=tuple(links))


def joined(a: str, b: str) -> Link:
    """A link from ``a``, which may be a host, to the router ``b``."""
    link = Link(id=f"{a}={b}", a=a, b=b, forward=WIRE, backward=WIRE)
    return dataclasses.replace(link, forward=Impairment()) if a.startswith("h") else link
