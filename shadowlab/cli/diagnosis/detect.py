"""``shadowlab detect``: find what is odd in a series of any CSV or Parquet file, row by row."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from shadowlab.cli.interrupt import Interrupt
from shadowlab.errors import CannotRunError, InputError

if TYPE_CHECKING:
    from shadowlab.lab.detecting.judging import Asked, Judge
    from shadowlab.lab.detecting.table import Chosen, Wanted

STDOUT = Path("-")

_SHOWN_ALARMS = 12


def _known(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """The registry is imported only when it is asked."""
    if value is not None:
        from shadowlab.detect.online.registry import ONLINE

        if value not in ONLINE:
            raise click.BadParameter(f"{value!r} is not one of {', '.join(ONLINE)}")
    return value


@click.command("detect")
@click.argument("series", metavar="SERIES", type=click.Path(path_type=Path))
@click.option("--detector", callback=_known, metavar="NAME", help="Else one is chosen by the series, as it goes.")
@click.option("--time-column", default="", metavar="C", help="Else the first that holds times.")
@click.option("--value-column", "value_columns", multiple=True, metavar="C", help="Else the first of numbers.")
@click.option("--delimiter", default="", metavar="D", help="Else it is found: ; tab | , or space.")
@click.option("--label-column", default="", metavar="C", help="Compare alarms with these labels, ±2 rows, one to one.")
@click.option("--month-first", is_flag=True, help="01/02/2026 is the 2nd of January.")
@click.option("--threshold", type=click.FloatRange(0, 1, min_open=True), metavar="T", help="Alarm from this score on.")
@click.option(
    "--false-alarms-per-day", type=click.FloatRange(0, min_open=True), metavar="R", help="As rare as that by calm rows."
)
@click.option(
    "--false-discovery-rate",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="Q",
    help="At most this part of alarms false (LORD++).",
)
@click.option("--calibration", type=click.Path(path_type=Path), metavar="FILE", help="A series of it without a fault.")
@click.option("--state", type=click.Path(path_type=Path), metavar="FILE", help="Go on from it, and keep it there.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="OUT.csv", help="Else stdout, without --json.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document about the series and its alarms to stdout.")
@click.pass_obj
def detect(
    interrupt: Interrupt,
    /,
    series: Path,
    detector: str | None,
    time_column: str,
    value_columns: tuple[str, ...],
    delimiter: str,
    label_column: str,
    month_first: bool,
    threshold: float | None,
    false_alarms_per_day: float | None,
    false_discovery_rate: float | None,
    calibration: Path | None,
    state: Path | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Score every row of SERIES (CSV or Parquet: times and values) from 0 to 1, and raise alarms.

    Strictly online: a row's score depends on it and on the rows before it only.  The output has the columns timestamp,
    value, anomaly_score, alarm (1 in the row that raises one) and onset (the time at which that began).

    \b
    Example:
      shadowlab detect rtt.csv --value-column rtt -o scored.csv
    """
    interrupt.nothing_to_lose()
    from shadowlab.lab.detecting.judging import Asked
    from shadowlab.lab.detecting.table import Wanted

    if sum(one is not None for one in (threshold, false_alarms_per_day, false_discovery_rate)) > 1:
        raise InputError("give one of --threshold, --false-alarms-per-day and --false-discovery-rate")
    if len(delimiter) > 1:
        delimiter = {"\\t": "\t", "tab": "\t"}.get(delimiter, delimiter)
        if len(delimiter) > 1:
            raise InputError(f"--delimiter is one character or `tab`, not {delimiter!r}")
    if delimiter in ("\n", "\r", '"'):
        raise InputError("--delimiter cannot be a line break or a quotation mark")
    asked = Asked(
        threshold=threshold, false_alarms_per_day=false_alarms_per_day, false_discovery_rate=false_discovery_rate
    )
    wanted = Wanted(
        time=time_column, values=value_columns, label=label_column, delimiter=delimiter, month_first=month_first
    )
    _detect(series, detector or "panel", wanted, asked, calibration, state, output, as_json)


