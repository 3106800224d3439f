"""``shadowlab topology check``: whether a map can be used, and what in it was derived."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from shadowlab.cli.interrupt import Interrupt
from shadowlab.cli.map_options import map_options, read


@click.command()
@click.argument("map_path", metavar="MAP", type=click.Path(path_type=Path))
@map_options
@click.option("--all", "everything", is_flag=True, help="List every derived value, not the first of each kind.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document to stdout.")
@click.pass_obj
def command(interrupt: Interrupt, /, map_path: Path, everything: bool, as_json: bool, **options: Any) -> None:
    """Read MAP and say what is wrong in it (exit code 2), or what it holds and which values it did not state itself.

    \b
    Examples:
      shadowlab topology check topologies/abilene.yaml
      shadowlab topology check Kdl.graphml --largest-component
    """
    interrupt.nothing_to_lose()
    from shadowlab.model.plain import to_plain
    from shadowlab.topology.review.audit import audit

    network = read(map_path, **options)
    found = audit(network)
    if as_json:
        document: dict[str, Any] = {
            "name": network.name,
            "counts": dict(found.counts),
            "findings": list(found.findings),
        }
        document["derived"] = to_plain(network.derived)
        json.dump(document, sys.stdout, ensure_ascii=False, sort_keys=True)
        sys.stdout.write("\n")
        return
    click.echo(f"{network.name}: {', '.join(f'{count} {what}' for what, count in found.counts.items())}")
    for finding in found.findings:
        click.echo(f"  {finding}")
    if not network.derived:
        click.echo("Every value is stated in the map.")
        return
    click.echo(f"{len(network.derived)} values are derived:")
    for kind, some in found.derived.items():
        for one in some if everything else some[:1]:
            click.echo(f"  {one.subject}: {one.value} ({one.origin})")
        if not everything and len(some) > 1:
            click.echo(f"    and {len(some) - 1} more: {kind}")
    if not everything:
        click.echo("--all lists each of them.")
