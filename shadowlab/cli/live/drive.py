"""``shadowlab drive``: the traffic of a recording in a lab."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shadowlab.cli.live.options import lab_option
from shadowlab.errors import EXIT_LEVELS_BROKEN

if TYPE_CHECKING:
    from shadowlab.lab.live.driving.drive_inside import DriveReport


@click.command("drive")
@click.argument("telemetry", type=click.Path(path_type=Path))
@click.option(
    "--seconds", type=click.FloatRange(0.1, 86_400), default=60.0, show_default=True, help="How long, in real time."
)
@lab_option
@click.option("--json", "as_json", is_flag=True, help="One JSON document to stdout: how each flow ended.")
@click.option("--quiet", "-q", is_flag=True, help="No progress display.")
def command(telemetry: Path, seconds: float, lab: str | None, as_json: bool, quiet: bool) -> None:
    """Let the connections of a recording run in a lab: real TCP between its nodes, at the rates that were measured.

    TELEMETRY is of any format that a scenario takes.  A flow begins at once and ends with the command; what is changed
    in the lab meanwhile acts on it.  Flows have the ports of a run: the first to a node goes to 5001.

    Exit code 1 if a flow is not open at the end.

    \b
    Examples:
      shadowlab drive topologies/abilene/before.ss
      shadowlab drive yesterday.jsonl --lab office --seconds 600 --json
    """
    from shadowlab.cli.progress import shown_progress
    from shadowlab.lab.live.driving.drive import drive, recorded_flows
    from shadowlab.lab.live.folder import only_name
    from shadowlab.lab.live.lab import LiveLab

    chosen = LiveLab(only_name(lab))
    network = chosen.whole().network
    assert network is not None
    found = recorded_flows(telemetry, network)
    for reason, count in found.left_out.items():
        click.echo(f"left out, {count}: {reason}", err=True)
    with shown_progress(quiet=quiet) as progress:
        progress.stage(f"lab {chosen.name}: {len(found.flows)} flows")
        report = drive(
            chosen,
            found.flows,
            duration_ns=round(seconds * 1e9),
            on_done=lambda share: progress.work("time", share),
        )
    lost = [one for one in report.flows if one.state != "open"]
    if as_json:
        from shadowlab.model.plain import to_plain

        click.echo(json.dumps(to_plain(report) | {"left_out": found.left_out}, indent=1, sort_keys=True))
    else:
        _print(report, chosen.name, seconds)
    if lost:
        raise click.exceptions.Exit(EXIT_LEVELS_BROKEN)


def _print(report: DriveReport, lab: str, seconds: float) -> None:
    received = sum(one.received_bytes for one in report.flows)
    click.echo(
        f"lab {lab}: {len(report.flows)} flows for {seconds:g} s, {received * 8 / seconds / 1e6:.2f} Mbit/s arrived; "
        f"timers late by at most {report.late_p99_ns / 1e6:.1f} ms (99 %)"
    )
    for one in report.flows:
        if one.failures:
            became = "connected anew" if one.state == "open" else f"is {one.state}"
            click.echo(f"failed {one.failures} times, {became}: {one.flow} ({one.last_failure})")
