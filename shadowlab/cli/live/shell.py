"""``shadowlab shell``: a shell in a node."""

from __future__ import annotations

import os

import click

from shadowlab.cli.live.options import complete_node, lab_option


@click.command("shell")
@lab_option
@click.argument("node", shell_complete=complete_node)
def command(lab: str | None, node: str) -> None:
    """Open your shell ($SHELL) in NODE, on your terminal.

    \b
    Example:
      shadowlab shell web-1
    """
    from shadowlab.lab.live.attach import attach

    raise click.exceptions.Exit(attach(lab, node, (os.environ.get("SHELL") or "/bin/sh",)))
