"""``shadowlab farm ca init|issue``: certificates for the members of a farm."""

from __future__ import annotations

from pathlib import Path

import click

_FOLDER = click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("farm-ca"),
    show_default=True,
    help="Where the authority lives.",
)


@click.group("ca")
def command() -> None:
    """Make the certificates by which the members of a farm know each other: scheduler, workers, whoever asks.

    It is another authority than that of `shadowlab ca`: its certificates mean the right to run code.

    \b
    Example:
      shadowlab farm ca init
      shadowlab farm ca issue boss rack-1 me
    """


@command.command()
@_FOLDER
def init(folder: Path) -> None:
    """Make an authority: its key and its certificate.

    \b
    Example:
      shadowlab farm ca init
    """
    from shadowlab.kernel.clock import KernelClock
    from shadowlab.replicate.authority import FARM_AUTHORITY, create_authority

    create_authority(folder, now_ns=KernelClock().wall_ns(), name=FARM_AUTHORITY)
    click.echo(f"{folder}/ca.pem")


@command.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option("--days", type=click.IntRange(1, 3650), default=398, show_default=True, help="How long it is valid.")
@_FOLDER
def issue(names: tuple[str, ...], days: int, folder: Path) -> None:
    """Make a certificate and key for each member NAME; the folders printed are what `--tls` wants on its machine.

    \b
    Example:
      shadowlab farm ca issue boss rack-1 me
    """
    from shadowlab.kernel.clock import KernelClock
    from shadowlab.replicate.authority import issue as make

    for name in names:
        issued = make(folder, name, server=False, farm=True, now_ns=KernelClock().wall_ns(), days=days)
        click.echo(f"{issued.folder}  serial {issued.serial:x}  until {issued.until:%F}")
