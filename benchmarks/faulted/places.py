"""The three topologies and the traffic on them, from a seed.

In: a name, a seed.  Out: a network with its flows.  Never: a fault.

The *dumbbell* is an access tree (servers behind one router, clients behind three), *b4* a backbone of twelve sites and
nineteen links laid out like Google's B4 as published in 2013 (delays are drawn), *fattree* the k = 4 fabric with ECMP.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from shadowlab.model.flow import FlowSpec
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Link, Network, Node

MS, MBIT = 1_000_000, 1_000_000
TRUNK_BPS, ACCESS_BPS = 8 * MBIT, 50 * MBIT
BUFFER_PACKETS = 40
_B4 = "1-2 1-3 2-3 2-5 3-4 3-6 4-5 4-6 4-7 5-6 6-7 6-8 7-8 7-11 8-9 8-10 9-10 10-12 11-12"


@dataclass(frozen=True, kw_only=True)
class Ground:
    """``flows`` are paced TCP connections, two between most pairs that speak, of very different rates."""

    name: str
    network: Network
    flows: tuple[FlowSpec, ...]

    @property
    def trunks(self) -> tuple[Link, ...]:
        """The links between routers."""
        return tuple(one for one in self.network.links if not self.network.is_access(one))


def ground(name: str, seed: int) -> Ground:
    """Raises KeyError for a topology that is none of :data:`TOPOLOGIES`."""
    chance = random.Random(f"ground {name} {seed}")
    links, ecmp, pairs = TOPOLOGIES[name](chance)
    ends = sorted({end for link in links for end in (link.a, link.b)})
    nodes = tuple(Node(id=one, kind="host" if one[0] == "h" else "router") for one in ends)
    network = Network(name=name, nodes=nodes, links=links, ecmp=ecmp)
    return Ground(name=name, network=network, flows=_flows(network, pairs, chance))


def _flows(network: Network, pairs: int, chance: random.Random) -> tuple[FlowSpec, ...]:
    """Every host speaks to somebody; rates are lognormal, so a few flows carry most of the packets."""
    hosts = [one.id for one in network.hosts]
    router = {host: _router_of(network, host) for host in hosts}
    possible = [(a, b) for a in hosts for b in hosts if router[a] != router[b]]
    chance.shuffle(possible)
    first = [next(pair for pair in possible if pair[0] == host) for host in hosts]
    chosen = list(dict.fromkeys([*first, *possible]))[:pairs]
    return tuple(
        FlowSpec(
            id=f"f{number}-{copy}",
            source=source,
            target=target,
            flow_class="paced",
            rate_bps=round(min(500_000, 160_000 * chance.lognormvariate(0, 0.6))),
        )
        for number, (source, target) in enumerate(chosen)
        for copy in range(2)
    )


def _router_of(network: Network, host: str) -> str:
    return next(link.b if link.a == host else link.a for link in network.links if host in (link.a, link.b))


def _trunk(a: str, b: str, delay_ns: float, *, metric: int = 1) -> Link:
    one = Impairment(rate_bps=TRUNK_BPS, delay_ns=round(delay_ns), queue_packets=BUFFER_PACKETS)
    return Link(id=f"{a}-{b}", a=a, b=b, forward=one, backward=one, metric=metric)


def _access(host: str, router: str, chance: random.Random) -> Link:
    one = Impairment(rate_bps=ACCESS_BPS, delay_ns=round(chance.uniform(0.05, 0.5) * MS), queue_packets=100)
    return Link(id=f"{host}-{router}", a=host, b=router, forward=one, backward=one)


Built = tuple[tuple[Link, ...], bool, int]
"""Links, whether flows are spread over equal ways, pairs of hosts that speak."""


def _dumbbell(chance: random.Random) -> Built:
    leaves = [f"leaf{number}" for number in range(3)]
    links = [_trunk("core", "edge", chance.uniform(4, 20) * MS)]
    links += [_trunk("edge", leaf, chance.uniform(1, 5) * MS) for leaf in leaves]
    links += [_access(f"hs{number}", "core", chance) for number in range(3)]
    links += [_access(f"hc{number}", leaves[number // 2], chance) for number in range(6)]
    return tuple(links), False, 14


def _b4(chance: random.Random) -> Built:
    links = []
    for pair in _B4.split():
        a, b = (f"s{number}" for number in pair.split("-"))
        delay = chance.uniform(2, 14) * MS
        links.append(_trunk(a, b, delay, metric=round(delay / (MS / 10))))
    links += [_access(f"h{number}", f"s{number}", chance) for number in range(1, 13)]
    return tuple(links), False, 30


def _fat_tree(chance: random.Random) -> Built:
    links: list[Link] = []
    for pod in range(4):
        for top in range(2):
            ends = [(f"e{pod}{low}", f"a{pod}{top}") for low in range(2)]
            ends += [(f"a{pod}{top}", f"c{2 * top + way}") for way in range(2)]
            links += [_trunk(a, b, chance.uniform(0.2, 0.6) * MS) for a, b in ends]
        links += [_access(f"h{pod}{number}", f"e{pod}{number // 2}", chance) for number in range(4)]
    return tuple(links), True, 36


TOPOLOGIES: Mapping[str, Callable[[random.Random], Built]] = {
    "dumbbell": _dumbbell,
    "b4": _b4,
    "fattree": _fat_tree,
}
