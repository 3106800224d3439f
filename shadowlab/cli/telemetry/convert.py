"""``shadowlab telemetry convert``: any format into JSON lines or Parquet."""

from __future__ import annotations

import json
from pathlib import Path

import click

from shadowlab.cli.interrupt import EXIT_INTERRUPTED, Interrupt
from shadowlab.cli.telemetry.options import (
    opened,
    reading_facts,
    reading_options,
    say_what_was_left,
    wait_unless,
)
from shadowlab.errors import InputError
from shadowlab.telemetry.writing import STDOUT, kind_of, open_writer


@click.command("convert")
@click.argument("sources", metavar="IN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.argument("target", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--to", "kind", type=click.Choice(["jsonl", "parquet"]), help="The format to write; else by OUT's name.")
@click.option("--follow", is_flag=True, help="Go on reading as IN grows, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document about the conversion to stdout.")
@reading_options
@click.pass_obj
def command(
    interrupt: Interrupt,
    sources: tuple[Path, ...],
    target: Path,
    kind: str | None,
    follow: bool,
    as_json: bool,
    format_name: str | None,
    instance: str,
    at: str | None,
    interval: str | None,
) -> int:
    """Convert the files IN, of any format, to one file OUT of ours; "-" is standard input or output.

    OUT is JSON lines (.jsonl, .jsonl.gz, .jsonl.zst) or Parquet (.parquet).  What cannot be read is counted and named,
    and the rest is kept.

    \b
    Examples:
      shadowlab telemetry convert before.ss before.jsonl.zst
      ss -tinOHm | shadowlab telemetry convert --instance web --at "$(date +%s)" - now.jsonl
    """
    if follow and len(sources) != 1:
        raise InputError("--follow reads one file")
    if as_json and target == STDOUT:
        raise InputError("--json and the records cannot both go to standard output; name a file")
    interrupt.something_to_lose()
    wait = wait_unless(interrupt.asked)
    facts = []
    with open_writer(target, "parquet" if (kind or kind_of(target)) == "parquet" else "jsonl") as writer:

        def pause() -> bool:
            writer.flush()
            return wait()

        going_on = pause if follow else None
        for source in sources:
            with opened(
                source, format_name=format_name, instance=instance, at=at, interval=interval, follow=going_on
            ) as (reading, tick):
                for record in reading.records:
                    writer.write(record)
                    tick()
                    if interrupt.asked():
                        break
            if not follow and interrupt.asked():
                interrupt.say()
                raise click.exceptions.Exit(EXIT_INTERRUPTED)
            if not follow:
                reading.check()
            say_what_was_left(reading)
            facts.append(reading_facts(reading))
    if as_json:
        click.echo(json.dumps({"target": str(target), "sources": facts}, ensure_ascii=False, sort_keys=True))
    elif target != STDOUT:
        click.echo(f"{target}: {sum(one['records'] for one in facts)} records", err=True)
    return 0
