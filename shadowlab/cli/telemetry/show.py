"""``shadowlab telemetry show``: records as a table, or as JSON."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from shadowlab.cli.interrupt import Interrupt
from shadowlab.cli.telemetry.options import opened, reading_options, say_what_was_left, wait_unless
from shadowlab.errors import InputError
from shadowlab.model.telemetry import TcpRecord
from shadowlab.model.units import NS_PER_S, format_duration, format_rate
from shadowlab.telemetry.sources.jsonl import line_of

_UNKNOWN = "–"
_COLUMNS = (
    ("time", 20),
    ("instance", 16),
    ("local", 24),
    ("peer", 24),
    ("state", 10),
    ("control", 7),
    ("srtt", 9),
    ("min rtt", 9),
    ("cwnd", 6),
    ("acked", 12),
    ("received", 12),
    ("retrans", 7),
    ("rate", 12),
)


@click.command("show")
@click.argument("source", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--limit", type=click.IntRange(min=0), default=50, show_default=True, help="Records to show; 0 for all.")
@click.option("--follow", is_flag=True, help="Go on as FILE grows, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document to stdout.")
@reading_options
@click.pass_obj
def command(
    interrupt: Interrupt,
    source: Path,
    limit: int,
    follow: bool,
    as_json: bool,
    format_name: str | None,
    instance: str,
    at: str | None,
    interval: str | None,
) -> None:
    """Print the records of FILE, one line each; what a record does not know is shown as a dash.

    \b
    Examples:
      shadowlab telemetry show before.ss
      ss -tinOHm | shadowlab telemetry show --instance web --at "$(date +%s)" -
    """
    if follow and as_json:
        raise InputError("--follow has no end and one JSON document has one: convert to - gives JSON lines")
    interrupt.nothing_to_lose()
    wait = wait_unless(interrupt.asked) if follow else None
    shown = 0
    with opened(source, format_name=format_name, instance=instance, at=at, interval=interval, follow=wait) as (
        reading,
        tick,
    ):
        click.echo('{"records": [' if as_json else _header(), nl=not as_json)
        for record in reading.records:
            tick()
            if limit and not follow and shown >= limit:
                continue  # read on: the count and the faults are of the whole file
            if as_json:
                click.echo((", " if shown else "") + line_of(record), nl=False)
            else:
                click.echo(row(record))
                if follow:
                    sys.stdout.flush()
            shown += 1
        if as_json:
            click.echo(
                f'], "format": "{reading.format.name}", "total": {reading.tally.records}, '
                f'"unreadable": {reading.tally.unreadable}}}'
            )
        elif reading.tally.records > shown:
            click.echo(f"… and {reading.tally.records - shown} more; --limit 0 shows all", err=True)
    reading.check()
    say_what_was_left(reading)


def _header() -> str:
    return "  ".join(name.ljust(width) for name, width in _COLUMNS).rstrip()


def row(record: TcpRecord) -> str:
    """One line of the table."""
    moment = datetime.fromtimestamp(record.at_ns // NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    cells = (
        moment,
        record.instance or _UNKNOWN,
        _end(record.local_address, record.local_port),
        _end(record.peer_address or record.peer, record.peer_port),
        record.state if record.scope == "connection" else record.scope,
        record.congestion_control or _UNKNOWN,
        _duration(record.srtt_ns if record.srtt_ns is not None else record.rtt_mean_ns),
        _duration(record.min_rtt_ns),
        _count(record.cwnd_segments),
        _count(record.bytes_acked if record.bytes_acked is not None else record.bytes_sent),
        _count(record.bytes_received),
        _count(record.retransmits_total),
        _UNKNOWN if record.delivery_rate_bps is None else format_rate(record.delivery_rate_bps),
    )
    return "  ".join(_printable(cell).ljust(width) for cell, (_, width) in zip(cells, _COLUMNS, strict=True)).rstrip()


def _end(address: str, port: int) -> str:
    if not address:
        return _UNKNOWN if not port else f"{_UNKNOWN}:{port}"
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _duration(value_ns: int | None) -> str:
    return _UNKNOWN if value_ns is None else format_duration(value_ns)


def _count(value: int | None) -> str:
    return _UNKNOWN if value is None else str(value)


def _printable(cell: str) -> str:
    """A name from a file must not steer the terminal."""
    if cell.isprintable():
        return cell
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in cell)
