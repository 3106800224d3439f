"""``shadowlab status``: one lab as its kernel shows it."""

from __future__ import annotations

import json
from typing import Any

import click

from shadowlab.cli.live.options import complete_lab


@click.command("status")
@click.argument("name", required=False, shell_complete=complete_lab)
@click.option("--json", "as_json", is_flag=True, help="One JSON document to stdout.")
def command(name: str | None, as_json: bool) -> None:
    """Show the lab NAME: its nodes with addresses, its links and whether they carry packets.

    \b
    Examples:
      shadowlab status
      shadowlab status office --json | jq .links
    """
    from shadowlab.lab.hosts.record import find_record
    from shadowlab.lab.live.folder import only_name
    from shadowlab.lab.live.lab import LiveLab
    from shadowlab.lab.live.status import status

    record = find_record(name)
    if record is not None:
        from shadowlab.cli.live.over_hosts import show_status, status_over_hosts

        told = status_over_hosts(record)
        if as_json:
            click.echo(json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False))
        else:
            show_status(told)
        return
    told = status(LiveLab(only_name(name)))
    if as_json:
        click.echo(json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False))
        return
    click.echo(f"lab {told['name']} ({told['lab']}): {told['state']}, {told['kernel']} kernel, map {told['map']}")
    if told.get("confined_by"):
        click.echo(f"  confined by {told['confined_by']}")
    if told.get("why"):
        click.echo(f"  {told['why']}")
    if told["state"] == "up":
        _show(told)


def _show(told: dict[str, Any]) -> None:
    width = max((len(name) for name in (*told["nodes"], *told["links"])), default=0)
    for name, node in told["nodes"].items():
        kind = "router" if node["forwards"] else "host" if node["address"] else "segment"
        click.echo(f"  node {name:{width}}  {kind:6}  {node['address']:15}  {node['namespace']}")
    for name, link in told["links"].items():
        state = "up" if link["carries"] else "DOWN"
        there, back = link["forward"], link["backward"]
        words = there if there == back else f"{there} / back: {back}"
        click.echo(f"  link {name:{width}}  {state:4}  {' - '.join(link['ends'])}: {words}, metric {link['metric']}")
