"""``shadowlab down``: a lab and everything of it goes."""

from __future__ import annotations

import click

from shadowlab.cli.live.options import complete_lab


@click.command("down")
@click.argument("name", required=False, shell_complete=complete_lab)
def command(name: str | None) -> None:
    """Take the lab NAME down, whatever state it is in; programs in its nodes are killed.

    \b
    Examples:
      shadowlab down
      shadowlab down office
    """
    from shadowlab.lab.hosts.record import find_record
    from shadowlab.lab.live.folder import only_name
    from shadowlab.lab.live.lab import LiveLab

    record = find_record(name)
    if record is not None:
        from shadowlab.cli.live.over_hosts import down_over_hosts

        down_over_hosts(record)
        return
    chosen = only_name(name)
    removed = LiveLab(chosen).down()
    programs = f", {removed.programs} programs ended" if removed.programs else ""
    click.echo(f"lab {chosen} is down: {len(removed.nodes)} nodes removed{programs}")
    for foreign in removed.foreign:
        click.echo(f"left alone: {foreign} has the name of a node, and not the lab's mark", err=True)
