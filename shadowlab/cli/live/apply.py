"""``shadowlab apply``: the difference between a lab and a map, shown or made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from shadowlab.cli.live.options import lab_option
from shadowlab.cli.map_options import map_options, read


@click.command("apply")
@click.argument("map_path", metavar="MAP", type=click.Path(path_type=Path))
@lab_option
@map_options
@click.option("--dry-run", is_flag=True, help="Print the changes with their reasons, and make none.")
def command(map_path: Path, lab: str | None, dry_run: bool, **options: Any) -> None:
    """Make a lab what MAP says.  Only what differs is touched; each change says why.

    \b
    Examples:
      shadowlab apply office.yaml --dry-run
      shadowlab apply office.yaml --lab office
    """
    from shadowlab.lab.live.folder import lab_names, only_name
    from shadowlab.lab.live.lab import LiveLab
    from shadowlab.topology.forwarding.exceptions import findings

    network = read(map_path, **options)
    for finding in findings(network):
        click.echo(f"by the exceptions of the map, {finding}", err=True)
    chosen = LiveLab(only_name(lab or (network.name if network.name in lab_names() else None)))
    if dry_run:
        changes = chosen.plan_change(lambda _now: network)
    else:
        changes = chosen.change(lambda _now: network, reason=f"apply {map_path}")
    for change in changes:
        click.echo(change.describe())
    words = "would be made" if dry_run else "made"
    click.echo(f"lab {chosen.name}: {len(changes)} changes {words}" if changes else f"lab {chosen.name}: no difference")
