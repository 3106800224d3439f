"""``shadowlab verify``: proof instead of promise."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from shadowlab.cli.live.options import complete_lab
from shadowlab.errors import EXIT_LEVELS_BROKEN

if TYPE_CHECKING:
    from shadowlab.lab.live.lab import LiveLab
    from shadowlab.lab.live.proof.selftest import SelfTest


@click.command("verify")
@click.argument("name", required=False, shell_complete=complete_lab)
@click.argument("links", nargs=-1, metavar="[LINK]...")
@click.option("--isolation", is_flag=True, help="Instead: that nothing leads from the lab to the host.")
@click.option("--quick", is_flag=True, help="Send nothing: only read back what the kernel holds.")
@click.option(
    "--time",
    "time_s",
    type=click.FloatRange(min=0.1),
    metavar="SECONDS",
    help="For all links together.  [default: 3 for each direction, at most 60]",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document to stdout.")
def command(
    name: str | None, links: tuple[str, ...], isolation: bool, quick: bool, time_s: float | None, as_json: bool
) -> None:
    """Try whether the links of the lab NAME do what its map says; all of them, or those named.

    First every object is read back from the kernel: addresses, routes, MTU, each setting of each queue.  Then each
    direction of each link is measured, one after the other: delay, rate, loss, and how many packets its queue holds.
    Each is ok, off, or could not be told, with the figures.

    MEASURING LOADS THE LINKS: it fills each queue once, to overflowing, so other traffic on that link is delayed and
    may lose packets.  Nothing is changed.  --quick sends nothing.

    Exit code 1 if anything differs from the map, or leads out.

    \b
    Examples:
      shadowlab verify
      shadowlab verify office core --time 5 --json
      shadowlab verify --isolation
    """
    from shadowlab.lab.live.folder import only_name
    from shadowlab.lab.live.lab import LiveLab

    if isolation and (links or quick or time_s is not None):
        raise click.UsageError("--isolation looks at the lab as a whole: leave out links, --quick and --time")
    lab = LiveLab(only_name(name))
    holds = _show_isolation(lab, as_json) if isolation else _show_links(lab, links, quick, time_s, as_json)
    if not holds:
        raise click.exceptions.Exit(EXIT_LEVELS_BROKEN)


def _show_isolation(lab: LiveLab, as_json: bool) -> bool:
    from shadowlab.lab.live.proof.isolation import verify_isolation

    findings = verify_isolation(lab)
    if as_json:
        click.echo(json.dumps([asdict(one) for one in findings], indent=1, sort_keys=True))
    else:
        for one in findings:
            click.echo(f"{'holds' if one.holds else 'FAILS'}  {one.question} ({one.seen})")
    return all(one.holds for one in findings)


def _show_links(lab: LiveLab, links: Sequence[str], quick: bool, time_s: float | None, as_json: bool) -> bool:
    from shadowlab.cli.progress import shown_progress
    from shadowlab.lab.live.proof.selftest import verify_links

    with shown_progress(quiet=quick) as progress:
        progress.stage(f"lab {lab.name}: read back, and measure")
        seen = verify_links(
            lab, links, send=not quick, time_s=time_s, on_share=lambda share: progress.work("directions", share)
        )
    if as_json:
        click.echo(json.dumps(asdict(seen) | {"holds": seen.holds}, indent=1, sort_keys=True, ensure_ascii=False))
    else:
        _print(seen)
    return seen.holds


def _print(seen: SelfTest) -> None:
    for difference in seen.differences:
        click.echo(f"off             {difference.describe()}")
    for finding in seen.findings:
        click.echo(finding.describe())
    for link, why in seen.left_out.items():
        click.echo(f"could not tell  {link}: {why}")
    grades = [finding.grade for finding in seen.findings]
    click.echo(
        f"{'the kernel holds what was asked' if not seen.differences else f'{len(seen.differences)} settings differ'}; "
        f"{seen.directions} directions measured: {grades.count('ok')} ok, {grades.count('off')} off, "
        f"{grades.count('could not tell')} could not be told"
    )
    if seen.precision is not None:
        from shadowlab.model.units import format_duration

        late, p90 = format_duration(seen.precision.late_ns), format_duration(seen.precision.late_p90_ns)
        click.echo(f"the clock of this kernel is late by {late} (median), {p90} (90 %)")
