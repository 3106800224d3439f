"""What hidden production carries: elastic flows, paced ones, short transfers, requests, and traffic nobody sees.

In: a hidden network, a load.  Out: flows and workloads.

The load is what is *not* elastic: the busiest direction carries that share of its rate in paced flows, short transfers,
answers and background together.  Beside it some flows take what is left.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from benchmarks.hidden.network import MBIT, MS, Hidden
from shadowlab.model.flow import FlowSpec
from shadowlab.model.network import Direction, Network
from shadowlab.model.traffic.distribution import Distribution, constant
from shadowlab.model.traffic.tcp_options import TcpOptions
from shadowlab.model.traffic.workload import Arrivals, Datagrams, Requests, Transfers, Workload
from shadowlab.topology.routing import intended_way

SHARES = {"paced": 0.45, "short": 0.3, "answers": 0.15, "background": 0.1}
"""Of the load."""
_HEADERS = 1.06
"""Bytes on a wire for a byte of payload."""


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """``flows`` last as long as the run; no pair of nodes has two of them."""

    flows: tuple[FlowSpec, ...]
    workloads: tuple[Workload, ...]

    def grown(self, factor: float) -> Traffic:
        """More of it: paced flows faster, arrivals more frequent; elastic flows take what they get."""
        return Traffic(
            flows=tuple(
                replace(one, rate_bps=round(one.rate_bps * factor)) if one.rate_bps else one for one in self.flows
            ),
            workloads=tuple(grown(one, factor) for one in self.workloads),
        )

    def controlled(self, congestion_control: str) -> Traffic:
        """The same over another congestion control, everywhere."""
        return Traffic(
            flows=tuple(replace(one, tcp=_over(one.tcp, congestion_control)) for one in self.flows),
            workloads=tuple(
                replace(one, tcp=_over(one.tcp, congestion_control)) if isinstance(one, Transfers | Requests) else one
                for one in self.workloads
            ),
        )


def _over(tcp: TcpOptions, congestion_control: str) -> TcpOptions:
    return replace(tcp, congestion_control=congestion_control)


def grown(one: Workload, factor: float) -> Workload:
    """More arrivals (of a closed loop: less thinking), or a faster stream."""
    if isinstance(one, Datagrams):
        return replace(one, rate_bps=max(1, round(one.rate_bps * factor)))
    if isinstance(one, Requests) and one.arrivals is None:
        return replace(one, think_ns=one.think_ns.scaled(1 / factor))
    if isinstance(one, Transfers | Requests) and one.arrivals is not None:
        return replace(one, arrivals=replace(one.arrivals, rate_per_s=one.arrivals.rate_per_s * factor))
    return one


def traffic(production: Hidden, load: float) -> Traffic:
    """At a load of 1 for a first time, then scaled to the one wanted."""
    chance = random.Random(f"traffic {production.family} {production.seed}")
    hosts = list(production.hosts)
    pairs = [(a, b) for a in hosts for b in hosts if a != b and _apart(production.network, a, b)]
    chance.shuffle(pairs)
    elastic, paced = max(1, len(hosts) // 6), max(3, len(hosts) // 2)
    short, answers = max(3, len(hosts) // 3), max(2, len(hosts) // 4)
    taken: set[frozenset[str]] = set()

    def next_pair() -> tuple[str, str]:
        for pair in pairs:
            if frozenset(pair) not in taken:
                taken.add(frozenset(pair))
                return pair
        raise ValueError("too few pairs of hosts")

    controls = ["cubic", "cubic", "cubic", "reno", "bbr"]
    flows = []
    for number in range(elastic):
        source, target = next_pair()
        held = chance.random() < 0.3
        tcp = TcpOptions(
            congestion_control=chance.choice(controls), window_bytes=chance.randint(24, 96) * 1024 if held else None
        )
        kind = "receiver-limited" if held else "greedy"
        flows.append(FlowSpec(id=f"bulk{number}", source=source, target=target, flow_class=kind, tcp=tcp))
    unit = 1 * MBIT
    for number in range(paced):
        source, target = next_pair()
        rate = round(unit * SHARES["paced"] * chance.uniform(0.4, 1.6) * 4 / paced)
        flows.append(FlowSpec(id=f"stream{number}", source=source, target=target, flow_class="paced", rate_bps=rate,
                              tcp=TcpOptions(congestion_control=chance.choice(controls))))  # fmt: skip
    workloads: list[Workload] = []
    for number in range(short):
        source, target = next_pair()
        size = Distribution(family="lognormal", parameters=(chance.uniform(8, 30) * 1e3, chance.uniform(0.8, 1.4)))
        rate = unit * SHARES["short"] * chance.uniform(0.4, 1.6) * 4 / short / 8 / size.mean()
        workloads.append(Transfers(name=f"objects{number}", sources=(source,), targets=(target,), size=size,
                                   arrivals=Arrivals(process="poisson", rate_per_s=rate)))  # fmt: skip
    for number in range(answers):
        server, client = next_pair()
        size = Distribution(family="lognormal", parameters=(chance.uniform(6, 20) * 1e3, chance.uniform(0.6, 1.2)))
        rate = unit * SHARES["answers"] * chance.uniform(0.4, 1.6) * 4 / answers / 8 / size.mean()
        workloads.append(Requests(name=f"pages{number}", clients=(client,), servers=(server,), request=constant(300),
                                  response=size, think_ns=constant(0), requests_per_connection=1,
                                  arrivals=Arrivals(process="poisson", rate_per_s=rate)))  # fmt: skip
    whole = Traffic(flows=tuple(flows), workloads=(*workloads, *_background(production, chance, unit)))
    return whole.grown(load / _busiest(production.network, whole))


def _background(production: Hidden, chance: random.Random, unit: int) -> list[Workload]:
    """Between hosts that no map shows: datagrams in bursts, and transfers."""
    ghosts = production.ghosts
    found: list[Workload] = []
    for number, (a, b) in enumerate(pairwise(ghosts)):
        rate = unit * SHARES["background"] * chance.uniform(0.6, 1.4) * 4 / (len(ghosts) - 1)
        some = Distribution(family="exponential", parameters=(400.0 * MS,))
        found.append(
            Datagrams(name=f"noise{number}", source=a, target=b, rate_bps=round(rate), on_ns=some, off_ns=some)
        )
        size = Distribution(family="lognormal", parameters=(30e3, 1.0))
        found.append(Transfers(name=f"unseen{number}", sources=(b,), targets=(a,), size=size,
                               arrivals=Arrivals(process="poisson", rate_per_s=rate / 16 / size.mean())))  # fmt: skip
    return found


def _apart(network: Network, a: str, b: str) -> bool:
    """Whether their traffic crosses a trunk."""
    return len(intended_way(network, a, b).directions) > 2


def payload_bps(one: FlowSpec | Workload) -> list[tuple[str, str, float]]:
    """(source, target, mean payload in bit/s) of what is not elastic; answers go from server to client."""
    match one:
        case FlowSpec():
            return [(one.source, one.target, float(one.rate_bps or 0))]
        case Transfers():
            return [(one.sources[0], one.targets[0], one.arrivals.rate_per_s * one.size.mean() * 8)]
        case Requests():
            assert one.arrivals is not None
            return [(one.servers[0], one.clients[0], one.arrivals.rate_per_s * one.response.mean() * 8)]
        case Datagrams():
            return [(one.source, one.target, one.rate_bps / (2 if one.on_ns is not None else 1))]
    return []


def utilisation(network: Network, some: Sequence[FlowSpec | Workload]) -> dict[Direction, float]:
    """Of each direction that something crosses, by the mean of what is not elastic."""
    carried: dict[Direction, float] = defaultdict(float)
    for one in some:
        for source, target, bps in payload_bps(one):
            for direction in intended_way(network, source, target).directions:
                carried[direction] += bps * _HEADERS
    return {direction: bps / (network.impairment(direction).rate_bps or 1e12) for direction, bps in carried.items()}


def _busiest(network: Network, whole: Traffic) -> float:
    return max(utilisation(network, [*whole.flows, *whole.workloads]).values())
