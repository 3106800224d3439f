"""``shadowlab list``: the labs there are."""

from __future__ import annotations

import json

import click


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="A JSON list to stdout.")
def command(as_json: bool) -> None:
    """List every lab of this user, with its state: up, being built or torn down, half changed, gone.

    \b
    Examples:
      shadowlab list
      shadowlab list --json
    """
    from shadowlab.lab.live.folder import labs_folder
    from shadowlab.lab.live.status import list_labs

    labs = list_labs()
    if as_json:
        click.echo(json.dumps(labs, indent=1, sort_keys=True, ensure_ascii=False))
        return
    if not labs:
        click.echo(f"no labs in {labs_folder()}; 'shadowlab up MAP' makes one")
    for lab in labs:
        if lab["state"] == "damaged":
            click.echo(f"{lab['name']}  damaged: {lab['why']}")
        else:
            click.echo(
                f"{lab['name']}  {lab['state']}  {lab['kernel']} kernel  {lab['nodes']} nodes, {lab['links']} links  "
                f"{lab['map']}"
            )
