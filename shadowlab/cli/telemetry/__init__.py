"""``shadowlab telemetry``: read, convert and judge files of telemetry; one file per sub-command.

In: the command line.  Out: the sub-command's work.  Never: an import before it is needed.
"""

from __future__ import annotations

import click

from shadowlab.cli.group import lazy_group

_COMMANDS = {
    "attach": ("shadowlab.cli.telemetry.attach", "Say which records belong where on a map, and by which ways."),
    "convert": ("shadowlab.cli.telemetry.convert", "Convert telemetry of any format to JSON lines or Parquet."),
    "fetch": ("shadowlab.cli.telemetry.fetch", "Ask Prometheus for a range of time, and write the records."),
    "show": ("shadowlab.cli.telemetry.show", "Print records as a table."),
    "summary": ("shadowlab.cli.telemetry.summary", "Print what a file holds in a few figures."),
    "validate": ("shadowlab.cli.telemetry.validate", "Say what cannot be read, where, and what is odd over time."),
}


@click.command(cls=lazy_group(_COMMANDS))
def telemetry() -> None:
    """Read, convert and judge telemetry: what production's kernels know of their TCP.

    A file's format is found by its content; gzip, zstd and xz are unpacked on the way; "-" is standard input.

    \b
    Example:
      shadowlab telemetry summary before.ss
    """
