"""Run networks: the hidden one with its agents and its secrets, and any shadow of it, by the code of a run.

In: a network, traffic, a seed.  Out: a folder of raw records; of production also its telemetry.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.hidden import inside
from benchmarks.hidden.effects import unmodelled
from benchmarks.hidden.network import Hidden
from benchmarks.hidden.workload import Traffic
from shadowlab.guest.boot import run_in_guest
from shadowlab.guest.cache import BuiltKernel, list_kernels
from shadowlab.lab.execute import Place, Work, execute
from shadowlab.lab.job import Job
from shadowlab.lab.prepare import watched_interfaces
from shadowlab.lab.workloads.resolve import wishing
from shadowlab.model.network import Network
from shadowlab.model.plain import to_plain
from shadowlab.shadow.plan import build_plan
from shadowlab.shadow.transport import plan_transport, with_windows
from shadowlab.topology.addressing import address, gateways_of, leaving_of, owners_of
from shadowlab.topology.routing import shortest_routes

SAMPLE_EVERY_NS = 200_000_000
PROBE_EVERY_NS = 200_000_000
GUEST_BYTES = 1 << 30
WALL_S = 1800.0
_ENTRY = f"{inside.__name__}:{inside.run.__name__}"


@dataclass(frozen=True, kw_only=True)
class Grounds:
    """Where production runs, and where shadows do: kernels of different versions if two are at hand."""

    production: BuiltKernel
    shadow: Place

    @property
    def apart(self) -> bool:
        """Whether they are different kernels."""
        return self.production.version != self.shadow.kernel.version if self.shadow.kernel else True


def grounds() -> Grounds:
    """Shadows take the newest kernel with a virtual clock, production the oldest."""
    kernels = [one for one in list_kernels() if one.virtual_clock]
    if not kernels:
        raise SystemExit("there is no embedded kernel: run 'shadowlab kernel build'")
    return Grounds(production=kernels[-1], shadow=Place(kind="embedded", clock="virtual", kernel=kernels[0]))


def job_of(network: Network, traffic: Traffic, *, seed: int, seconds: float) -> Job:
    """A job as a run would make of that network and its traffic, with the routes one by one."""
    fabric = address(network)
    transport = plan_transport([*traffic.flows, *wishing(traffic.workloads)], fabric)
    routes = with_windows(shortest_routes(network, fabric, aggregate=False, partial=True), transport)
    plan = build_plan(network, fabric, routes, transport.settings)
    return Job(
        seed=seed,
        duration_ns=round(seconds * 1e9),
        sample_every_ns=SAMPLE_EVERY_NS,
        probe_every_ns=PROBE_EVERY_NS,
        build=plan,
        addresses=fabric.node_address,
        interface_directions=leaving_of(fabric),
        flows=traffic.flows,
        paths=(),
        watched=watched_interfaces(plan),
        timeline=(),
        gateways=gateways_of(fabric),
        spreads=network.ecmp,
        owners=owners_of(fabric),
        workloads=traffic.workloads,
    )


def production_task(production: Hidden, traffic: Traffic, *, seed: int, seconds: float, told_s: float) -> bytes:
    """All that the inside of production is given; ``seed`` is that of its chance, so runs of it differ as its days do.
    Its agents fall silent after ``told_s``."""
    job = job_of(production.network, traffic, seed=seed, seconds=seconds)
    fabric = address(production.network)
    routes = shortest_routes(production.network, fabric, aggregate=False, partial=True)
    told_ns, changes = round(told_s * 1e9), []
    for turn, begin_ns in enumerate(range(0, job.duration_ns, told_ns)):  # a longer run begins as a shorter one does
        span_ns = min(told_ns, job.duration_ns - begin_ns)
        some = unmodelled(production, fabric, routes, seed=seed + 1000 * turn, duration_ns=span_ns)
        changes += [replace(one, at_ns=one.at_ns + begin_ns) for one in some]
    chance = random.Random(f"clocks {production.seed}")
    agents = {host: round(chance.gauss(0, 20e6)) for host in production.hosts}
    task = {"job": to_plain(replace(job, timeline=tuple(changes))), "agents": agents, "told_ns": told_ns}
    return json.dumps(task, sort_keys=True).encode()


def run_production(on: BuiltKernel, task: bytes, folder: Path, *, seed: int, seconds: float) -> None:
    """One run of the hidden network."""
    folder.mkdir(parents=True, exist_ok=True)
    run_in_guest(
        kernel=on,
        entry=_ENTRY,
        job=task,
        folder=folder,
        clock="virtual",
        seed=seed,
        virtual_deadline_ns=round((seconds + 60) * 1e9),
        wall_deadline_s=WALL_S,
        memory_bytes=GUEST_BYTES,
    )


def run_shadow(on: Place, job: Job, folder: Path) -> None:
    """One run of a shadow, by the code of ``shadowlab run``."""
    work = Work(name="shadow", job=job, folder=folder, expected_wall_s=WALL_S / 5, memory_bytes=GUEST_BYTES)
    execute(on, [work], lambda _name, _share: None, lambda: False)
