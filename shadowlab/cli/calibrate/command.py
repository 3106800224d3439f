"""``shadowlab calibrate``: telemetry makes a map true, or says how far it is known."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shadowlab.cli.interrupt import Interrupt
from shadowlab.cli.map_options import map_options, read
from shadowlab.errors import InputError

if TYPE_CHECKING:
    from shadowlab.lab.calibration.refine import Refine
    from shadowlab.model.calibration import Calibration
    from shadowlab.model.network import Network

_SHOWN_FINDINGS = 12
_MOST_RUNS = 40


@click.command()
@click.argument("map_path", metavar="MAP", type=click.Path(path_type=Path))
@click.argument("telemetry", metavar="TELEMETRY", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), metavar="MAP2", help="Write the map with the values found.")
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="What earlier calibrations knew: taken up if it is there, and written anew.",
)
@click.option("--report", is_flag=True, help="Show every direction of every link, not only the outcome.")
@click.option("--rules", type=click.Path(path_type=Path), metavar="RULES", help="How names and addresses become nodes.")
@click.option(
    "--refine/--no-refine",
    default=None,
    help="Run the shadow on suspected bottlenecks and mend their values by it.  [default: if there is a kernel for it]",
)
@click.option(
    "--runs",
    type=click.IntRange(1, _MOST_RUNS),
    default=6,
    show_default=True,
    help="At most so many runs of the shadow.",
)
@map_options
@click.option("--json", "as_json", is_flag=True, help="One JSON document to stdout: every value and finding.")
@click.option("--quiet", "-q", is_flag=True, help="No progress display.")
@click.pass_obj
def calibrate(
    interrupt: Interrupt,
    /,
    map_path: Path,
    telemetry: Path,
    out: Path | None,
    state: Path | None,
    report: bool,
    rules: Path | None,
    refine: bool | None,
    runs: int,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Find delay, rate, buffer, loss, jitter and reordering of MAP's links from TELEMETRY of any format, recorded more
    than once: each with its interval, and whether it is measured, bounded, only the map's word, or not to be told.

    \b
    Examples:
      shadowlab calibrate topologies/abilene.yaml topologies/abilene/before.ss --report
      shadowlab calibrate map.yaml instances/ --state calibration.json --out calibrated.yaml
    """
    interrupt.nothing_to_lose()
    from shadowlab.cli.progress import shown_progress
    from shadowlab.lab.calibration.calibrate import calibrate as calibrated
    from shadowlab.lab.sources import attach_file, read_rules
    from shadowlab.store.whole import write_whole
    from shadowlab.telemetry.rules import NO_RULES

    network = read(map_path, **options)
    before = _state(state, network)
    interrupt.something_to_lose()
    with shown_progress(quiet=quiet) as progress, tempfile.TemporaryDirectory(prefix="shadowlab-calibrate-") as folder:
        progress.stage(f"read {telemetry.name}")
        attachment, use = attach_file(telemetry, network, read_rules(rules) if rules else NO_RULES)
        if not attachment.attached and before is None:
            raise InputError(
                f"{telemetry}: none of its {use.records} records belongs to {map_path}: the map's instances need the "
                f"addresses of the records; `shadowlab telemetry attach {telemetry} {map_path}` says more"
            )
        found = calibrated(
            network,
            attachment,
            prior_state=before,
            refine=_refine(refine, Path(folder), runs),
            progress=progress,
            interrupted=interrupt.asked,
        )
    interrupt.nothing_to_lose()
    interrupt.something_to_lose()  # a map without its state, or the other way round, would be half a result
    if out is not None:
        _write_map(found, out)
    if state is not None:
        write_whole(state, found.to_json().encode())
    written = " and ".join(str(path) for path in (out, state) if path is not None)
    interrupt.nothing_to_lose(f"written: {written}" if written else "nothing was left behind")
    if as_json:
        click.echo(found.to_json(), nl=False)
        return
    from shadowlab.cli.calibrate.words import outcome_lines, report_lines

    click.echo(f"{attachment.attached} of {use.records} records attached: {use.connections} connections")
    for line in outcome_lines(found, most_findings=None if report else _SHOWN_FINDINGS):
        click.echo(line)
    if report:
        for line in report_lines(found):
            click.echo(line)


def _state(path: Path | None, network: Network) -> Calibration | None:
    from shadowlab.errors import Fault, InputError
    from shadowlab.model.calibration import Calibration
    from shadowlab.topology.compose import decode_text
    from shadowlab.topology.formats import read_input

    if path is None or not path.exists():
        return None
    try:
        text = decode_text(read_input(path, what="state"), name=str(path))
        return Calibration.from_json(text, network)
    except ValueError as error:
        message = f"{error}; name another file, or remove this one to begin anew"
        raise InputError(Fault(place=str(path), message=message)) from error


def _refine(asked: bool | None, folder: Path, runs: int) -> Refine | None:
    """Where to run shadows; None if that is not wanted, or not possible and not asked for."""
    from shadowlab.guest.cache import find_kernel
    from shadowlab.lab.calibration.refine import Refine
    from shadowlab.lab.execute import choose_place

    if asked is False or (asked is None and find_kernel("virtual") is None):
        return None
    return Refine(place=choose_place("embedded", "virtual"), folder=folder, most_runs=runs)


def _write_map(found: Calibration, path: Path) -> None:
    from shadowlab.store.whole import write_whole
    from shadowlab.topology.writing import write_map

    text, left_out = write_map(found.network(), path=path, format_key=None)
    write_whole(path, text.encode())
    click.echo(f"{path}: {len(found.map.nodes)} nodes, {len(found.map.links)} links", err=True)
    for one in left_out:
        click.echo(f"left out: {one}", err=True)
