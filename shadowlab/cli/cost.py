"""``shadowlab cost``: what a map would cost, before it is built."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from shadowlab.lab.doctor.costs import Costs


@click.command()
@click.argument("map_path", metavar="MAP", type=click.Path(path_type=Path))
@click.option("--telemetry", type=click.Path(path_type=Path), metavar="FILE", help="Also the cost of a run with it.")
@click.option("--rules", type=click.Path(path_type=Path), metavar="FILE", help="How the telemetry attaches to the map.")
@click.option("--duration", default="60 s", show_default=True, help="Of that run, in network time.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document to stdout.")
def cost(map_path: Path, telemetry: Path | None, rules: Path | None, duration: str, as_json: bool) -> None:
    """Print the memory and the time that the lab of MAP takes on either kernel, and whether this machine has as much.

    Nothing is built.  The figures of each node, link, queue and route are those that scripts/bench scale measured.

    \b
    Examples:
      shadowlab cost topologies/abilene.yaml
      shadowlab cost big.yaml --telemetry dumps.ss --duration 5min --json
    """
    from shadowlab.lab.doctor.costs import cost_of
    from shadowlab.model.units import parse_duration

    try:
        duration_ns = parse_duration(duration)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--duration") from error
    if duration_ns <= 0:
        raise click.BadParameter(f"{duration} is no time to run", param_hint="--duration")
    costs = cost_of(map_path, telemetry=telemetry, rules=rules, duration_ns=duration_ns)
    if as_json:
        click.echo(json.dumps(_document(costs), indent=1, sort_keys=True, ensure_ascii=False))
    else:
        _show(costs)


def _document(costs: Costs) -> dict[str, Any]:
    from dataclasses import asdict

    from shadowlab.predict.cost import MEASURED_BY

    return {
        "name": costs.name,
        "parts": asdict(costs.parts),
        "free_bytes": costs.free_bytes,
        "measured_by": MEASURED_BY,
        "kernels": {
            one.kernel: {
                "memory_bytes": one.memory_bytes,
                "memory": one.memory,
                "build_s": round(one.build_s, 3),
                "fits": one.memory_bytes <= costs.free_bytes,
                "nodes_that_fit": one.nodes_within(costs.free_bytes),
                "guest_bytes": one.guest_bytes if one.kernel == "embedded" else None,
            }
            for one in costs.kernels
        },
        "run": None if costs.run is None else asdict(costs.run),
    }


def _show(costs: Costs) -> None:
    from shadowlab.model.units import NS_PER_S
    from shadowlab.predict.cost import MEASURED_BY, PRICES, format_bytes

    parts = costs.parts
    click.echo(
        f"{costs.name}: {parts.nodes} nodes, {parts.links} links, {parts.queues} queues where packets leave, "
        f"{parts.arrivals} where they arrive, {parts.routes} routes"
    )
    kernels = costs.kernels
    _row("", [f"{one.kernel} kernel" for one in kernels])
    for kind in kernels[0].memory:
        each = [getattr(PRICES[one.kernel].bytes_each, kind[:-1], None) for one in kernels]
        words = f", {' or '.join(format_bytes(one) for one in each if one is not None)} each" if all(each) else ""
        _row(kind + words, [format_bytes(one.memory[kind]) for one in kernels])
    _row("memory in all", [format_bytes(one.memory_bytes) for one in kernels])
    _row("time to build, on one core", [f"{one.build_s:.1f} s" for one in kernels])
    free = format_bytes(costs.free_bytes)
    _row(f"fits in the {free} free here", ["yes" if one.memory_bytes <= costs.free_bytes else "NO" for one in kernels])
    _row("nodes that would, of such a map", [f"about {one.nodes_within(costs.free_bytes)}" for one in kernels])
    if costs.run is not None:
        run = costs.run
        click.echo(
            f"a run of {run.duration_ns / NS_PER_S:g} s: {run.flows} flows on {run.paths} paths, about "
            f"{run.work.packet_hops / 1e6:.2f} million packet-hops, {run.work.wall_s:.0f} s on the embedded kernel"
        )
    click.echo(f"figures of {MEASURED_BY}, on the authors' machine; programs in nodes and waiting packets come on top")


def _row(name: str, values: list[str]) -> None:
    click.echo(f"{name:36}" + "".join(f"{value:>18}" for value in values))
