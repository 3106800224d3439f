"""``shadowlab ca init|issue|revoke``: certificates for a lab's replication."""

from __future__ import annotations

from pathlib import Path

import click

_FOLDER = click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("lab-ca"),
    show_default=True,
    help="Where the authority lives.",
)


@click.group()
def ca() -> None:
    """Make the certificates by which a lab's agents and receiver know each other.

    Production uses its own authority; an instance's certificate must carry the instance's name as its common name or
    as a DNS name.

    \b
    Example:
      shadowlab ca init
      shadowlab ca issue --server shadow.example
      shadowlab ca issue web
    """


@ca.command()
@_FOLDER
def init(folder: Path) -> None:
    """Make an authority: its key, its certificate, an empty list of revoked ones.

    \b
    Example:
      shadowlab ca init
    """
    from shadowlab.kernel.clock import KernelClock
    from shadowlab.replicate.authority import create_authority

    create_authority(folder, now_ns=KernelClock().wall_ns())
    click.echo(f"{folder}/ca.pem")


@ca.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option("--server", is_flag=True, help="NAME is a receiver's DNS name or address, not an instance.")
@click.option("--days", type=click.IntRange(1, 3650), default=398, show_default=True, help="How long it is valid.")
@_FOLDER
def issue(names: tuple[str, ...], server: bool, days: int, folder: Path) -> None:
    """Make a certificate, key and token for each instance NAME; the folders printed are what the agents need.

    \b
    Examples:
      shadowlab ca issue web-1 web-2
      shadowlab ca issue shadow.example.net --server
    """
    from shadowlab.kernel.clock import KernelClock
    from shadowlab.replicate.authority import issue as make

    for name in names:
        issued = make(folder, name, server=server, now_ns=KernelClock().wall_ns(), days=days)
        click.echo(f"{issued.folder}  serial {issued.serial:x}  until {issued.until:%F}")


@ca.command()
@click.argument("name")
@_FOLDER
def revoke(name: str, folder: Path) -> None:
    """Revoke every certificate of NAME, and its token; a receiver that reads the list knows at once.

    \b
    Example:
      shadowlab ca revoke web-1
    """
    from shadowlab.kernel.clock import KernelClock
    from shadowlab.replicate.authority import revoke as withdraw

    for serial in withdraw(folder, name, now_ns=KernelClock().wall_ns()):
        click.echo(f"revoked {serial:x}")
