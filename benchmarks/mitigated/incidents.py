"""Incidents of three classes in hidden networks, and what somebody outside knows of them.

In: a seed, a class, a family.  Out: production with the incident in it and its traffic; the copy that a shadow is made
of, with the errors a calibration has; distortions of what is known.
Never: a figure of production in the copy but through an error drawn for it.

1. A trunk with redundancy loses packets.  2. A trunk lost capacity.  3. All trunks of one router lose packets: a rack.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Literal

from benchmarks.hidden.network import GHOST, Hidden, bare, hidden
from benchmarks.hidden.workload import Traffic
from shadowlab.model.flow import FlowSpec
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Network
from shadowlab.model.queue import FULL_FRAME_BYTES
from shadowlab.model.traffic.distribution import Distribution
from shadowlab.model.traffic.workload import Arrivals, Datagrams, Transfers
from shadowlab.topology.routing import intended_way, reachable

Class = Literal["loss", "capacity", "rack"]
CLASSES: tuple[Class, ...] = ("loss", "capacity", "rack")
FAMILIES = ("backbone", "fat-tree")
WEB = "web"
"""The workload whose completion times are what everybody wants to be short."""
LOAD = 0.5
WEB_BYTES = 20e3
RATE_ERROR, DELAY_ERROR, DEMAND_ERROR, ESTIMATE_ERROR = 0.03, 0.02, 0.05, 0.2
"""Standard deviations, relative: of a calibrated link's rate and delay, of a demand, of the loss or rate that a fault
was estimated to have."""


@dataclass(frozen=True, kw_only=True)
class Incident:
    """``links`` broke by ``amount``: a loss, or the share of the rate that is left."""

    seed: int
    kind: Class
    links: tuple[str, ...]
    amount: float

    def applied(self, network: Network) -> Network:
        """The network with it, both ways."""
        changed = []
        for name in self.links:
            link = network.links_by_id[name]
            for direction in link.directions:
                link = link.with_impairment(direction, self._broken(link.impairment(direction)))
            changed.append(link)
        return network.with_links(*changed)

    def _broken(self, one: Impairment) -> Impairment:
        if self.kind != "capacity":
            return one.with_loss(self.amount)
        return replace(one, rate_bps=max(1, round((one.rate_bps or 0) * self.amount)))


@dataclass(frozen=True, kw_only=True)
class Case:
    """``known`` is the copy's incident, where and how bad it is thought to be; ``copy`` has none in it."""

    production: Hidden
    traffic: Traffic
    incident: Incident
    copy: Network
    copied: Traffic
    known: Incident

    @property
    def name(self) -> str:
        return f"{self.incident.kind} {self.production.family} {self.incident.seed}"


def case(seed: int, kind: Class, family: str) -> Case:
    """Everything follows from the seed."""
    production = hidden(seed, family)
    chance = random.Random(f"mitigated {seed} {kind} {family}")
    traffic = _traffic(production, chance)
    incident = _incident(seed, kind, production, chance)
    error = chance.gauss(0, ESTIMATE_ERROR)
    known = replace(incident, amount=min(0.95, incident.amount * max(0.3, 1 + error * (kind != "capacity"))))
    return Case(
        production=production,
        traffic=traffic,
        incident=incident,
        copy=_copy(production.network, chance),
        copied=_copied(traffic, chance, DEMAND_ERROR),
        known=known,
    )


def distorted(one: Case) -> Mapping[str, Case]:
    """The same incident, known less well."""
    chance = random.Random(f"distorted {one.name}")
    trunks = _trunks(one.production.network)
    ends = {end for name in one.known.links for end in name.split("-")}
    near = [name for name in trunks if ends & set(name.split("-")) and name not in one.known.links]
    return {
        "wrong localisation": replace(one, known=replace(one.known, links=(chance.choice(near or trunks),))),
        "loss off by 3": replace(one, known=replace(one.known, amount=_off(one.known, chance.choice((1 / 3, 3.0))))),
        "demand off by 30 %": replace(one, copied=one.copied.grown(chance.choice((0.7, 1.3)))),
        "telemetry five minutes old": replace(one, copied=_copied(one.traffic, chance, 0.25)),
    }


def _off(known: Incident, factor: float) -> float:
    """A rate that is left is off in what is missing of it."""
    return min(0.5, known.amount * factor) if known.kind != "capacity" else min(0.9, known.amount * factor**0.5)


