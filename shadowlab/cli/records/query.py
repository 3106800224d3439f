"""``shadowlab query``: the indicators and the raw records of a run, by window."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shadowlab.cli.interrupt import Interrupt

if TYPE_CHECKING:
    from shadowlab.lab.recorded.asking import Asked
    from shadowlab.store.window import Window

AGGREGATES = ("mean", "min", "max", "sum", "last", "count", "p50", "p90", "p95", "p99")


def _moment(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """A moment of a run, in nanoseconds."""
    from shadowlab.model.units import parse_moment

    if value is None:
        return None
    try:
        return parse_moment(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from error


@click.command()
@click.argument("folder", metavar="RUN", type=click.Path(path_type=Path))
@click.argument("names", metavar="[KPI]...", nargs=-1)
@click.option("--list", "as_list", is_flag=True, help="What there is: indicators, subjects, record types.")
@click.option(
    "--subject",
    "patterns",
    multiple=True,
    metavar="NAME",
    help="A path (web->db) or a direction; * and ? fit anything.  May be given several times.",
)
@click.option(
    "--from", "from_ns", callback=_moment, metavar="TIME", help="Start of the window in network time: 1:30, 90 s."
)
@click.option("--to", "to_ns", callback=_moment, metavar="TIME", help="Its end.")
@click.option("--every", "every_ns", callback=_moment, metavar="TIME", help="Sum up in steps of this length.")
@click.option("--aggregate", type=click.Choice(AGGREGATES), default="mean", show_default=True, help="How.")
@click.option("--raw", metavar="TYPE", help="Raw records (probes, tcp, queues …) instead of indicators.")
@click.option("--follow", is_flag=True, help="Go on as the run goes on, to its end.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document to stdout.")
@click.option("--csv", "as_csv", is_flag=True, help="CSV to stdout.")
@click.option("--parquet", type=click.Path(path_type=Path), metavar="FILE", help="Into a Parquet file.")
@click.option("--prometheus", is_flag=True, help="Prometheus text with timestamps to stdout.")
@click.option("--zero", type=float, metavar="SECONDS", help="Unix time of the run's start in that text.  [default: 0]")
@click.pass_obj
def query(
    interrupt: Interrupt,
    folder: Path,
    names: tuple[str, ...],
    as_list: bool,
    patterns: tuple[str, ...],
    from_ns: int | None,
    to_ns: int | None,
    every_ns: int | None,
    aggregate: str,
    raw: str | None,
    follow: bool,
    as_json: bool,
    as_csv: bool,
    parquet: Path | None,
    prometheus: bool,
    zero: float | None,
) -> None:
    """Print indicators of RUN, the folder of a run that is over, goes on, or was killed; or of what a receiver stored.

    A value is labelled with the end of the time it sums up; what was not observed is empty.

    \b
    Examples:
      shadowlab query runs/abilene-incident-1 --list
      shadowlab query runs/abilene-incident-1 latency_ms loss --subject 'web->*' --from 1:00 --to 2:30 --every 10s
      shadowlab query runs/abilene-incident-1 latency_ms --every 1min --aggregate p95 --csv
      shadowlab query runs/abilene-incident-1 --raw tcp --from 59 --to 61 --json
      shadowlab query /var/lib/shadowlab/replicated srtt_ns --subject 'web:*' --every 1min
    """
    interrupt.nothing_to_lose()
    from shadowlab.lab.recorded.asking import open_asked
    from shadowlab.store.window import Window

    _check(as_list, follow, raw, names, (as_json, as_csv, parquet is not None, prometheus), every_ns)
    if from_ns is not None and to_ns is not None and to_ns <= from_ns:
        raise click.BadParameter("the window ends before it begins", param_hint="--to")
    recorded = open_asked(folder)
    window = Window(from_ns=from_ns, to_ns=to_ns, every_ns=every_ns, aggregate=aggregate)
    if as_list:
        from shadowlab.cli.records.listing import show_list

        show_list(recorded, as_json=as_json)
    elif follow:
        from shadowlab.cli.records.follow import follow_run

        follow_run(folder, names, patterns, window, as_csv=as_csv)
    elif raw is not None:
        _show_raw(recorded, raw, patterns, window, as_json=as_json, as_csv=as_csv, parquet=parquet)
    elif prometheus:
        from shadowlab.store.prometheus import prometheus_text

        zero_ns = recorded.zero_ns if zero is None else round(zero * 1e9)
        sys.stdout.writelines(prometheus_text(recorded.ask(names, patterns, window), zero_ns))
    else:
        _show(recorded, names, patterns, window, as_json=as_json, as_csv=as_csv, parquet=parquet)


def _check(
    as_list: bool,
    follow: bool,
    raw: str | None,
    names: tuple[str, ...],
    forms: tuple[bool, bool, bool, bool],
    every_ns: int | None,
) -> None:
    """Refuse what contradicts itself."""
    as_json, as_csv, parquet, prometheus = forms
    if sum(forms) > 1:
        raise click.UsageError("choose one of --json, --csv, --parquet and --prometheus")
    if as_list and (names or as_csv or parquet or prometheus or follow or raw):
        raise click.UsageError("--list goes with --json only, and lists everything")
    if follow and (as_json or parquet or prometheus or raw):
        raise click.UsageError("--follow prints a table, or CSV with --csv")
    if raw is not None and (names or every_ns is not None or prometheus):
        raise click.UsageError("--raw gives whole records: no indicators, no --every, no --prometheus")
    if every_ns is not None and every_ns <= 0:
        raise click.BadParameter("a step must be longer than nothing", param_hint="--every")


def _show(
    recorded: Asked,
    names: tuple[str, ...],
    patterns: tuple[str, ...],
    window: Window,
    *,
    as_json: bool,
    as_csv: bool,
    parquet: Path | None,
) -> None:
    from shadowlab.cli.records.shown import print_sheet
    from shadowlab.store.sheet import sheet_of_tables

    tables = recorded.ask(names, patterns, window)
    about = {
        "run": str(recorded.folder),
        "from_s": None if window.from_ns is None else window.from_ns / 1e9,
        "to_s": None if window.to_ns is None else window.to_ns / 1e9,
        "every_s": None if window.every_ns is None else window.every_ns / 1e9,
        "aggregate": None if window.every_ns is None else window.aggregate,
    }
    print_sheet(sheet_of_tables(list(tables.values())), about, as_json=as_json, as_csv=as_csv, parquet=parquet)


def _show_raw(
    recorded: Asked,
    raw: str,
    patterns: tuple[str, ...],
    window: Window,
    *,
    as_json: bool,
    as_csv: bool,
    parquet: Path | None,
) -> None:
    from shadowlab.cli.records.shown import print_sheet

    sheet, damaged = recorded.raw(raw, patterns, window.from_ns, window.to_ns)
    if damaged:
        click.echo(f"shadowlab: {damaged} bytes of the {raw} records are damaged and left out", err=True)
    about = {"run": str(recorded.folder), "record": raw, "damaged_bytes": damaged}
    print_sheet(sheet, about, as_json=as_json, as_csv=as_csv, parquet=parquet)
