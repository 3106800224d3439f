"""``shadowlab forecast``: demand to come, and what it does to the service levels."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from shadowlab.cli.ahead.options import duration, place_options, question_options
from shadowlab.cli.interrupt import Interrupt
from shadowlab.errors import EXIT_LEVELS_BROKEN

if TYPE_CHECKING:
    from shadowlab.lab.ahead.opening import Subject
    from shadowlab.lab.ahead.whatif import Effort


@click.command()
@question_options(least_runs=1, most_runs=2)
@click.option(
    "--history",
    type=click.Path(path_type=Path),
    required=True,
    help="Demand of the last days: a CSV file of series, or telemetry.",
)
@click.option(
    "--by",
    type=click.Choice(["total", "service", "pair"]),
    default="total",
    show_default=True,
    help="The series that telemetry is made into.",
)
@click.option("--horizon", default="6h", show_default=True, callback=duration, metavar="TIME", help="How far ahead.")
@click.option("--step", callback=duration, metavar="TIME", help="Of the series.  [default: that of the history]")
@click.option(
    "--moments",
    type=click.IntRange(1, 48),
    default=4,
    show_default=True,
    help="At so many moments the network is run, at three quantiles of demand each.",
)
@click.option(
    "--model",
    type=click.Choice(["auto", "seasonal-naive", "holt-winters", "robust-trend", "library"]),
    default="auto",
    show_default=True,
    help="auto: the one that would have been best; library needs the extra `forecast`.",
)
@click.option("--demand-only", is_flag=True, help="Forecast the demand and run nothing.")
@place_options
@click.pass_obj
def forecast(
    interrupt: Interrupt,
    about: Subject,
    effort: Effort,
    history: Path,
    by: Literal["total", "service", "pair"],
    horizon: int,
    step: int | None,
    moments: int,
    model: str,
    demand_only: bool,
    kernel: Literal["auto", "embedded", "host"],
    clock: Literal["auto", "virtual", "real"],
    as_json: bool,
    quiet: bool,
) -> None:
    """Forecast the demand of MAP, SCENARIO or RUN and tell which service level it breaks, and when.

    \b
    Examples:
      shadowlab forecast topologies/abilene-incident.yaml --history demand.csv
      shadowlab forecast topologies/abilene-incident.yaml --history demand.csv --horizon 1h --demand-only
    """
    interrupt.nothing_to_lose()
    from rich.console import Console

    from shadowlab.cli.progress import shown_progress
    from shadowlab.lab.ahead.demand import forecasts_of
    from shadowlab.lab.ahead.foresee import foresee
    from shadowlab.lab.ahead.opening import inquiry
    from shadowlab.report.ahead.forecast import forecast_json, render_forecasts, render_foresight

    with shown_progress(quiet=quiet) as progress:
        progress.stage("read the history and try the models on it")
        asked = about.open()
        found = forecasts_of(
            history,
            asked,
            by=by,
            step_s=None if step is None else step / 1e9,
            horizon_s=horizon / 1e9,
            model=model,
        )
        ahead = None
        if not demand_only:
            with inquiry(asked, effort, kernel=kernel, clock=clock, progress=progress, interrupt=interrupt) as made:
                ask, overall = made
                ahead = foresee(
                    ask,
                    found,
                    horizon_s=horizon / 1e9,
                    moments=moments,
                    on_round=lambda number, runs: overall.round(f"round {number}: {runs} runs", runs),
                )
    interrupt.nothing_to_lose()
    if as_json:
        sys.stdout.write(forecast_json(found, ahead))
    else:
        console = Console()
        if ahead is not None:
            render_foresight(ahead, console)
        render_forecasts(found, horizon / 1e9, console)
    if ahead is not None and (ahead.violations or ahead.broken_now):
        raise click.exceptions.Exit(EXIT_LEVELS_BROKEN)