def _incident(seed: int, kind: Class, production: Hidden, chance: random.Random) -> Incident:
    network = production.network
    crossing: Counter[str] = Counter()
    for a, b in permutations(production.hosts, 2):
        crossing.update(one.link for one in intended_way(network, a, b).directions)
    busy = [name for name, _ in sorted(crossing.items(), key=lambda one: (-one[1], one[0])) if name in _trunks(network)]
    redundant = [name for name in busy if _has_other_way(production, name)]
    if kind == "rack":
        racks = sorted({end for name in busy for end in name.split("-") if _hosts_of(network, end)})
        rack = chance.choice(racks)
        links = tuple(name for name in _trunks(network) if rack in name.split("-"))
        return Incident(seed=seed, kind=kind, links=links, amount=10 ** chance.uniform(-2.5, -1.2))
    link = chance.choice(redundant[: max(1, len(redundant) // 2)])
    amount = chance.uniform(0.2, 0.6) if kind == "capacity" else 10 ** chance.uniform(-3.0, -1.0)
    return Incident(seed=seed, kind=kind, links=(link,), amount=amount)


def _trunks(network: Network) -> list[str]:
    return [link.id for link in network.links if not network.is_access(link)]


def _hosts_of(network: Network, router: str) -> list[str]:
    return [link.a for link in network.links if link.b == router and network.nodes_by_id[link.a].kind == "host"]


def _has_other_way(production: Hidden, name: str) -> bool:
    link = production.network.links_by_id[name]
    return reachable(production.network, link.a, link.b, avoid=frozenset((name,)))


def _traffic(production: Hidden, chance: random.Random) -> Traffic:
    """Short transfers between all hosts, a few long ones, streams of what no map shows."""
    hosts = tuple(sorted(production.hosts))
    web = Transfers(
        name=WEB,
        sources=hosts,
        targets=hosts,
        size=Distribution(family="lognormal", parameters=(WEB_BYTES, 1.0)),
        arrivals=Arrivals(process="poisson", rate_per_s=1.0),
    )
    carried: Counter[str] = Counter()
    for a, b in permutations(hosts, 2):
        for direction in intended_way(production.network, a, b).directions:
            carried[str(direction)] += 1
    rates = {
        str(direction): link.impairment(direction).rate_bps or 10**9
        for link in production.network.links
        for direction in link.directions
    }
    pairs = len(hosts) * (len(hosts) - 1)
    worst = max(count / pairs * web.size.mean() * 8 / rates[name] for name, count in carried.items())
    web = replace(web, arrivals=replace(web.arrivals, rate_per_s=LOAD / worst))
    ends = chance.sample(hosts, 4)
    bulk = tuple(
        FlowSpec(id=f"bulk{number}", source=a, target=b, flow_class="greedy")
        for number, (a, b) in enumerate((ends[:2], ends[2:]))
    )
    ghosts = production.ghosts
    some = Distribution(family="exponential", parameters=(400e6,))
    noise = Datagrams(name="noise", source=ghosts[0], target=ghosts[1], rate_bps=1_000_000, on_ns=some, off_ns=some)
    return Traffic(flows=bulk, workloads=(web, noise))


def _copied(traffic: Traffic, chance: random.Random, error: float) -> Traffic:
    """What is known of it: nothing of the unseen."""
    seen = Traffic(
        flows=traffic.flows, workloads=tuple(one for one in traffic.workloads if not isinstance(one, Datagrams))
    )
    return seen.grown(max(0.3, 1 + chance.gauss(0, error)))


def _copy(network: Network, chance: random.Random) -> Network:
    """Links as a calibration tells them: a rate, a delay, a tail drop in packets; what was lost before is not known."""
    links = []
    for link in bare(network).links:
        true = network.links_by_id[link.id]
        for direction in link.directions:
            one = true.impairment(direction)
            rate = round((one.rate_bps or 0) * max(0.8, 1 + chance.gauss(0, RATE_ERROR)))
            size = getattr(one.queue, "bytes", None) or getattr(one.queue, "max_bytes", None)
            packets = max(8, size // FULL_FRAME_BYTES) if size else getattr(one.queue, "packets", None) or 50
            delay = round(one.delay_ns * max(0.8, 1 + chance.gauss(0, DELAY_ERROR)))
            link = link.with_impairment(direction, Impairment(rate_bps=rate, delay_ns=delay, queue_packets=packets))
        links.append(link)
    return replace(bare(network), links=tuple(links))


def is_ghost(node: str) -> bool:
    """Whether no map shows it."""
    return node.startswith(GHOST)
