"""``shadowlab topology diff``: what differs between two maps."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from shadowlab.cli.interrupt import Interrupt
from shadowlab.cli.map_options import map_options, read


@click.command()
@click.argument("old_path", metavar="OLD", type=click.Path(path_type=Path))
@click.argument("new_path", metavar="NEW", type=click.Path(path_type=Path))
@map_options
@click.option("--json", "as_json", is_flag=True, help="One JSON document to stdout.")
@click.pass_obj
def command(interrupt: Interrupt, /, old_path: Path, new_path: Path, as_json: bool, **options: Any) -> int:
    """Say what of OLD differs in NEW, whatever formats they are in.  Exit code 1 if anything does.

    \b
    Example:
      shadowlab topology diff yesterday.yaml today.yaml
    """
    interrupt.nothing_to_lose()
    from shadowlab.errors import EXIT_LEVELS_BROKEN, EXIT_OK
    from shadowlab.model.plain import to_plain
    from shadowlab.topology.review.compare import compare

    found = compare(read(old_path, **options), read(new_path, **options))
    if as_json:
        json.dump({"differences": to_plain(found)}, sys.stdout, ensure_ascii=False, sort_keys=True)
        sys.stdout.write("\n")
    else:
        for one in found:
            click.echo(one.describe())
        if not found:
            click.echo("The maps are the same.")
    return EXIT_LEVELS_BROKEN if found else EXIT_OK
