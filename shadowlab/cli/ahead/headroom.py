"""``shadowlab headroom``: how much demand may grow."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal

import click

from shadowlab.cli.ahead.options import place_options, question_options
from shadowlab.cli.interrupt import Interrupt
from shadowlab.errors import EXIT_LEVELS_BROKEN

if TYPE_CHECKING:
    from shadowlab.lab.ahead.opening import Subject
    from shadowlab.lab.ahead.whatif import Effort


@click.command()
@question_options(least_runs=2, most_runs=4)
@click.option(
    "--scenario", "-s", "scenarios", multiple=True, metavar="KIND=VALUE[,KEY=VALUE…]", help="Holds at every growth."
)
@click.option(
    "--of", "part", default="", metavar="KEY=VALUE,…", help="Which demand grows: service=…, from=…, to=…, flows=…."
)
@click.option("--least", type=float, default=1.0, show_default=True, help="The growth that must hold at least.")
@click.option("--most", type=float, default=4.0, show_default=True, help="The largest growth to try.")
@click.option(
    "--tolerance", type=click.FloatRange(0.001, 1), default=0.05, show_default=True, help="How near, relative."
)
@place_options
@click.pass_obj
def headroom(
    interrupt: Interrupt,
    about: Subject,
    effort: Effort,
    scenarios: tuple[str, ...],
    part: str,
    least: float,
    most: float,
    tolerance: float,
    kernel: Literal["auto", "embedded", "host"],
    clock: Literal["auto", "virtual", "real"],
    as_json: bool,
    quiet: bool,
) -> None:
    """Find the largest growth of demand at which every service level of MAP, SCENARIO or RUN holds.

    \b
    Examples:
      shadowlab headroom topologies/abilene-incident.yaml
      shadowlab headroom topologies/abilene-incident.yaml --of service=pages --scenario fail=chi-ind
    """
    interrupt.nothing_to_lose()
    from rich.console import Console

    from shadowlab.cli.progress import shown_progress
    from shadowlab.errors import InputError
    from shadowlab.lab.ahead.asking import asked_variants
    from shadowlab.lab.ahead.headroom import find_headroom
    from shadowlab.lab.ahead.opening import inquiry
    from shadowlab.predict.scenario.grid import read_text
    from shadowlab.report.ahead.headroom import headroom_json, render_headroom

    with shown_progress(quiet=quiet) as progress:
        progress.stage("read the question")
        asked = about.open()
        common = asked_variants(asked, scenarios, None, each=False) if scenarios else ()
        if len(common) > 1:
            raise InputError(f"--scenario: headroom is of one network, and these are {len(common)} variants")
        try:
            grows = dict(read_text(f"growth=1,{part}" if part else "growth=1"))
        except ValueError as error:
            raise InputError(f"--of: {error}") from error
        del grows["growth"]
        with inquiry(asked, effort, kernel=kernel, clock=clock, progress=progress, interrupt=interrupt) as (
            ask,
            overall,
        ):
            found = find_headroom(
                ask,
                common[0].scenarios if common else (),
                grows,
                least=least,
                most=most,
                tolerance=tolerance,
                on_round=overall.round,
            )
    interrupt.nothing_to_lose()
    if as_json:
        sys.stdout.write(headroom_json(found))
    else:
        render_headroom(found, Console())
    if found.holds_at is None:
        raise click.exceptions.Exit(EXIT_LEVELS_BROKEN)
