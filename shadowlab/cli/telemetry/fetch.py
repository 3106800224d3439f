"""``shadowlab telemetry fetch``: what Prometheus knows of a range of time, as a file that runs and calibration read."""

from __future__ import annotations

import json
from pathlib import Path

import click

from shadowlab.cli.interrupt import EXIT_INTERRUPTED, Interrupt
from shadowlab.errors import InputError
from shadowlab.model.units import NS_PER_S, parse_duration
from shadowlab.telemetry.addresses import parse_moment
from shadowlab.telemetry.writing import STDOUT, kind_of, open_writer

_SHOWN_PLACES = 5


@click.command("fetch")
@click.argument("source", metavar="SOURCE", type=click.Path(path_type=Path))
@click.argument("target", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--from", "begin", metavar="TIME", help="ISO 8601 or Unix seconds; else --last before --to.")
@click.option("--to", "end", metavar="TIME", help="ISO 8601 or Unix seconds; else now.")
@click.option("--last", default="10 min", show_default=True, metavar="DURATION", help="How long before --to.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document about what came, to stdout.")
@click.pass_obj
def command(
    interrupt: Interrupt, source: Path, target: Path, begin: str | None, end: str | None, last: str, as_json: bool
) -> int:
    """Ask Prometheus, as the file SOURCE says, and write the records to OUT: .jsonl, .jsonl.zst or .parquet.

    A run and a calibration read OUT, not Prometheus: so they can be repeated.

    \b
    Examples:
      shadowlab telemetry fetch prometheus.yaml before.jsonl.zst --last "30 min"
      shadowlab telemetry fetch prometheus.yaml day.parquet --from 2026-11-20T06:00Z --to 2026-11-20T07:00Z
    """
    from shadowlab.kernel.clock import KernelClock
    from shadowlab.lab.inputs.prometheus_source import load_prometheus
    from shadowlab.telemetry.live.prometheus import aligned, ask
    from shadowlab.telemetry.tally import Tally

    if as_json and target == STDOUT:
        raise InputError("--json and the records cannot both go to standard output; name a file")
    found, clock = load_prometheus(source), KernelClock()
    to_ns = aligned(_moment("--to", end) if end else clock.wall_ns(), found.step_ns)
    from_ns = _moment("--from", begin) if begin else to_ns - _length(last)
    from_ns = aligned(from_ns, found.step_ns)
    if from_ns > to_ns:
        raise InputError("--from lies after --to: nothing lies between")
    if (to_ns - from_ns) // NS_PER_S > 366 * 86_400:
        raise InputError("--from and --to are more than a year apart: ask for less")
    interrupt.something_to_lose()
    tally, count = Tally(found.site.base), 0
    with open_writer(target, "parquet" if kind_of(target) == "parquet" else "jsonl") as writer:
        for record in ask(found, from_ns, to_ns, now_ns=clock.now_ns, tally=tally):
            writer.write(record)
            count += 1
            if interrupt.asked():
                interrupt.say()
                raise click.exceptions.Exit(EXIT_INTERRUPTED)
        for fault in tally.places[:_SHOWN_PLACES]:
            click.echo(f"  {fault}", err=True)
        for why, passed in tally.passed_over.items():
            click.echo(f"{tally.name}: passed over, {passed}: {why}", err=True)
        if not count:
            raise InputError(
                f"{tally.name} knows no TCP figures between the two moments: "
                "do the queries give series, and is its data as old as --from?"
            )
    if as_json:
        facts = {
            "target": str(target),
            "url": tally.name,
            "records": count,
            "unreadable": tally.unreadable,
            "passed_over": tally.passed_over,
        }
        click.echo(json.dumps(facts, ensure_ascii=False, sort_keys=True))
    elif target != STDOUT:
        click.echo(f"{target}: {count} records", err=True)
    return 0


def _moment(option: str, text: str) -> int:
    try:
        return parse_moment(text)
    except ValueError as error:
        raise InputError(f"{option}: {error}") from None


def _length(text: str) -> int:
    try:
        length_ns = parse_duration(text)
    except ValueError as error:
        raise InputError(f"--last: {error}") from None
    if length_ns <= 0:
        raise InputError("--last: it must be longer than nothing, as 10min")
    return length_ns
