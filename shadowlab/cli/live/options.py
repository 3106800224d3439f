"""Options and completions that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

_F = TypeVar("_F", bound=Callable[..., Any])


def complete_lab(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of labs, for the shell."""
    from shadowlab.lab.live.folder import lab_names

    return [name for name in lab_names() if name.startswith(incomplete)]


def _complete(kind: str) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    def complete(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
        from shadowlab.errors import ShadowLabError
        from shadowlab.lab.live.folder import only_name
        from shadowlab.lab.live.lab import LiveLab

        try:
            shape = LiveLab(only_name(context.params.get("lab"))).account().shape
        except ShadowLabError:
            return []
        return [name for name in (shape.nodes if kind == "node" else shape.links) if name.startswith(incomplete)]

    return complete


complete_node = _complete("node")
complete_link = _complete("link")


def complete_setting(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Keys that ``set`` takes, for the shell."""
    from shadowlab.lab.live.settings import KEYS

    return [f"{key}=" for key in KEYS if key.startswith(incomplete)]


def lab_option(command: _F) -> _F:
    """``--lab NAME``; without it the only lab there is."""
    return click.option(
        "--lab", metavar="NAME", shell_complete=complete_lab, help="The lab; without it the only one there is."
    )(command)
