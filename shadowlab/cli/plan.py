"""``shadowlab plan``: what a scenario would build, and what it would cost, without touching a kernel."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shadowlab.cli.interrupt import Interrupt
from shadowlab.cli.scale_option import scale_option

if TYPE_CHECKING:
    from shadowlab.predict.fitting import Scale


@click.command()
@click.argument("scenario", type=click.Path(path_type=Path))
@scale_option
@click.option("--json", "as_json", is_flag=True, help="One JSON document to stdout.")
@click.pass_obj
def plan(interrupt: Interrupt, scenario: Path, scale: Scale, as_json: bool) -> None:
    """Print the operations that would build the shadow of SCENARIO, its flows, its timeline and its cost.

    \b
    Example:
      shadowlab plan topologies/abilene-incident.yaml
    """
    interrupt.nothing_to_lose()
    from shadowlab.detect.registry import DETECTORS
    from shadowlab.lab.inputs.ways import pairs_with_ways, plain_ways
    from shadowlab.lab.prepare import prepare
    from shadowlab.lab.scenario import load_scenario
    from shadowlab.model.plain import to_plain
    from shadowlab.model.units import NS_PER_S, format_duration, format_rate
    from shadowlab.topology.forwarding.exceptions import findings

    prepared = prepare(load_scenario(scenario, known_detectors=frozenset(DETECTORS)), scale=scale)
    cost, job = prepared.cost, prepared.job()
    if as_json:
        document = {
            "packet_hops": round(cost.packet_hops),
            "wall_s": round(cost.wall_s, 1),
            "whole_wall_s": round(prepared.whole_wall_s, 1),
            "scaling": to_plain(prepared.scaling),
            "build": [op.describe() for op in job.build],
            "flows": to_plain(job.flows),
            "timeline": to_plain(job.timeline),
            "telemetry": to_plain(prepared.telemetry),
            "differing": dict(prepared.differing),
            "ways": [plain_ways(one) for one in pairs_with_ways(prepared.attachment.connections, prepared.network)],
            "findings": list(findings(prepared.network)),
        }
        json.dump(document, sys.stdout, ensure_ascii=False, sort_keys=True)
        sys.stdout.write("\n")
        return
    for op in job.build:
        click.echo(op.describe())
    for flow in job.flows:
        rate = format_rate(flow.rate_bps) if flow.rate_bps is not None else "as fast as TCP allows"
        click.echo(f"flow {flow.id}: {flow.flow_class}, {rate}, {flow.tcp.congestion_control}; {flow.evidence}")
        if flow.id in prepared.differing:
            click.echo(f"    differs from production: {prepared.differing[flow.id]}")
    for one in job.workloads:
        click.echo(f"traffic {one.name}: {type(one).__name__.lower()}")
    for change in job.timeline:
        click.echo(f"at {change.at_ns / NS_PER_S:g} s: {change.reason}")
        for op in change.ops:
            click.echo(f"    {op.describe()}")
    network = prepared.network
    click.echo(
        f"\n{len(network.nodes)} nodes, {len(network.links)} links, {len(job.flows)} flows on {len(job.paths)} paths, "
        f"{job.duration_ns / NS_PER_S:g} s of network time"
    )
    kind = {"auto": "UDP, or TCP where only that takes a flow's way", "udp": "UDP", "tcp": "crafted TCP"}[job.probe_as]
    click.echo(
        f"probes: one for each path every {format_duration(job.probe_every_ns)}, {job.probe_bytes} bytes of payload, "
        f"DSCP {job.probe_dscp}, {kind}"
    )
    if job.flow_turns > 1:
        click.echo(f"flows take turns: each is sampled every {format_duration(job.sample_every_ns * job.flow_turns)}")
    for finding in findings(prepared.network):
        click.echo(f"by the exceptions of the map, {finding}")
    use = prepared.telemetry
    click.echo(f"telemetry: {use.records} records, {use.connections} connections, {use.unreadable} lines unreadable")
    for reason, count in use.left_out.items():
        click.echo(f"    left out, {count}: {reason}")
    with_rehearsals = f", {prepared.whole_wall_s:.0f} s with rehearsals" if prepared.whole_wall_s > cost.wall_s else ""
    click.echo(
        f"about {cost.packet_hops / 1e6:.2f} million packet-hops, {cost.wall_s:.0f} s on the embedded kernel"
        f"{with_rehearsals}"
    )
    if prepared.scaling.factor != 1:
        click.echo(f"scaled down: {prepared.scaling.reason}")
    if prepared.scaling.map_rate_scale != 1:
        click.echo(f"the map states its rates at 1/{prepared.scaling.map_rate_scale:g} of reality")
