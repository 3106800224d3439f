"""What happens in production and no model of ours knows of: hosts that stall, delayed acknowledgements that change, a
route that flutters.

In: a hidden network, its routes, a seed.  Out: timed changes of a job.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from benchmarks.hidden.network import MS, Hidden
from shadowlab.model.fabric import Fabric, Route
from shadowlab.shadow.ops import RunScript, TimedChange
from shadowlab.shadow.plan import impair_ops, route_ops
from shadowlab.topology.routing import shortest_routes

_QUICK = "ip -o -4 route | while read -r route; do ip route change $route quickack 1; done"
"""Every segment is acknowledged at once from then on."""


def unmodelled(
    production: Hidden, fabric: Fabric, routes: Sequence[Route], *, seed: int, duration_ns: int
) -> tuple[TimedChange, ...]:
    """A few of each, at moments that the seed of the *run* draws; which hosts and routes follows from the network's."""
    own = random.Random(f"effects {production.family} {production.seed}")
    chance = random.Random(f"effects {production.family} {production.seed} {seed}")
    seconds = duration_ns / 1e9
    changes = [
        *_stalls(production, fabric, own.sample(production.hosts, max(1, len(production.hosts) // 4)), chance, seconds),
        *_quick(own.sample(production.hosts, max(1, len(production.hosts) // 3)), chance, seconds),
    ]
    if production.family == "backbone":
        changes += _flutter(production, fabric, routes, own, chance, seconds)
    return tuple(sorted(changes, key=lambda one: one.at_ns))


def _stalls(
    production: Hidden, fabric: Fabric, hosts: Sequence[str], chance: random.Random, seconds: float
) -> list[TimedChange]:
    """What arrives at a host waits for some tens of milliseconds, as when its hypervisor runs somebody else."""
    network, found = production.network, []
    for host in hosts:
        link = next(one for one in network.links if host in (one.a, one.b))
        direction = next(one for one in link.directions if one.target == host)
        usual = network.impairment(direction)
        for _ in range(max(1, round(seconds / 12))):
            at_ns = round(chance.uniform(0.1, seconds - 1) * 1e9)
            late = replace(usual, delay_ns=usual.delay_ns + round(chance.uniform(10, 60) * MS))
            for moment, one, why in ((at_ns, late, "stalls"), (at_ns + 80 * MS, usual, "runs again")):
                ops = impair_ops(fabric, network, direction, one)
                found.append(TimedChange(at_ns=moment, reason=f"{host} {why}", ops=ops))
    return found


def _quick(hosts: Sequence[str], chance: random.Random, seconds: float) -> list[TimedChange]:
    return [
        TimedChange(
            at_ns=round(chance.uniform(0, seconds) * 1e9),
            reason=f"{host} acknowledges at once",
            ops=(RunScript(node=host, name="quickack", text=_QUICK, environment=(), timeout_ns=10_000 * MS),),
        )
        for host in hosts
    ]


def _flutter(
    production: Hidden,
    fabric: Fabric,
    routes: Sequence[Route],
    own: random.Random,
    chance: random.Random,
    seconds: float,
) -> list[TimedChange]:
    """One trunk is worse than all others to routing for a second, now and then."""
    network = production.network
    trunk = own.choice([link for link in network.links if not network.is_access(link)])
    shunned = shortest_routes(network.with_links(replace(trunk, metric=1_000_000)), fabric, aggregate=False)
    found = []
    for _ in range(max(1, round(seconds / 25))):
        at_ns = round(chance.uniform(1, seconds - 2) * 1e9)
        away, back = route_ops(routes, shunned), route_ops(shunned, routes)
        found += [
            TimedChange(at_ns=at_ns, reason=f"routes avoid {trunk.id}", ops=away),
            TimedChange(at_ns=at_ns + 1000 * MS, reason=f"routes use {trunk.id} again", ops=back),
        ]
    return found
