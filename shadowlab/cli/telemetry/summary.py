"""``shadowlab telemetry summary``: what files hold, in a few figures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import click

from shadowlab.cli.interrupt import Interrupt
from shadowlab.cli.telemetry.options import opened, reading_facts, reading_options, say_what_was_left
from shadowlab.model.plain import to_plain
from shadowlab.model.units import NS_PER_S, format_duration
from shadowlab.telemetry.survey.summary import Spread, Summarizer, Summary

_NAMED = 8


@click.command("summary")
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
) -> None:
    """Summarise the files: instances, connections, times, round-trip times, retransmissions, what is known.

    Memory stays bounded whatever the files' size; above 10 000 connections their number is an estimate.

    \b
    Example:
      shadowlab telemetry summary before.ss
    """
    interrupt.nothing_to_lose()
    summarizer = Summarizer()
    facts = []
    for source in sources:
        with opened(source, format_name=format_name, instance=instance, at=at, interval=interval) as (reading, tick):
            for record in reading.records:
                summarizer.add(record)
                tick()
        reading.check()
        facts.append(reading_facts(reading))
        if not as_json:
            packing = f", {reading.packed.packing}" if reading.packed.packing else ""
            click.echo(f"{reading.name}: {reading.format.title}{packing}")
            say_what_was_left(reading)
    summary = summarizer.result()
    if as_json:
        document = to_plain(summary) | {"sources": facts}
        del document["is"]
        click.echo(json.dumps(document, ensure_ascii=False, sort_keys=True))
    else:
        _print(summary)


def _print(summary: Summary) -> None:
    connections, instances, peers = (
        f"{'about ' if name in summary.estimated else ''}{getattr(summary, name)} {name}"
        for name in ("connections", "instances", "peers")
    )
    click.echo(f"{summary.records} records of {connections} between {instances} and {peers}")
    if summary.first_ns is not None and summary.last_ns is not None:
        span = format_duration(summary.last_ns - summary.first_ns)
        click.echo(f"from {_time(summary.first_ns)} to {_time(summary.last_ns)}, {span}")
    for title, counts in (
        ("instances", summary.by_instance),
        ("scopes", summary.by_scope),
        ("states", summary.by_state),
        ("congestion control", summary.by_congestion_control),
    ):
        if counts:
            click.echo(f"{title}: {_named(counts)}")
    for title, spread in (("srtt", summary.srtt_ns), ("min rtt", summary.min_rtt_ns)):
        if spread.records:
            click.echo(f"{title}: {_spread(spread)}, of {spread.records} records")
    grown = summary.grown
    if "bytes_acked" in grown or "bytes_received" in grown:
        click.echo(
            f"between the records: {grown.get('bytes_acked', 0)} bytes acknowledged, {grown.get('bytes_received', 0)} "
            "received"
        )
    if grown.get("data_segments_out"):
        again, sent = grown.get("retransmits_total", 0), grown["data_segments_out"]
        click.echo(f"retransmitted: {again} of {sent} data segments, {again / sent:.3%}")
    missing = [name for name in ("srtt_ns", "bytes_acked", "retransmits_total", "busy_ns") if name not in summary.known]
    if missing:
        click.echo(f"known of no record: {', '.join(missing)}")
    for what, count in summary.oddities.items():
        click.echo(f"{what}: {count}")


def _spread(spread: Spread) -> str:
    parts = (("median", spread.p50), ("p95", spread.p95), ("p99", spread.p99))
    return ", ".join(f"{name} {format_duration(value)}" for name, value in parts if value is not None)


def _named(counts: Mapping[str, int]) -> str:
    first = list(counts.items())[:_NAMED]
    more = f" and {len(counts) - _NAMED} more" if len(counts) > _NAMED else ""
    return ", ".join(f"{name or '(unnamed)'} {count}" for name, count in first) + more


def _time(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns // NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
