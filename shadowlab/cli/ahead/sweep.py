"""``shadowlab sweep``: a grid of what-if questions, on all cores, that survives being killed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shadowlab.cli.ahead.options import Question, variant_options
from shadowlab.cli.interrupt import Interrupt
from shadowlab.errors import EXIT_LEVELS_BROKEN

if TYPE_CHECKING:
    from shadowlab.lab.ahead.opening import CrewMaker


@click.command()
@variant_options(
    least_runs=1, most_runs=4, out="Folder of the sweep, new or to go on with.  [default: runs/sweep-NAME]"
)
@click.option(
    "--scheduler",
    metavar="tls://HOST:PORT",
    help="Let the workers of a farm run it (see `shadowlab farm`), not this machine's cores.",
)
@click.option(
    "--tls", type=click.Path(path_type=Path), metavar="FOLDER", help="For --scheduler: what `farm ca issue` made."
)
@click.pass_obj
def sweep(interrupt: Interrupt, question: Question, out: Path | None, scheduler: str | None, tls: Path | None) -> None:
    """Ask MAP, SCENARIO or RUN a whole grid of questions: every failure, a range of growth, or both.

    Every variant is run once, the worse half again.  Results are kept as they come: after Ctrl-C, a kill or a crash
    the same command goes on where it was.

    \b
    Examples:
      shadowlab sweep topologies/abilene-incident.yaml --scenario fail=each
      shadowlab sweep topologies/abilene-incident.yaml --scenario growth=1..3/0.5 --scenario fail=each --out grid
      shadowlab sweep topologies/abilene-incident.yaml -s fail=each --scheduler tls://boss:8786 --tls farm-ca/me
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

    if not question.scenarios and question.file is None:
        raise click.UsageError("nothing is varied: state --scenario, like --scenario fail=each")
    farm = _farm(scheduler, tls)
    with shown_progress(quiet=question.quiet) as progress:
        progress.stage("read the question")
        asked = question.about.open()
        variants = asked_variants(asked, question.scenarios, question.file, each=question.each)
        path = out or Path("runs") / f"sweep-{asked.scenario.name}"
        try:
            with (
                SweepFolder(path) as folder,
                inquiry(
                    asked,
                    question.effort,
                    kernel=question.kernel,
                    clock=question.clock,
                    progress=progress,
                    interrupt=interrupt,
                    store=folder,
                    scratch=folder.scratch,
                    crew=farm,
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
    if question.as_json:
        sys.stdout.write(answer_json(answer))
    else:
        render_answer(answer, Console())
        click.echo(f"Report: {path / 'report.html'}")
    if not answer.holds:
        raise click.exceptions.Exit(EXIT_LEVELS_BROKEN)


def _farm(scheduler: str | None, tls: Path | None) -> CrewMaker | None:
    """Who runs the sweep; None for this machine's cores.  Raises InputError, and CannotRunError without the library."""
    if scheduler is None:
        if tls is not None:
            raise click.UsageError("--tls is for --scheduler")
        return None
    from shadowlab.lab.farm.credentials import read_credentials, scheduler_address
    from shadowlab.lab.farm.crew import farm_of

    credentials = None if tls is None else read_credentials(tls)
    return farm_of(scheduler_address(scheduler, credentials), credentials)
