"""Calibration with its refinement: 25 nodes, 200 flows, half a minute of telemetry once a second.

Production is a shadow of a star of two sites whose trunk is full; the calibration sees its records and a map without
parameters.  Wall time and processor time (children included) of one calibration as the product makes it.
"""

from __future__ import annotations

import random
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from benchmarks import report
from shadowlab.guest.cache import need_kernel
from shadowlab.lab.calibration.calibrate import calibrate
from shadowlab.lab.calibration.refine import Refine
from shadowlab.lab.calibration.shadow_run import run_shadows, shadow_job
from shadowlab.lab.execute import Place
from shadowlab.model.flow import FlowSpec
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Link, Network, Node
from shadowlab.model.units import NS_PER_S
from shadowlab.telemetry.attach import Attachment

ROUTERS, HOSTS, FLOWS, GREEDY = 7, 18, 200, 20
SECONDS = 30
TARGET_S = 60.0
SEED = 1
TRUNK_MBIT, ACCESS_MBIT = 25, 100
_MS, _MBIT = 1_000_000, 1_000_000


def production(chance: random.Random) -> Network:
    """Two routers with a narrow trunk between them, the others hang on either; hosts on these."""
    routers = [f"r{number}" for number in range(ROUTERS)]
    trunk = Impairment(rate_bps=TRUNK_MBIT * _MBIT, delay_ns=8 * _MS, queue_packets=120)
    links = [Link(id="r0-r1", a="r0", b="r1", forward=trunk, backward=trunk)]
    for number in range(2, ROUTERS):
        wire = Impairment(rate_bps=100 * _MBIT, delay_ns=chance.randint(1, 5) * _MS, queue_packets=200)
        one = routers[number % 2]
        links.append(Link(id=f"{one}-{routers[number]}", a=one, b=routers[number], forward=wire, backward=wire))
    hosts = [f"h{number}" for number in range(HOSTS)]
    for number, host in enumerate(hosts):
        wire = Impairment(rate_bps=ACCESS_MBIT * _MBIT, delay_ns=chance.randint(1, 9) * _MS // 10)
        router = routers[2 + number % (ROUTERS - 2)]
        links.append(Link(id=f"{host}-{router}", a=host, b=router, forward=wire, backward=wire))
    nodes = (*(Node(id=one, kind="router") for one in routers), *(Node(id=one, kind="host") for one in hosts))
    return Network(name="calibration", nodes=nodes, links=tuple(links))


def _side(host: int) -> int:
    """Which end of the trunk a host is at."""
    return (2 + host % (ROUTERS - 2)) % 2


def demand(chance: random.Random) -> list[FlowSpec]:
    """Mostly paced, some greedy; these cross the trunk, the only link that they fill."""
    sides: tuple[list[str], list[str]] = ([], [])
    for number in range(HOSTS):
        sides[_side(number)].append(f"h{number}")
    flows = []
    for number in range(FLOWS):
        greedy = number < GREEDY
        if greedy:
            source, target = chance.choice(sides[0]), chance.choice(sides[1])
        else:
            source, target = chance.sample([*sides[0], *sides[1]], 2)
        rate = None if greedy else chance.randint(20, 120) * 1000
        kind = "greedy" if greedy else "paced"
        flows.append(FlowSpec(id=f"f{number}", source=source, target=target, flow_class=kind, rate_bps=rate))  # type: ignore[arg-type]
    return flows


def main() -> None:
    """Print one line."""
    chance = random.Random(SEED)
    network = production(chance)
    flows = demand(chance)
    place = Place(kind="embedded", clock="virtual", kernel=need_kernel("virtual"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        job = shadow_job(network, flows, duration_ns=SECONDS * NS_PER_S, seed=SEED)
        (connections,) = run_shadows(
            place, [("production", job)], folder / "production", expected_wall_s=120.0,
            on_progress=lambda _name, _share: None, interrupted=lambda: False,
        )  # fmt: skip
        bare = network.with_links(*(replace(one, forward=Impairment(), backward=Impairment()) for one in network.links))
        count = sum(len(one.sender_records) for one in connections)
        told = Attachment(connections=tuple(connections), records=count, attached=count, left_out=())
        before, own = time.monotonic(), _processor_s()
        found = calibrate(bare, told, refine=Refine(place=place, folder=folder / "refine"))
        wall, processor = time.monotonic() - before, _processor_s() - own
    report(
        benchmark="calibration with refinement, 25 nodes, 200 flows",
        unit="s",
        values=[wall],
        target=TARGET_S,
        processor_s=round(processor, 1),
        refinement_runs=len(found.refinement),
        misfit=found.refinement[-1].misfit if found.refinement else None,
        records=count,
    )


def _processor_s() -> float:
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(usage.ru_utime + usage.ru_stime for usage in map(resource.getrusage, kinds))


if __name__ == "__main__":
    main()
