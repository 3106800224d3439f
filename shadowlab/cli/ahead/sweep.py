"""``shadowlab sweep``: a grid of what-if questions, on all cores, that survives being killed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from shadowlab.cli.ahead.options import place_options, question_options, scenario_options
from shadowlab.cli.interrupt import Interrupt
from shadowlab.errors import EXIT_LEVELS_BROKEN

if TYPE_CHECKING:
    from shadowlab.lab.ahead.opening import Subject
    from shadowlab.lab.ahead.whatif import Effort


@click.command()
@question_options(least_runs=1, most_runs=4)
@scenario_options
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder of the sweep, new or to go on with.  [default: runs/sweep-NAME]",
)
@place_options
@click.pass_obj
def sweep(
    interrupt: Interrupt,
    about: Subject,
    effort: Effort,
    scenarios: tuple[str, ...],
    file: Path | None,
    each: bool,
    out: Path | None,
    kernel: Literal["auto", "embedded", "host"],
    clock: Literal["auto", "virtual", "real"],
    as_json: bool,
    quiet: bool,
) -> None:
    """Ask MAP, SCENARIO or RUN a whole grid of questions: every failure, a range of growth, or both.

    Every variant is run once, the worse half again.  Results are kept as they come: after Ctrl-C, a kill or a crash
    the same command goes on where it was.

    \b
    Examples:
      shadowlab sweep topologies/abilene-incident.yaml --scenario fail=each
      shadowlab sweep topologies/abilene-incident.yaml --scenario growth=1..3/0.5 --scenario fail=each --out grid
    """
    interrupt.nothing_to_lose()
    from rich.console import Console

    from shadowlab.cli.progress import shown_progress
    from shadowlab.lab.ahead.asking import asked_variants
    from shadowlab.lab.ahead.kept import SweepFolder
    from shadowlab.lab.ahead.opening import inquiry
    from shadowlab.lab.interrupt import Interrupted
    from shadowlab.report.ahead.page import answer_files
    from shadowlab.report.ahead.plain import answer_json
    from shadowlab.report.ahead.terminal import render_answer

    if not scenarios and file is None:
        raise click.UsageError("nothing is varied: state --scenario, like --scenario fail=each")
    with shown_progress(quiet=quiet) as progress:
        progress.stage("read the question")
        asked = about.open()
        variants = asked_variants(asked, scenarios, file, each=each)
        path = out or Path("runs") / f"sweep-{asked.scenario.name}"
        try:
            with (
                SweepFolder(path) as folder,
                inquiry(
                    asked,
                    effort,
                    kernel=kernel,
                    clock=clock,
                    progress=progress,
                    interrupt=interrupt,
                    store=folder,
                    scratch=folder.scratch,
                ) as (ask, overall),
            ):
                answer = ask.answer(
                    variants, on_round=lambda number, runs: overall.round(f"round {number}: {runs} runs", runs)
                )
                for name, content in answer_files(answer).items():
                    folder.write(name, content)
        except Interrupted:
            interrupt.nothing_to_lose(f"what was run is kept in {path}: the same command goes on from there")
            raise
    interrupt.nothing_to_lose(f"the sweep is complete in {path}")
    if as_json:
        sys.stdout.write(answer_json(answer))
    else:
        render_answer(answer, Console())
        click.echo(f"Report: {path / 'report.html'}")
    if not answer.holds:
        raise click.exceptions.Exit(EXIT_LEVELS_BROKEN)
