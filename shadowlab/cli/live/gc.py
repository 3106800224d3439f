"""``shadowlab gc``: what labs that ended badly left behind goes."""

from __future__ import annotations

import click

from shadowlab.errors import EXIT_CANNOT_RUN


@click.command("gc")
def command() -> None:
    """Remove every lab that was stopped while it was built, changed or torn down, or that its kernel has lost.

    Only what a lab's ledger lists and what carries its mark is removed.  Labs that are up, and labs that another
    command is working on, are left alone.

    \b
    Example:
      shadowlab gc
    """
    from shadowlab.lab.live.lab import collect_garbage

    outcomes = collect_garbage()
    if not outcomes:
        click.echo("nothing to clear away")
    failed = False
    for name, outcome in outcomes:
        if isinstance(outcome, str):
            failed = True
            click.echo(f"lab {name}: {outcome}", err=True)
            continue
        click.echo(f"lab {name}: removed, {len(outcome.nodes)} nodes, {outcome.programs} programs ended")
        for foreign in outcome.foreign:
            click.echo(f"left alone: {foreign} has the name of a node, and not the lab's mark", err=True)
    if failed:
        raise click.exceptions.Exit(EXIT_CANNOT_RUN)
