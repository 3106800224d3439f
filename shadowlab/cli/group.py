"""A group of commands, each imported when it is called, so that ``--help`` stays fast.

In: for each command its module and its line of help.  Out: what click needs of a group.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import ClassVar

import click


class LazyGroup(click.Group):
    """``commands_at``: name to module, help line, and the name that the command has in its module."""

    commands_at: ClassVar[Mapping[str, tuple[str, str, str]]] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands_at)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.commands_at:
            return None
        module, _, name = self.commands_at[cmd_name]
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line, _) in self.commands_at.items()])


def lazy_group(commands: Mapping[str, tuple[str, str]]) -> type[LazyGroup]:
    """The class of a group whose commands are each called ``command`` in their modules."""
    found = {name: (module, line, "command") for name, (module, line) in commands.items()}
    return type("Lazy", (LazyGroup,), {"commands_at": found})
