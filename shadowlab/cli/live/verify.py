"""``shadowlab verify``: proof instead of promise."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from shadowlab.cli.live.options import complete_lab
from shadowlab.errors import EXIT_LEVELS_BROKEN


@click.command("verify")
@click.argument("name", required=False, shell_complete=complete_lab)
@click.option("--isolation", is_flag=True, required=True, help="That nothing leads from the lab to the host.")
@click.option("--json", "as_json", is_flag=True, help="A JSON list to stdout.")
def command(name: str | None, isolation: bool, as_json: bool) -> None:
    """Try whether the lab NAME keeps apart from the host: interfaces, routes, sockets, probes, counters.

    Exit code 1 if anything leads out.

    \b
    Example:
      shadowlab verify --isolation
    """
    from shadowlab.lab.live.folder import only_name
    from shadowlab.lab.live.isolation import verify_isolation
    from shadowlab.lab.live.lab import LiveLab

    findings = verify_isolation(LiveLab(only_name(name)))
    if as_json:
        click.echo(json.dumps([asdict(one) for one in findings], indent=1, sort_keys=True))
    else:
        for one in findings:
            click.echo(f"{'holds' if one.holds else 'FAILS'}  {one.question} ({one.seen})")
    if not all(one.holds for one in findings):
        raise click.exceptions.Exit(EXIT_LEVELS_BROKEN)
