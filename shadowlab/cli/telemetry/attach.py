"""``shadowlab telemetry attach``: where the records of a file belong on a map, and which ways they may take there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shadowlab.cli.interrupt import Interrupt
from shadowlab.cli.map_options import map_options, read

if TYPE_CHECKING:
    from shadowlab.model.result import TelemetryUse
    from shadowlab.model.ways import Candidates

_SHOWN_WAYS = 4
_SHOWN_PAIRS = 40


@click.command("attach")
@click.argument("source", metavar="FILE", type=click.Path(path_type=Path))
@click.argument("map_path", metavar="MAP", type=click.Path(path_type=Path))
@click.option("--rules", type=click.Path(path_type=Path), metavar="RULES", help="How names and addresses become nodes.")
@map_options
@click.option("--json", "as_json", is_flag=True, help="One JSON document to stdout: every way and link.")
@click.pass_obj
def command(
    interrupt: Interrupt, /, source: Path, map_path: Path, rules: Path | None, as_json: bool, **options: Any
) -> None:
    """Attach the records of FILE to the nodes of MAP: pairs of instances, their connections, and the ways that routing
    offers these there and back, each with its probability; and what could not be attached, and why.

    Routers of a map with `routing: {ecmp: true}` share flows evenly among their next hops of equal cost.

    \b
    Example:
      shadowlab telemetry attach topologies/abilene/before.ss topologies/abilene.yaml
    """
    interrupt.nothing_to_lose()
    from shadowlab.lab.inputs.ways import pairs_with_ways, plain_ways
    from shadowlab.lab.sources import attach_file, read_rules
    from shadowlab.telemetry.rules import NO_RULES

    network = read(map_path, **options)
    attachment, use = attach_file(source, network, read_rules(rules) if rules else NO_RULES)
    pairs = pairs_with_ways(attachment.connections, network)
    if as_json:
        document = {
            "records": use.records,
            "attached": attachment.attached,
            "unreadable": use.unreadable,
            "connections": use.connections,
            "left_out": dict(use.left_out),
            "pairs": [plain_ways(one) for one in pairs],
        }
        click.echo(json.dumps(document, ensure_ascii=False, sort_keys=True))
        return
    _say_use(use, attachment.attached, len(pairs))
    for pair in pairs[:_SHOWN_PAIRS]:
        plural = "" if pair.connections == 1 else "s"
        click.echo(f"{pair.path}: {pair.connections} connection{plural}")
        _say_ways("there", pair.ways.there)
        _say_ways("back", pair.ways.back)
    if len(pairs) > _SHOWN_PAIRS:
        click.echo(f"and {len(pairs) - _SHOWN_PAIRS} more pairs; --json tells all")


def _say_use(use: TelemetryUse, attached: int, pairs: int) -> None:
    click.echo(
        f"{attached} of {use.records} records attached: {use.connections} connections between {pairs} pairs of nodes"
    )
    if use.unreadable:
        click.echo(f"unreadable: {use.unreadable}; shadowlab telemetry validate says where")
    for reason, count in use.left_out.items():
        click.echo(f"left out, {count}: {reason}")


def _say_ways(title: str, found: Candidates) -> None:
    if found.certain:
        way = found.ways[0]
        click.echo(f"  {title}: {' '.join(way.nodes)}{f' ({way.fault})' if way.fault else ''}")
        return
    click.echo(f"  {title}: {'at least ' if found.more else ''}{found.count} ways")
    for way in found.ways[:_SHOWN_WAYS]:
        click.echo(f"    {way.probability:.4g}: {' '.join(way.nodes)}{f' ({way.fault})' if way.fault else ''}")
    if found.count > _SHOWN_WAYS:
        click.echo("    …")
    certain = sum(one.probability >= 1 for one in found.crossings)
    click.echo(f"    {len(found.crossings)} directions of links, {certain} of them on every way")
