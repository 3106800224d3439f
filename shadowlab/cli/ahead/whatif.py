"""``shadowlab whatif``: the network as it would be."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from shadowlab.cli.ahead.options import Question, variant_options
from shadowlab.cli.interrupt import Interrupt
from shadowlab.errors import EXIT_LEVELS_BROKEN


@click.command()
@variant_options(least_runs=2, most_runs=5, out="A new folder for answer.json, plots and report.html.")
@click.option(
    "--kinds",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda *given: _show_kinds(*given),
    help="List the kinds of scenarios and exit.",
)
@click.pass_obj
def whatif(interrupt: Interrupt, question: Question, out: Path | None) -> None:
    """What would happen to the service levels of MAP, SCENARIO or RUN if something were different?

    The network is run as it is and as it would be, with the same chance, several times, until the answer is sure.

    \b
    Examples:
      shadowlab whatif topologies/abilene-incident.yaml --scenario growth=1.5 --scenario fail=chi-ind
      shadowlab whatif my-map.yaml --telemetry today.ss --scenario fail=each
    """
    interrupt.nothing_to_lose()
    from rich.console import Console

    from shadowlab.cli.progress import shown_progress
    from shadowlab.lab.ahead.asking import asked_variants
    from shadowlab.lab.ahead.opening import inquiry
    from shadowlab.report.ahead.page import AnswerFolder
    from shadowlab.report.ahead.plain import answer_json
    from shadowlab.report.ahead.terminal import render_answer

    with shown_progress(quiet=question.quiet) as progress:
        progress.stage("read the question")
        asked = question.about.open()
        variants = asked_variants(asked, question.scenarios, question.file, each=question.each)
        with (
            AnswerFolder(out) as folder,
            inquiry(
                asked,
                question.effort,
                kernel=question.kernel,
                clock=question.clock,
                progress=progress,
                interrupt=interrupt,
            ) as (ask, overall),
        ):
            answer = ask.answer(
                variants, on_round=lambda number, runs: overall.round(f"round {number}: {runs} runs", runs)
            )
            page = folder.write(answer)
    interrupt.nothing_to_lose()
    if question.as_json:
        sys.stdout.write(answer_json(answer))
    else:
        render_answer(answer, Console())
        if page is not None:
            click.echo(f"Report: {page}")
    if not answer.holds:
        raise click.exceptions.Exit(EXIT_LEVELS_BROKEN)


def _show_kinds(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from shadowlab.predict.scenario.kinds import KINDS

    for one in KINDS.values():
        click.echo(f"{one.name:14} {one.meaning}\n{'':14} {one.example}")
    ctx.exit()
