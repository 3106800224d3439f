"""``shadowlab farm worker``: this machine's cores for sweeps of others."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

import click

from shadowlab.cli.farm.options import member, member_options, say
from shadowlab.cli.interrupt import Interrupt

_MIB = 1 << 20


@click.command("worker")
@click.option("--scheduler", required=True, metavar="tls://HOST:PORT", help="Where the farm meets.")
@click.option("--cores", type=click.IntRange(1, 4096), help="How many errands at a time.  [default: all cores]")
@click.option(
    "--memory",
    type=click.IntRange(64),
    metavar="MIB",
    help="For each errand.  [default: its share of 80 % of what is free]",
)
@click.option(
    "--host", default="", metavar="ADDRESS", help="This machine's address for the others.  [default: as it goes]"
)
@click.option("--name", metavar="NAME", help="In the log.  [default: the host's name]")
@member_options
@click.pass_obj
def command(
    interrupt: Interrupt,
    scheduler: str,
    cores: int | None,
    memory: int | None,
    host: str,
    name: str | None,
    tls: Path | None,
    insecure_loopback: bool,
) -> None:
    """Run errands of sweeps, one on each core, until interrupted.

    A worker's process that dies is started again, at most ten times in a row and more slowly each time.  The embedded
    kernel of a sweep is sent along where this machine does not have it.

    \b
    Example:
      shadowlab farm worker --scheduler tls://boss.example:8786 --tls farm-ca/rack-1
    """
    interrupt.something_to_lose()
    from shadowlab.errors import InputError
    from shadowlab.kernel.examine.memory import free_bytes
    from shadowlab.lab.farm.core import Core
    from shadowlab.lab.farm.credentials import scheduler_address
    from shadowlab.lab.farm.serving import supervise

    credentials = member(tls, insecure_loopback, host or (urlsplit(scheduler).hostname or ""))
    address = scheduler_address(scheduler, credentials)
    mine = sorted(os.sched_getaffinity(0))
    if cores is not None and cores > len(mine):
        raise InputError(f"--cores {cores}: this machine has {len(mine)}")
    chosen = mine[:cores]
    each = memory * _MIB if memory is not None else int(free_bytes() * 0.8) // len(chosen)
    supervise(
        [
            Core(
                scheduler=address,
                credentials=str(tls.resolve()) if tls is not None else "",
                core=core,
                name=f"{name or os.uname().nodename}-{core}",
                host=host or ("127.0.0.1" if insecure_loopback else ""),
                memory_bytes=each,
                scratch="",
            )
            for core in chosen
        ],
        say,
        interrupt.asked,
    )
    interrupt.nothing_to_lose()
