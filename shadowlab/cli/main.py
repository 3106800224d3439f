"""The entry point: errors and exit codes; the commands stand in :mod:`shadowlab.cli.commands`.

In: the command line.  Out: an exit code (see :mod:`shadowlab.errors`).  Never: a traceback for bad input or Ctrl-C;
exit code 1 for anything but broken service levels.  Imports little: until :func:`main` runs, Ctrl-C is Python's.
"""

from __future__ import annotations

import os
import signal
import sys

from shadowlab.cli.interrupt import EXIT_INTERRUPTED, Interrupt

_COMPLETION = "_SHADOWLAB_COMPLETE"
"""In the environment when the shell asks what to complete."""
_READER_GONE = 128 + signal.SIGPIPE
"""As for any program whose output nobody reads any more."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and end the process."""
    if os.geteuid() == 0:
        from shadowlab.kernel.rights.privileges import COMMAND, keep_only

        keep_only(COMMAND)
    interrupt = Interrupt()
    interrupt.install()
    try:
        code = _run(arguments, interrupt)
    except SystemExit as ended:  # click's way out: the shell's completion is served, or nobody reads our output
        code = int(ended.code or 0) if _COMPLETION in os.environ else _READER_GONE
    except BaseException as error:  # noqa: BLE001 - every way out of the program ends in an exit code that tells it
        if interrupt.asked():  # whatever became of the interrupt on its way here: libraries wrap it
            interrupt.say()
            code = EXIT_INTERRUPTED
        else:
            code = _tell(error)
    interrupt.ignore()
    sys.exit(code)


def _run(arguments: list[str] | None, interrupt: Interrupt) -> int:
    from shadowlab.cli.commands import shadowlab

    code = shadowlab.main(args=arguments, prog_name="shadowlab", standalone_mode=False, obj=interrupt)
    sys.stdout.flush()
    return code if isinstance(code, int) else 0


def _tell(error: BaseException) -> int:
    """Say what went wrong; the exit code that tells it."""
    import click

    from shadowlab.errors import EXIT_CANNOT_RUN, ShadowLabError

    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    if isinstance(error, ShadowLabError):
        click.echo(f"shadowlab: {error}", err=True)
        return error.exit_code
    if isinstance(error, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes once more
        return _READER_GONE
    sys.excepthook(type(error), error, error.__traceback__)
    click.echo("shadowlab: this is a defect of ShadowLab; please report it with the lines above", err=True)
    return EXIT_CANNOT_RUN
