"""``shadowlab topology convert``: a map of any format in another one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from shadowlab.cli.interrupt import Interrupt
from shadowlab.cli.map_options import map_options, read


@click.command()
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.argument("target", metavar="OUT", type=click.Path(path_type=Path))
@map_options
@click.option(
    "--to",
    "to_format",
    metavar="NAME",
    help="shadowlab, graphml, containerlab, netjson or mininet; left out: by the ending of OUT.",
)
@click.pass_obj
def command(interrupt: Interrupt, /, source: Path, target: Path, to_format: str | None, **options: Any) -> None:
    """Write the map IN as OUT ("-" is standard output).  What the format of OUT has no place for is told on stderr.

    \b
    Examples:
      shadowlab topology convert Geant2012.graphml geant.yaml
      shadowlab topology convert topologies/abilene.yaml abilene.clab.yml
    """
    interrupt.nothing_to_lose()
    from shadowlab.store.whole import write_whole
    from shadowlab.topology.writing import write_map

    network = read(source, **options)
    to_stdout = str(target) == "-"
    text, left_out = write_map(network, path=None if to_stdout else target, format_key=to_format)
    if to_stdout:
        click.echo(text, nl=False)
    else:
        write_whole(target, text.encode())
        click.echo(f"{target}: {len(network.nodes)} nodes, {len(network.links)} links", err=True)
    for one in left_out:
        click.echo(f"left out: {one}", err=True)
