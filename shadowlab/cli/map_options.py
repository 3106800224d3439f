"""The options that say how to read a map; any command that takes a map may have them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from shadowlab.model.network import Network

_F = TypeVar("_F", bound=Callable[..., Any])


def map_options(function: _F) -> _F:
    """``--format``, ``--hosts-per-router``, ``--largest-component``, ``--rate-scale``; see :func:`read`."""
    for option in (
        click.option("--rate-scale", type=float, metavar="X", help="Divide every rate by X (not of our own maps)."),
        click.option("--largest-component", is_flag=True, help="Of a map in pieces, take the largest."),
        click.option(
            "--hosts-per-router",
            type=int,
            metavar="N",
            help="Attach N instances to each router; left out: one if the map has no instance.",
        ),
        click.option("--format", "format_key", metavar="NAME", help="Do not look at the content to find the format."),
    ):
        function = option(function)
    return function


def read(
    path: Path,
    *,
    format_key: str | None,
    hosts_per_router: int | None,
    largest_component: bool,
    rate_scale: float | None,
) -> Network:
    """The network of a map.  Raises InputError for a wrong map, or for a wrong option."""
    from shadowlab.errors import InputError
    from shadowlab.topology.formats import MapOptions, load_map

    try:
        options = MapOptions(
            hosts_per_router=hosts_per_router, largest_component=largest_component, rate_scale=rate_scale or 1.0
        )
    except ValueError as error:
        raise InputError(str(error)) from error
    return load_map(path, options=options, format_key=format_key)
