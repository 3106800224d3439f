"""``shadowlab topology schema``: the JSON Schema of our own maps."""

from __future__ import annotations

import json

import click

from shadowlab.cli.interrupt import Interrupt


@click.command()
@click.pass_obj
def command(interrupt: Interrupt) -> None:
    """Print the JSON Schema of a map, by which editors complete and check it.

    \b
    Example:
      shadowlab topology schema > map.schema.json
    """
    interrupt.nothing_to_lose()
    from shadowlab.topology.native import json_schema

    click.echo(json.dumps(json_schema(), ensure_ascii=False, indent=1))
