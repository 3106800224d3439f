"""``shadowlab run``: a scenario from map to report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from shadowlab.cli.interrupt import Interrupt
from shadowlab.cli.scale_option import scale_option
from shadowlab.errors import EXIT_LEVELS_BROKEN

if TYPE_CHECKING:
    from shadowlab.predict.fitting import Scale

_MOST_LATE_NS = 10**9


def _late(ctx: click.Context, param: click.Parameter, value: str | None) -> int:
    from shadowlab.model.units import parse_duration
    from shadowlab.monitor.void_windows import LATE_NS

    if value is None:
        return LATE_NS
    try:
        late_ns = parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from error
    if not 0 < late_ns < _MOST_LATE_NS:
        raise click.BadParameter("must be above 0 and below 1 s, the length of a window", ctx, param)
    return late_ns


@click.command()
@click.argument("scenario", type=click.Path(path_type=Path))
@click.option(
    "--kernel",
    type=click.Choice(["auto", "embedded", "host"]),
    default="auto",
    show_default=True,
    help="Where the shadow lives.",
)
@click.option(
    "--clock",
    type=click.Choice(["auto", "virtual", "real"]),
    default="auto",
    show_default=True,
    help="Virtual implies the embedded kernel; auto is virtual there and real on the host kernel.",
)
@click.option(
    "--late",
    "late_ns",
    callback=_late,
    metavar="TIME",
    help="A second is void if 1 % of the run's timers were later than this (real clock).  [default: 1.05 ms]",
)
@click.option("--seed", type=click.IntRange(min=0, max=2**63 - 1), help="Instead of the scenario's own.")
@click.option("--out", type=click.Path(path_type=Path), help="Run folder to create.  [default: runs/NAME-SEED]")
@scale_option
@click.option("--json", "as_json", is_flag=True, help="Print result.json to stdout and nothing else.")
@click.option("--quiet", "-q", is_flag=True, help="No progress display.")
@click.pass_obj
def run(
    interrupt: Interrupt,
    scenario: Path,
    kernel: Literal["auto", "embedded", "host"],
    clock: Literal["auto", "virtual", "real"],
    late_ns: int,
    seed: int | None,
    out: Path | None,
    scale: Scale,
    as_json: bool,
    quiet: bool,
) -> None:
    """Build the shadow of SCENARIO, drive it, find what breaks and where, rehearse the cures, write the report.

    \b
    Examples:
      shadowlab run topologies/abilene-incident.yaml
      shadowlab run my.yaml --seed 7 --out runs/seven --json | jq .headline
    """
    interrupt.nothing_to_lose()
    from rich.console import Console

    from shadowlab.cli.progress import shown_progress
    from shadowlab.lab.run import run_scenario
    from shadowlab.report.html import write_report
    from shadowlab.report.text import render_summary

    with shown_progress(quiet=quiet) as progress:
        outcome = run_scenario(
            scenario,
            kernel=kernel,
            clock=clock,
            seed=seed,
            out=out,
            scale=scale,
            progress=progress,
            write_report=write_report,
            interrupt=interrupt,
            late_ns=late_ns,
        )
    interrupt.nothing_to_lose(f"the run is complete in {outcome.folder}")
    if as_json:
        sys.stdout.write((outcome.folder / "result.json").read_text(encoding="utf-8"))
    else:
        render_summary(outcome.result, Console(), outcome.report)
    if not outcome.result.holds:
        raise click.exceptions.Exit(EXIT_LEVELS_BROKEN)
