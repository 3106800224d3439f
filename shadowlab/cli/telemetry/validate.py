"""``shadowlab telemetry validate``: what cannot be read, where, and what is odd over time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from shadowlab.cli.interrupt import Interrupt
from shadowlab.cli.telemetry.options import opened, reading_facts, reading_options
from shadowlab.errors import EXIT_INPUT, EXIT_OK
from shadowlab.telemetry.survey.watch import Watch


@click.command("validate")
@click.argument("sources", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON document to stdout.")
@reading_options
@click.pass_obj
def command(
    interrupt: Interrupt,
    sources: tuple[Path, ...],
    as_json: bool,
    format_name: str | None,
    instance: str,
    at: str | None,
    interval: str | None,
) -> int:
    """Read the files from end to end and say what cannot be read, where and why, and what is odd over time.

    Exit code 2 if a part cannot be read, or nothing can; oddities (a clock that ran backwards, counters that fell) are
    told and are no error.

    \b
    Example:
      shadowlab telemetry validate before.ss
    """
    interrupt.nothing_to_lose()
    results = [_validate(source, format_name, instance, at, interval) for source in sources]
    good = all(one["unreadable"] == 0 and one["records"] for one in results)
    if as_json:
        click.echo(json.dumps({"valid": good, "files": results}, ensure_ascii=False, sort_keys=True))
    else:
        for one in results:
            _print(one)
    return EXIT_OK if good else EXIT_INPUT


def _validate(
    source: Path, format_name: str | None, instance: str, at: str | None, interval: str | None
) -> dict[str, Any]:
    watch = Watch()
    with opened(source, format_name=format_name, instance=instance, at=at, interval=interval) as (reading, tick):
        for record in reading.records:
            watch.grown(record)
            tick()
    return reading_facts(reading) | {"oddities": watch.counts, "oddity_places": watch.places}


def _print(one: dict[str, Any]) -> None:
    packing = f", {one['packing']}" if one["packing"] else ""
    click.echo(f"{one['name']}: {one['format']}{packing}: {one['records']} records, {one['unreadable']} unreadable")
    for fault in one["first_unreadable"]:
        click.echo(f"  {fault['place']}: {fault['message']}")
    if one["unreadable"] > len(one["first_unreadable"]):
        click.echo(f"  … and {one['unreadable'] - len(one['first_unreadable'])} more")
    for why, count in one["passed_over"].items():
        click.echo(f"  passed over, {count}: {why}")
    for what, count in one["oddities"].items():
        click.echo(f"  {what}: {count}")
        for place in one["oddity_places"].get(what, ()):
            click.echo(f"    {place}")
