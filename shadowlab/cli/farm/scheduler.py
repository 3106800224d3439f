"""``shadowlab farm scheduler``: where workers and sweeps meet."""

from __future__ import annotations

from pathlib import Path

import click

from shadowlab.cli.farm.options import member, member_options, say
from shadowlab.cli.interrupt import Interrupt


@click.command("scheduler")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8786, show_default=True, help="0: any that is free.")
@member_options
@click.pass_obj
def command(interrupt: Interrupt, host: str, port: int, tls: Path | None, insecure_loopback: bool) -> None:
    """Serve as the farm's meeting point until interrupted.  It runs no errands itself.

    \b
    Example:
      shadowlab farm scheduler --tls farm-ca/boss --host 0.0.0.0
    """
    interrupt.something_to_lose()
    from shadowlab.lab.farm.serving import serve_scheduler

    serve_scheduler(host, port, member(tls, insecure_loopback, host), say, interrupt.asked)
    interrupt.nothing_to_lose()
