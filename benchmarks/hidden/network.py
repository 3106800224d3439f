"""Hidden networks: three families, whose every parameter follows from the seed.

In: a seed.  Out: the true network, with hosts that no map shows; and the map that is given away, without parameters.

Links are not those of a shadow: rates are held by HTB over the discipline that the seed draws (a tail drop in bytes or
packets, RED, CoDel, FQ-CoDel, PIE), where a calibrated shadow has netem's own rate; buffers count bytes; the two ways
of a link differ; some links drop at random; some have offloads.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Link, Network, Node
from shadowlab.model.queue import FULL_FRAME_BYTES, Codel, Fifo, Pie, Queue, Red

MS = 1_000_000
MBIT = 1_000_000
GHOST = "ghost"
"""Begins the names of hosts that no map shows: their traffic is background."""
NAMEPLATE_BPS, NAMEPLATE_DELAY_NS, NAMEPLATE_PACKETS = 100 * MBIT, 1 * MS, 100
"""What somebody would fill in who knows nothing of a link."""
ACCESS_BPS = 100 * MBIT


@dataclass(frozen=True, kw_only=True)
class Hidden:
    """``network`` is the whole truth, ``family`` one of :data:`FAMILIES`."""

    seed: int
    family: str
    network: Network

    @property
    def hosts(self) -> tuple[str, ...]:
        """Those on the map."""
        return tuple(node.id for node in self.network.hosts if not node.id.startswith(GHOST))

    @property
    def ghosts(self) -> tuple[str, ...]:
        """Those that are not."""
        return tuple(node.id for node in self.network.hosts if node.id.startswith(GHOST))

    def bare_map(self) -> Network:
        """What is given away: nodes, links and metrics; of a link's properties none."""
        return bare(self.network)


def bare(network: Network) -> Network:
    """A map without ghosts and parameters."""
    nodes = tuple(node for node in network.nodes if not node.id.startswith(GHOST))
    kept = {node.id for node in nodes}
    links = tuple(
        replace(link, forward=Impairment(), backward=Impairment(), offload=False)
        for link in network.links
        if link.a in kept and link.b in kept
    )
    return replace(network, nodes=nodes, links=links, name="production")


def nameplate(network: Network) -> Network:
    """The map with the same guess on every link: what is left without any calibration."""
    guess = Impairment(rate_bps=NAMEPLATE_BPS, delay_ns=NAMEPLATE_DELAY_NS, queue_packets=NAMEPLATE_PACKETS)
    return network.with_links(*(replace(link, forward=guess, backward=guess) for link in network.links))


def with_rates(network: Network) -> Network:
    """A map whose links all have a rate: that of the nameplate where none is known."""
    changed = network
    for link in network.links:
        for direction in link.directions:
            one = changed.impairment(direction)
            if one.rate_bps is None:
                known = changed.links_by_id[link.id].with_impairment(direction, replace(one, rate_bps=NAMEPLATE_BPS))
                changed = changed.with_links(known)
    return changed


def hidden(seed: int, family: str = "") -> Hidden:
    """The production of this seed.  Families take turns; ``family`` asks for one of them."""
    name = family or sorted(FAMILIES)[seed % len(FAMILIES)]
    chance = random.Random(f"network {name} {seed}")
    nodes, links, ecmp = FAMILIES[name](chance)
    addressed = tuple(
        replace(node, addresses=(f"198.18.{index // 200}.{index % 200 + 1}",)) if node.kind == "host" else node
        for index, node in enumerate(nodes)
    )
    return Hidden(seed=seed, family=name, network=Network(name="hidden", nodes=addressed, links=links, ecmp=ecmp))


