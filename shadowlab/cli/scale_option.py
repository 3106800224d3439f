"""``--scale`` of ``run`` and ``plan``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from shadowlab.predict.fitting import Scale

_MOST = 1000


def _read(context: click.Context, option: click.Parameter, value: str) -> Scale:
    if value == "auto":
        return "auto"
    if value == "off":
        return "off"
    try:
        factor = float(value)
    except ValueError:
        factor = math.nan
    if not 1 <= factor <= _MOST:
        raise click.BadParameter(f"{value!r} is neither auto, off, nor a factor from 1 to {_MOST}", context, option)
    return factor


scale_option = click.option(
    "--scale",
    metavar="FACTOR|auto|off",
    callback=_read,
    default="auto",
    show_default=True,
    help="Divide rates, demands and buffers: by FACTOR whatever the budget; auto: as far as wall_budget needs; "
    "off: not at all, and refuse a run above it.",
)
