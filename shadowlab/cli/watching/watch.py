"""``shadowlab watch``: the loop, as a service or by hand."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Literal

import click

from shadowlab.cli.interrupt import Interrupt

if TYPE_CHECKING:
    from shadowlab.model.watch.cycle import Cycle


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--once", is_flag=True, help="One cycle, and end.")
@click.option("--cycles", type=click.IntRange(min=1), metavar="N", help="So many cycles, and end.")
@click.option("--state", type=click.Path(path_type=Path), metavar="FOLDER", help="Instead of the watch file's own.")
@click.option(
    "--kernel",
    type=click.Choice(["auto", "embedded", "host"]),
    default="auto",
    show_default=True,
    help="Where the shadows live.",
)
@click.option("--check", is_flag=True, help="Only read the watch file, and say what is wrong with it.")
@click.option("--json", "as_json", is_flag=True, help="With --once or --cycles: the last cycle, as JSON, to stdout.")
@click.option("--quiet", "-q", is_flag=True, help="No line per cycle on stderr.")
@click.pass_obj
def command(
    interrupt: Interrupt,
    config: Path,
    once: bool,
    cycles: int | None,
    state: Path | None,
    kernel: Literal["auto", "embedded", "host"],
    check: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Hold production against its shadow again and again, as CONFIG says; tell what is wrong, where, and what helps.

    \b
    Examples:
      shadowlab watch watch.yaml
      shadowlab watch watch.yaml --once --json | jq .headline
    """
    interrupt.nothing_to_lose()
    from shadowlab.errors import InputError
    from shadowlab.kernel.sockets.service_manager import ServiceManager
    from shadowlab.lab.execute import choose_place
    from shadowlab.lab.watch.clockwork import RealClock
    from shadowlab.lab.watch.loop import Loop, Said, Wishes, configured
    from shadowlab.lab.watch.notify.interface import Senders
    from shadowlab.replicate.receiving.server import hold_folder

    if once and cycles is not None:
        raise click.UsageError("--once is --cycles 1: give one of them")
    most = 1 if once else cycles
    if as_json and most is None and not check:
        raise click.UsageError("--json goes with --once, --cycles or --check: without an end there is no document")
    found = configured(config, state)
    if check:
        click.echo(json.dumps({"name": found.name, "valid": True}) if as_json else f"{config}: nothing is wrong")
        return
    place = choose_place(kernel, "auto")
    manager = ServiceManager.from_environment(os.environ, os.getpid())
    clock, wishes = RealClock(), Wishes()
    last: list[Cycle] = []

    def on_cycle(cycle: Cycle) -> None:
        last[:] = [cycle]
        if not quiet:
            _say(line(cycle))

    said = Said(line=_say, manager=manager.say, cycle=on_cycle, watchdog_ns=manager.watchdog_ns)
    interrupt.something_to_lose()
    try:
        release = hold_folder(found.state)
    except InputError as error:
        message = str(error).replace("another receiver writes to", "another watch holds").partition(";")[0]
        raise InputError(message) from error
    try:
        _listen(wishes, clock.wake)
        Loop(
            config=found,
            place=place,
            clock=clock,
            senders=Senders().of(found.receivers),
            wishes=wishes,
            said=said,
        ).run(most)
    finally:
        release()
    interrupt.ignore()
    if as_json and last:
        from shadowlab.lab.watch.folder import encode
        from shadowlab.model.watch.cycle import FORMAT

        sys.stdout.write(encode(FORMAT, last[0]).decode())


def _listen(wishes: object, wake: object) -> None:
    """SIGTERM and SIGINT end, SIGHUP reloads: both are only noted, and the loop looks."""

    def end(number: int, frame: FrameType | None) -> None:
        wishes.end = True  # type: ignore[attr-defined]
        wake()  # type: ignore[operator]

    def reload(number: int, frame: FrameType | None) -> None:
        wishes.reload = True  # type: ignore[attr-defined]
        wake()  # type: ignore[operator]

    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, end)
    signal.signal(signal.SIGHUP, reload)


def _say(words: str) -> None:
    print(f"shadowlab: {words}", file=sys.stderr, flush=True)


def line(cycle: Cycle) -> str:
    """A cycle in a line of a log: what it found, and what took how long."""
    seconds = (cycle.ended_ns - cycle.began_ns) / 1e9
    stages = ", ".join(f"{one.name} {one.wall_s:.1f}" for one in cycle.stages if one.wall_s >= 0.05)
    verdict = f" [{cycle.verdict}]" if cycle.verdict else ""
    rest = [f"{len(cycle.open_incidents)} open"] * bool(cycle.open_incidents)
    rest += [f"{one.instance} {one.kind}: {one.detail}" for one in cycle.changes[:5]]
    rest += [cycle.aggregation.text] if cycle.aggregation else []
    tail = "".join(f"; {one}" for one in rest)
    return f"cycle {cycle.number}{verdict} {cycle.headline}{tail} ({seconds:.1f} s: {stages})"