def _queue(chance: random.Random, rate_bps: int, round_trip_ns: int) -> Queue:
    """A buffer of a third to twice the bandwidth-delay product, of a discipline that the seed draws."""
    size = max(8 * FULL_FRAME_BYTES, round(chance.uniform(0.3, 2.0) * rate_bps / 8 * round_trip_ns / 1e9))
    kind = chance.choices(("bfifo", "pfifo", "red", "codel", "fq_codel", "pie"), weights=(4, 3, 1, 1, 1, 1))[0]
    if kind == "bfifo":
        return Fifo(bytes=size)
    if kind == "pfifo":
        return Fifo(packets=max(8, size // FULL_FRAME_BYTES))
    if kind == "red":
        return Red(limit_bytes=2 * size, min_bytes=max(3 * FULL_FRAME_BYTES, size // 4), max_bytes=size, ecn=False)
    if kind == "pie":
        return Pie(ecn=False)
    return Codel(fair=kind == "fq_codel", ecn=False)


def _core(chance: random.Random, rate_bps: int, delay_ns: int, round_trip_ns: int) -> Impairment:
    lossy = chance.random() < 0.15
    return Impairment(
        rate_bps=rate_bps,
        delay_ns=round(delay_ns * chance.uniform(0.95, 1.05)),
        loss=10 ** chance.uniform(-3.5, -2.5) if lossy else 0.0,
        queue=_queue(chance, rate_bps, round_trip_ns),
    )


def _trunk(
    chance: random.Random, a: str, b: str, rate_bps: int, delay_ns: int, round_trip_ns: int, metric: int = 1
) -> Link:
    there, back = (_core(chance, rate_bps, delay_ns, round_trip_ns) for _ in range(2))
    return Link(id=f"{a}-{b}", a=a, b=b, forward=there, backward=back, metric=metric)


def _access(chance: random.Random, host: str, router: str, *, rate_bps: int = ACCESS_BPS) -> Link:
    one = Impairment(rate_bps=rate_bps, delay_ns=round(chance.uniform(0.05, 0.8) * MS), queue_packets=200)
    return Link(id=f"{host}-{router}", a=host, b=router, forward=one, backward=one, offload=chance.random() < 0.3)


def _host(name: str) -> Node:
    return Node(id=name, kind="host")


def _router(name: str) -> Node:
    return Node(id=name, kind="router")


Built = tuple[tuple[Node, ...], tuple[Link, ...], bool]


def _dumbbell(chance: random.Random) -> Built:
    """Servers behind one router, clients behind two or three that hang on another: an access tree."""
    rate = round(chance.uniform(10, 30)) * MBIT
    delay = round(chance.uniform(4, 25) * MS)
    round_trip = 2 * (delay + 6 * MS)
    leaves = chance.randint(2, 3)
    routers = ["core", "edge", *(f"leaf{number}" for number in range(leaves))]
    links = [_trunk(chance, "core", "edge", rate, delay, round_trip)]
    links += [
        _trunk(chance, "edge", f"leaf{number}", round(rate * chance.uniform(0.5, 1.2)),
               round(chance.uniform(1, 5) * MS), round_trip)
        for number in range(leaves)
    ]  # fmt: skip
    servers = [f"s{number}" for number in range(3)]
    clients = [f"c{number}" for number in range(2 * leaves)]
    links += [_access(chance, name, "core") for name in servers]
    links += [_access(chance, name, f"leaf{number // 2}") for number, name in enumerate(clients)]
    ghosts = [f"{GHOST}0", f"{GHOST}1"]
    links += [_access(chance, ghosts[0], "core"), _access(chance, ghosts[1], "leaf0")]
    return (*map(_router, routers), *map(_host, (*servers, *clients, *ghosts))), tuple(links), False


def _backbone(chance: random.Random) -> Built:
    """A ring of six to nine routers with chords, like the backbones of Abilene and B4; a host at most of them."""
    count = chance.randint(6, 9)
    names = [f"r{number}" for number in range(count)]
    pairs = [(number, (number + 1) % count) for number in range(count)]
    while len(pairs) < count + count // 3:
        a, b = sorted(chance.sample(range(count), 2))
        if (a, b) not in pairs and (b, a) not in pairs:
            pairs.append((a, b))
    links = []
    for a, b in pairs:
        delay = round(chance.uniform(2, 14) * MS)
        rate = round(chance.choice((8, 10, 12, 16, 20))) * MBIT
        links.append(_trunk(chance, names[a], names[b], rate, delay, 60 * MS, metric=max(1, delay // (MS // 10))))
    hosts = [f"h{number}" for number in range(count)]
    links += [_access(chance, name, names[number]) for number, name in enumerate(hosts)]
    ghosts = [f"{GHOST}{number}" for number in range(3)]
    links += [_access(chance, name, names[at]) for name, at in zip(ghosts, chance.sample(range(count), 3), strict=True)]
    return (*map(_router, names), *map(_host, (*hosts, *ghosts))), tuple(links), False


def _fat_tree(chance: random.Random) -> Built:
    """k = 4: four pods of two edge and two aggregation routers under four cores, two hosts at each edge; flows are
    spread over equal ways by a hash that is not the shadow's."""
    rate = round(chance.choice((8, 10, 12))) * MBIT
    routers, hosts, links = [f"core{number}" for number in range(4)], [], []

    def trunk(a: str, b: str) -> Link:
        return _trunk(chance, a, b, rate, round(chance.uniform(0.2, 1.0) * MS), 6 * MS)

    for pod in range(4):
        edges, tops = ([f"{kind}{pod}{number}" for number in range(2)] for kind in ("e", "a"))
        routers += [*edges, *tops]
        links += [trunk(edge, top) for edge in edges for top in tops]
        links += [trunk(top, f"core{2 * number + way}") for number, top in enumerate(tops) for way in range(2)]
        for number, edge in enumerate(edges):
            for place in range(2):
                hosts.append(f"h{pod}{number}{place}")
                links.append(_access(chance, hosts[-1], edge))
    ghosts = [f"{GHOST}0", f"{GHOST}1"]
    links += [_access(chance, ghosts[0], "e00"), _access(chance, ghosts[1], "e31")]
    return (*map(_router, routers), *map(_host, (*hosts, *ghosts))), tuple(links), True


FAMILIES: Mapping[str, Callable[[random.Random], Built]] = {
    "dumbbell": _dumbbell,
    "backbone": _backbone,
    "fat-tree": _fat_tree,
}
