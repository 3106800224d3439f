"""What all sub-commands of ``telemetry`` share: the options that say how to read, and reading with a progress bar."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from shadowlab.errors import InputError
from shadowlab.model.units import parse_duration
from shadowlab.telemetry.addresses import parse_moment
from shadowlab.telemetry.formats import BY_NAME
from shadowlab.telemetry.reading import Reading, open_telemetry

_F = TypeVar("_F", bound=Callable[..., Any])
_LOOK_EVERY_S = 0.2
_SHOW_EVERY = 5000
_SHOWN_PLACES = 5


def reading_options(function: _F) -> _F:
    """``--format``, ``--instance``, ``--at`` and ``--interval``."""
    for option in (
        click.option(
            "--interval", metavar="DURATION", help="Of captures: a record for each such time, as 1s, not one."
        ),
        click.option(
            "--at", "at", metavar="TIME", help="When it was recorded, if that is left open: ISO 8601 or seconds."
        ),
        click.option("--instance", default="", metavar="NAME", help="Where it was recorded, if that is left open."),
        click.option(
            "--format", "format_name", metavar="NAME", help=f"Do not look at the content: one of {', '.join(BY_NAME)}."
        ),
    ):
        function = option(function)
    return function


def moment_of(text: str | None) -> int | None:
    """The moment of ``--at``.  Raises InputError."""
    if text is None:
        return None
    try:
        return parse_moment(text)
    except ValueError as error:
        raise InputError(f"--at: {error}") from None


def interval_of(text: str | None) -> int | None:
    """The length of ``--interval`` in nanoseconds.  Raises InputError."""
    if text is None:
        return None
    try:
        interval_ns = parse_duration(text)
    except ValueError as error:
        raise InputError(f"--interval: {error}") from None
    if interval_ns <= 0:
        raise InputError("--interval: it must be longer than nothing, as 1s")
    return interval_ns


def wait_unless(asked: Callable[[], bool]) -> Callable[[], bool]:
    """What a followed file calls at its end: waits a moment; False once the user asked to end."""

    def wait() -> bool:
        if asked():
            return False
        time.sleep(_LOOK_EVERY_S)
        return True

    return wait


@contextmanager
def opened(
    path: Path,
    *,
    format_name: str | None,
    instance: str,
    at: str | None,
    interval: str | None = None,
    follow: Callable[[], bool] | None = None,
) -> Iterator[tuple[Reading, Callable[[], None]]]:
    """A reading, and what to call once per record: it moves a bar on a terminal's stderr."""
    with (
        open_telemetry(
            path,
            format_name=format_name,
            instance=instance,
            at_ns=moment_of(at),
            interval_ns=interval_of(interval),
            follow=follow,
        ) as reading,
        _bar(reading) if follow is None else _nothing() as tick,
    ):
        yield reading, tick


@contextmanager
def _nothing() -> Iterator[Callable[[], None]]:
    yield lambda: None


@contextmanager
def _bar(reading: Reading) -> Iterator[Callable[[], None]]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=30), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task(escape(reading.name), total=reading.size_bytes)
        count = 0

        def tick() -> None:
            nonlocal count
            count += 1
            if count % _SHOW_EVERY == 0:
                bars.update(
                    task,
                    completed=reading.packed.bytes_read,
                    description=f"{escape(reading.name)} {reading.tally.records:,} records",
                )

        yield tick


def say_what_was_left(reading: Reading) -> None:
    """On stderr: what could not be read, and what was passed over."""
    tally = reading.tally
    if tally.unreadable:
        click.echo(f"{reading.name}: {tally.unreadable} parts could not be read, the first of them:", err=True)
        for fault in tally.places[:_SHOWN_PLACES]:
            click.echo(f"  {fault}", err=True)
    for why, count in tally.passed_over.items():
        click.echo(f"{reading.name}: passed over, {count}: {why}", err=True)


def reading_facts(reading: Reading) -> dict[str, Any]:
    """What JSON output says of a reading."""
    return {
        "name": reading.name,
        "format": reading.format.name,
        "packing": reading.packed.packing or None,
        "bytes": reading.packed.bytes_read,
        "records": reading.tally.records,
        "unreadable": reading.tally.unreadable,
        "first_unreadable": [{"place": one.place, "message": one.message} for one in reading.tally.places],
        "passed_over": reading.tally.passed_over,
    }
