"""Options that the farm's services share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from shadowlab.lab.farm.credentials import Credentials

_F = TypeVar("_F", bound=Callable[..., Any])


def member_options(function: _F) -> _F:
    """``--tls``, ``--insecure-loopback``."""
    for option in (
        click.option(
            "--insecure-loopback",
            is_flag=True,
            help="No TLS, on 127.0.0.1 only: every user of this machine may then run code as you.",
        ),
        click.option(
            "--tls",
            type=click.Path(path_type=Path),
            metavar="FOLDER",
            help="What `farm ca issue` made for this member.",
        ),
    ):
        function = option(function)
    return function


def member(tls: Path | None, insecure_loopback: bool, host: str) -> Credentials | None:
    """Who we are; None without TLS.  Raises InputError, UsageError."""
    from shadowlab.errors import InputError
    from shadowlab.lab.farm.credentials import is_loopback, read_credentials

    if (tls is None) == (not insecure_loopback):
        raise click.UsageError("state --tls FOLDER (see `shadowlab farm ca`), or --insecure-loopback")
    if tls is not None:
        return read_credentials(tls)
    if not is_loopback(host):
        raise InputError(f"--insecure-loopback: {host} is not an address of this machine's loopback")
    return None


def say(words: str) -> None:
    """A line of a service's log."""
    click.echo(f"shadowlab: {words}", err=True)
