"""``shadowlab telemetry``: read, convert and judge files of telemetry; one file per sub-command.

In: the command line.  Out: the sub-command's work.  Never: an import before it is needed.
"""

from __future__ import annotations

from importlib import import_module

import click

_COMMANDS = {
    "convert": ("shadowlab.cli.telemetry.convert", "Convert telemetry of any format to JSON lines or Parquet."),
    "show": ("shadowlab.cli.telemetry.show", "Print records as a table."),
    "summary": ("shadowlab.cli.telemetry.summary", "Print what a file holds in a few figures."),
    "validate": ("shadowlab.cli.telemetry.validate", "Say what cannot be read, where, and what is odd over time."),
}


class _Telemetry(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(_COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_line) for name, (_, help_line) in _COMMANDS.items()])


@click.command(cls=_Telemetry)
def telemetry() -> None:
    """Read, convert and judge telemetry: what production's kernels know of their TCP.

    A file's format is found by its content; gzip, zstd and xz are unpacked on the way; "-" is standard input.

    \b
    Example:
      shadowlab telemetry summary before.ss
    """
