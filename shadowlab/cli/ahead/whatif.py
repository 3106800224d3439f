"""``shadowlab whatif``: the network as it would be."""

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
@question_options(least_runs=2, most_runs=5)
@scenario_options
@click.option("--out", type=click.Path(path_type=Path), help="A new folder for answer.json, plots and report.html.")
@click.option(
    "--kinds",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda *given: _show_kinds(*given),
    help="List the kinds of scenarios and exit.",
)
@place_options
@click.pass_obj
def whatif(
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

    with shown_progress(quiet=quiet) as progress:
        progress.stage("read the question")
        asked = about.open()
        variants = asked_variants(asked, scenarios, file, each=each)
        with (
            AnswerFolder(out) as folder,
            inquiry(asked, effort, kernel=kernel, clock=clock, progress=progress, interrupt=interrupt) as (
                ask,
                overall,
            ),
        ):
            answer = ask.answer(
                variants, on_round=lambda number, runs: overall.round(f"round {number}: {runs} runs", runs)
            )
            page = folder.write(answer)
    interrupt.nothing_to_lose()
    if as_json:
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
