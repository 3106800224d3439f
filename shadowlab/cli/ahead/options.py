"""Options that the commands which look ahead share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from shadowlab.cli.scale_option import scale_option

if TYPE_CHECKING:
    from shadowlab.lab.ahead.opening import Subject
    from shadowlab.lab.ahead.whatif import Effort


@dataclass(frozen=True, kw_only=True)
class Question:
    """What `whatif` and `sweep` are asked alike."""

    about: Subject
    effort: Effort
    scenarios: tuple[str, ...]
    file: Path | None
    each: bool
    kernel: Literal["auto", "embedded", "host"]
    clock: Literal["auto", "virtual", "real"]
    as_json: bool
    quiet: bool


_F = TypeVar("_F", bound=Callable[..., Any])
_TAKEN = (
    "subject",
    "telemetry",
    "unit",
    "level",
    "duration_ns",
    "budget_ns",
    "runs",
    "most_runs",
    "precision",
    "seed",
    "scale",
)


def duration(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Nanoseconds, or None for an option left out."""
    from shadowlab.model.units import parse_duration

    if value is None:
        return None
    try:
        return parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from error


def question_options(*, least_runs: int, most_runs: int) -> Callable[[_F], _F]:
    """What a question is about and how much is run for it.  The command gets ``about`` (a Subject) and ``effort``."""

    def decorate(function: _F) -> _F:
        @functools.wraps(function)
        def command(*words: Any, **values: Any) -> Any:
            given = {name: values.pop(name) for name in _TAKEN}
            return function(*words, about=_subject(given), effort=_effort(given, most_runs), **values)

        wrapped: Any = command
        for option in reversed(_options(least_runs, most_runs)):
            wrapped = option(wrapped)
        found: _F = wrapped
        return found

    return decorate


def _options(least_runs: int, most_runs: int) -> list[Callable[[Any], Any]]:
    return [
        click.argument("subject", type=click.Path(path_type=Path), metavar="MAP|SCENARIO|RUN"),
        click.option(
            "--telemetry", type=click.Path(path_type=Path), help="Telemetry to drive, instead of the scenario's own."
        ),
        click.option(
            "--unit", default="", help="Of a map's demands, if the map states none: bps, kbps, mbps, gbps, tbps."
        ),
        click.option(
            "--level", multiple=True, metavar="'KPI<=LIMIT'", help="A service level instead of the scenario's own."
        ),
        click.option(
            "--duration",
            "duration_ns",
            default="25 s",
            show_default=True,
            callback=duration,
            metavar="TIME",
            help="Network time of each run; the first 5 s are not judged.",
        ),
        click.option(
            "--budget",
            "budget_ns",
            default="20 s",
            show_default=True,
            callback=duration,
            metavar="TIME",
            help="Wall time that a run of the baseline may take; beyond it everything is scaled down.",
        ),
        click.option(
            "--runs",
            type=click.IntRange(1, 100),
            default=least_runs,
            show_default=True,
            help="Runs of each variant, at least (of many variants: of the worst half).",
        ),
        click.option("--most-runs", type=click.IntRange(1, 100), help=f"At most.  [default: {most_runs}, or --runs]"),
        click.option(
            "--precision",
            type=click.FloatRange(0.001, 10),
            default=0.1,
            show_default=True,
            help="Half an interval of this share of its limit is narrow enough.",
        ),
        click.option(
            "--seed", type=click.IntRange(min=0, max=2**62), help="Of the first run; instead of the scenario's own."
        ),
        scale_option,
    ]


def _subject(given: dict[str, Any]) -> Subject:
    from shadowlab.lab.ahead.opening import Subject

    return Subject(
        path=given["subject"],
        telemetry=given["telemetry"],
        unit=given["unit"],
        levels=given["level"],
        duration_ns=given["duration_ns"],
        budget_ns=given["budget_ns"],
    )


def _effort(given: dict[str, Any], most_runs: int) -> Effort:
    from shadowlab.lab.ahead.whatif import Effort

    most = given["most_runs"]
    return Effort(
        least_runs=given["runs"],
        most_runs=max(most_runs, given["runs"]) if most is None else most,
        precision=given["precision"],
        seed=given["seed"],
        scale=given["scale"],
    )


def scenario_options(function: _F) -> _F:
    """``--scenario``, ``--file``, ``--each``."""
    for option in (
        click.option("--each", is_flag=True, help="Every --scenario is a variant of its own, instead of all together."),
        click.option(
            "--file",
            "file",
            type=click.Path(path_type=Path),
            help="A file of questions; what --scenario says holds in all of them.",
        ),
        click.option(
            "--scenario",
            "-s",
            "scenarios",
            multiple=True,
            metavar="KIND=VALUE[,KEY=VALUE…]",
            help="What is different; `shadowlab whatif --kinds` lists the kinds.",
        ),
    ):
        function = option(function)
    return function


def place_options(function: _F) -> _F:
    """``--kernel``, ``--clock``, ``--json``, ``--quiet``."""
    for option in (
        click.option("--quiet", "-q", is_flag=True, help="No progress display."),
        click.option("--json", "as_json", is_flag=True, help="Print the answer as one JSON document and nothing else."),
        click.option("--clock", type=click.Choice(["auto", "virtual", "real"]), default="auto", show_default=True),
        click.option("--kernel", type=click.Choice(["auto", "embedded", "host"]), default="auto", show_default=True),
    ):
        function = option(function)
    return function


def variant_options(*, least_runs: int, most_runs: int, out: str) -> Callable[[_F], _F]:
    """All that a command needs which asks about variants: it gets ``question`` and ``out``, whose help is stated."""

    def decorate(function: _F) -> _F:
        @functools.wraps(function)
        def command(*words: Any, **values: Any) -> Any:
            given = {one.name: values.pop(one.name) for one in fields(Question)}
            return function(*words, question=Question(**given), **values)

        wrapped: Any = place_options(command)
        wrapped = click.option("--out", type=click.Path(path_type=Path), help=out)(wrapped)
        wrapped = question_options(least_runs=least_runs, most_runs=most_runs)(scenario_options(wrapped))
        found: _F = wrapped
        return found

    return decorate
