"""What a map would cost, and whether this machine can carry it.

In: a map, perhaps telemetry.  Out: counts, memory and time for either kernel, and for a run.  Never: a kernel object.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shadowlab.calibrate.demand import read_demands
from shadowlab.kernel.examine.memory import free_bytes
from shadowlab.lab.sources import attach_file, read_rules
from shadowlab.model.flow import Path as FlowPath
from shadowlab.model.network import Network
from shadowlab.monitor.probes import PROBE_EVERY_NS
from shadowlab.predict.budget import Cost, expected_cost
from shadowlab.predict.cost import PRICES, MapCost, Parts, count_parts, map_cost
from shadowlab.shadow.plan import build_plan
from shadowlab.telemetry.rules import NO_RULES, Rules
from shadowlab.topology.addressing import address
from shadowlab.topology.formats import load_map
from shadowlab.topology.routing import path_directions, shortest_routes


@dataclass(frozen=True, kw_only=True)
class RunCost:
    """Of driving a demand through the network for ``duration_ns``."""

    flows: int
    paths: int
    duration_ns: int
    work: Cost


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Everything there is to say.  ``run`` is None without telemetry."""

    name: str
    parts: Parts
    kernels: tuple[MapCost, ...]
    free_bytes: int
    run: RunCost | None


def cost_of(map_path: Path, *, telemetry: Path | None = None, rules: Path | None = None, duration_ns: int) -> Costs:
    """Plan the map, build nothing; ``rules`` say how the telemetry attaches to it.

    Raises InputError for files that are wrong.
    """
    network = load_map(map_path)
    fabric = address(network)
    parts = count_parts(build_plan(network, fabric, shortest_routes(network, fabric, partial=True)))
    return Costs(
        name=network.name,
        parts=parts,
        kernels=tuple(map_cost(parts, kernel) for kernel in PRICES),
        free_bytes=free_bytes(),
        run=None
        if telemetry is None
        else _run_cost(network, telemetry, read_rules(rules) if rules else NO_RULES, duration_ns),
    )


def _run_cost(network: Network, telemetry: Path, rules: Rules, duration_ns: int) -> RunCost:
    attachment, _ = attach_file(telemetry, network, rules)
    flows = read_demands(attachment.connections, network).flows
    paths = tuple(sorted({FlowPath(source=flow.source, target=flow.target) for flow in flows}))
    work = expected_cost(
        network=network,
        flows=flows,
        paths=paths,
        hops={path: path_directions(network, path.source, path.target) for path in paths},
        duration_ns=duration_ns,
        probe_every_ns=PROBE_EVERY_NS,
    )
    return RunCost(flows=len(flows), paths=len(paths), duration_ns=duration_ns, work=work)
