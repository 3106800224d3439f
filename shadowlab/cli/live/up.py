"""``shadowlab up``: a map becomes a lab that stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import click

from shadowlab.cli.map_options import map_options, read


@click.command("up")
@click.argument("map_path", metavar="MAP", type=click.Path(path_type=Path))
@click.option("--name", metavar="NAME", help="Of the lab.  [default: the map's name]")
@click.option(
    "--kernel",
    type=click.Choice(["auto", "host", "embedded"]),
    default="auto",
    show_default=True,
    help="auto: the host's where it can do all the map needs and we are root, else the embedded one.",
)
@click.option(
    "--hosts",
    "hosts_path",
    metavar="HOSTS.yaml",
    type=click.Path(path_type=Path),
    help="Share it out over the hosts of this file, each of which has a worker of a farm (see `shadowlab farm`).",
)
@click.option("--rebuild", is_flag=True, help="With --hosts: build anew, on the others, what a host that died carried.")
@map_options
@click.option("--dry-run", is_flag=True, help="Print what would be built, and build nothing.")
def command(
    map_path: Path,
    name: str | None,
    kernel: Literal["auto", "host", "embedded"],
    hosts_path: Path | None,
    rebuild: bool,
    dry_run: bool,
    **options: Any,
) -> None:
    """Build the lab of MAP.  If anything goes wrong on the way, nothing of it stays.

    \b
    Examples:
      shadowlab up topologies/abilene.yaml
      sudo shadowlab up office.yaml --name office --kernel host
      shadowlab up topologies/abilene.yaml --hosts hosts.yaml
    """
    from shadowlab.lab.live.choose import choose_kernel
    from shadowlab.lab.live.lab import LiveLab, wanted_shape
    from shadowlab.shadow.diff import diff
    from shadowlab.shadow.shape import EMPTY
    from shadowlab.topology.forwarding.exceptions import findings

    if rebuild and hosts_path is None:
        raise click.UsageError("--rebuild is for --hosts")
    network = read(map_path, **options)
    for finding in findings(network):
        click.echo(f"by the exceptions of the map, {finding}", err=True)
    if hosts_path is not None:
        if kernel == "embedded":
            raise click.UsageError("--hosts: each part stands on its host's own kernel, not on an embedded one")
        from shadowlab.cli.live.over_hosts import up_over_hosts

        up_over_hosts(network, name or network.name, map_path, hosts_path, rebuild=rebuild, dry_run=dry_run)
        return
    if dry_run:
        for change in diff(EMPTY, wanted_shape(network, EMPTY)):
            click.echo(change.op.describe())
        return
    lab = LiveLab(name or network.name)
    chosen = choose_kernel(kernel, network)
    lab.up(network, kernel=chosen, map_path=map_path.absolute())
    where = "the host's kernel" if chosen == "host" else "the embedded kernel"
    click.echo(f"lab {lab.name} is up on {where}: {len(network.nodes)} nodes, {len(network.links)} links")
