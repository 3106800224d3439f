"""The entry point: commands found by name and imported when called; errors become one message and an exit code.

In: the command line.  Out: an exit code (see :mod:`shadowlab.errors`).  Never: a traceback for bad input.
"""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from types import FrameType

import click

from shadowlab import __version__
from shadowlab.errors import EXIT_INTERRUPTED, ShadowLabError

_COMMANDS = {
    "run": ("shadowlab.cli.run", "Run a scenario: build the shadow, drive it, judge it, try the cures."),
    "plan": ("shadowlab.cli.plan", "Show what a scenario would build and what it would cost."),
    "kernel": ("shadowlab.cli.kernel", "Build, list and remove embedded kernels."),
}


class _Commands(click.Group):
    """A group that imports a command only when it is called, so that ``--help`` stays fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(import_module(_COMMANDS[cmd_name][0]), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_line) for name, (_, help_line) in _COMMANDS.items()])


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="shadowlab")
def shadowlab() -> None:
    """ShadowLab: a shadow of your network on a real Linux kernel.

    It is built from your topology map, driven by your replicated TCP data, and tells you what will go wrong, where, and
    which cure helps.

    \b
    Exit codes: 0 service levels hold, 1 they do not, 2 wrong input, 3 cannot run on this machine.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and end the process."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        shadowlab.main(args=arguments, prog_name="shadowlab", standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except ShadowLabError as error:
        click.echo(f"shadowlab: {error}", err=True)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("shadowlab: interrupted; nothing was left behind", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output went away; point stdout elsewhere so that the interpreter's last flush is quiet.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _terminated(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