def _detect(
    series: Path,
    detector: str,
    wanted: Wanted,
    asked: Asked,
    calibration: Path | None,
    state: Path | None,
    output: Path | None,
    as_json: bool,
) -> None:
    from shadowlab.detect.online.registry import ONLINE
    from shadowlab.lab.detecting.judging import new_judge
    from shadowlab.lab.detecting.table import opened

    takes = ONLINE[detector].takes
    judge = new_judge(detector, asked)
    if calibration:
        with opened(calibration, wanted, several=takes != "value") as (_, rows):
            judge.calibrate(rows)
    if state and state.exists():
        _resume(judge, state)
    with opened(series, wanted, several=takes != "value") as (chosen, rows):
        _check(series, detector, takes, chosen)
        alarms: list[dict[str, Any]] = []
        onsets, labels, largest = [], [], 0.0
        with _written(output, as_json) as file:
            if file:
                file.write("timestamp,value,anomaly_score,alarm,onset\n")
            for one in judge.judge(rows, str(series)):
                largest = max(largest, one.score)
                if one.alarm:
                    onsets.append(one.onset_row)
                    alarms.append({"timestamp": one.row.text, "onset": one.onset, "score": round(one.score, 6)})
                if one.row.label:
                    labels.append(judge.rows)
                if file:
                    value = " ".join("" if number != number else f"{number!r}" for number in one.row.values)
                    verdict = f"{one.score:.9g},{int(one.alarm)},{_quoted(one.onset)}"
                    file.write(f"{_quoted(one.row.text)},{value},{verdict}\n")
    if not judge.rows:
        raise InputError(f"{series}: a header and no row")
    if state:
        _keep(judge, state)
    _say(judge, chosen)
    if not as_json:
        _say_alarms(judge.rows, alarms)
    if as_json:
        document: dict[str, Any] = {
            "series": str(series),
            "detector": detector,
            "time_column": chosen.time,
            "value_columns": list(chosen.values),
            "rows": judge.rows,
            "missing": judge.missing,
            "out_of_order": judge.late,
            "largest_score": round(largest, 6),
            "alarms": alarms,
        }
        if wanted.label:
            from shadowlab.lab.detecting.matching import agreement

            document["labels"] = agreement(onsets, labels)
        click.echo(json.dumps(document, ensure_ascii=False, sort_keys=True))
    elif wanted.label:
        from shadowlab.lab.detecting.matching import agreement

        found = agreement(onsets, labels)
        told = {one: "unknown" if found[one] is None else f"{found[one]:.3f}" for one in ("f", "precision", "recall")}
        click.echo(
            f"{found['matched']} of {found['labels']} labels matched by {len(onsets)} alarms: F {told['f']}, "
            f"precision {told['precision']}, recall {told['recall']}",
            err=True,
        )


def _check(series: Path, detector: str, takes: str, chosen: Chosen) -> None:
    if takes == "value" and len(chosen.values) > 1:
        raise InputError(f"detector {detector} takes one --value-column, not {len(chosen.values)}; t2-q takes several")
    if takes == "counts" and len(chosen.values) != 2:
        raise InputError(f"{series}: detector {detector} takes two --value-column: lost, then sent")


def _say(judge: Judge, chosen: Chosen) -> None:
    """What somebody should know of the reading of the file."""
    if chosen.others:
        click.echo(f"judged: {', '.join(chosen.values)}; not judged: {', '.join(chosen.others[:10])}", err=True)
    if judge.late:
        click.echo(f"{judge.late} rows go back in time: score 0, not judged", err=True)
    if judge.missing:
        click.echo(f"{judge.missing} rows without a (finite) value: score 0, not judged", err=True)


def _say_alarms(rows: int, alarms: list[dict[str, Any]]) -> None:
    """What a person asked for: nobody finds one row with an alarm among thousands without."""
    click.echo(f"{len(alarms)} alarms in {rows} rows{':' if alarms else ''}", err=True)
    for one in alarms[:_SHOWN_ALARMS]:
        click.echo(f"  {one['timestamp']}: since {one['onset']}, score {one['score']:.2f}", err=True)
    if len(alarms) > _SHOWN_ALARMS:
        click.echo(f"  and {len(alarms) - _SHOWN_ALARMS} more: --json has them all", err=True)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(one in text for one in ',"\n\r') else text


@contextmanager
def _written(output: Path | None, as_json: bool) -> Iterator[IO[str] | None]:
    """Where rows go: a file that is whole or not there, stdout, or nowhere."""
    if output is None or output == STDOUT:
        yield None if as_json else sys.stdout
        return
    partial = output.with_name(output.name + ".part")
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            yield file
        os.replace(partial, output)
    except OSError as error:
        raise CannotRunError(f"{output} cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _resume(judge: Judge, state: Path) -> None:
    try:
        judge.resume(json.loads(state.read_text()))
    except (OSError, ValueError) as error:
        raise InputError(f"{state}: not to be resumed from: {error}") from error


def _keep(judge: Judge, state: Path) -> None:
    partial = state.with_name(state.name + ".part")
    try:
        partial.write_text(json.dumps(judge.state()))
        os.replace(partial, state)
    except OSError as error:
        raise CannotRunError(f"{state} cannot be written: {error.strerror or error}") from error
