"""``shadowlab topology show``: a map as a table, as JSON, or drawn."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from shadowlab.cli.interrupt import Interrupt
from shadowlab.cli.map_options import map_options, read

_SHOWN_DEMANDS = 20


@click.command()
@click.argument("map_path", metavar="MAP", type=click.Path(path_type=Path))
@map_options
@click.option("--draw", type=click.Path(path_type=Path), metavar="FILE", help="Draw it into FILE (.svg or .png).")
@click.option("--json", "as_json", is_flag=True, help="One JSON document to stdout.")
@click.pass_obj
def command(interrupt: Interrupt, /, map_path: Path, draw: Path | None, as_json: bool, **options: Any) -> None:
    """Print the nodes and links of MAP.

    \b
    Examples:
      shadowlab topology show topologies/abilene.yaml
      shadowlab topology show topologies/abilene.yaml --draw abilene.svg
    """
    interrupt.nothing_to_lose()
    from shadowlab.errors import InputError
    from shadowlab.model.plain import to_plain

    if draw is not None and draw.suffix not in (".svg", ".png"):
        raise InputError(f"{draw}: drawings end in .svg or .png")
    network = read(map_path, **options)
    if draw is not None:
        from shadowlab.report.plots.network import draw_network
        from shadowlab.store.whole import write_whole

        plot = draw_network(network)
        write_whole(draw, plot.png if draw.suffix == ".png" else plot.svg.encode())
        click.echo(f"{network.name} is drawn in {draw}", err=True)
    if as_json:
        json.dump(to_plain(network), sys.stdout, ensure_ascii=False, sort_keys=True)
        sys.stdout.write("\n")
    elif draw is None:
        _tables(network)


def _tables(network: Any) -> None:
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 160)
    nodes = Table("node", "kind", "label", "addresses", "links", box=box.SIMPLE_HEAD)
    ports: dict[str, int] = {}
    for link in network.links:
        for end in (link.a, link.b):
            ports[end] = ports.get(end, 0) + 1
    for node in network.nodes:
        cells = (node.id, node.kind, node.label, " ".join(node.addresses), str(ports.get(node.id, 0)))
        nodes.add_row(*map(escape, cells))
    links = Table("link", "ends", "does to packets", "metric", "MTU", box=box.SIMPLE_HEAD)
    for link in network.links:
        words = link.forward.describe()
        if link.backward != link.forward:
            words += f"; back: {link.backward.describe()}"
        links.add_row(*map(escape, (link.id, f"{link.a} – {link.b}", words, str(link.metric), str(link.mtu))))
    console.print(nodes)
    console.print(links)
    _demands(network, console)


def _demands(network: Any, console: Any) -> None:
    """The largest ones."""
    from rich import box
    from rich.table import Table

    demands = network.demands
    if not demands.between:
        return
    table = Table("demand from", "to", f"value, {demands.unit or 'unit unknown'}", box=box.SIMPLE_HEAD)
    for one in sorted(demands.between, key=lambda one: (-one.value, one.source, one.target))[:_SHOWN_DEMANDS]:
        table.add_row(one.source, one.target, f"{one.value:g}")
    console.print(table)
    if len(demands.between) > _SHOWN_DEMANDS:
        console.print(f"and {len(demands.between) - _SHOWN_DEMANDS} smaller demands; --json tells all")
