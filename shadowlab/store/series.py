"""Indicator series as CSV: one row per moment and subject, one column per indicator.

In: a series table.  Out: the same bytes for the same values, and the table back.
``time_s,subject,latency_ms,loss,...`` loads into pandas or a spreadsheet as it is.  Nine significant digits; an empty
field is NaN: nothing was observed.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from shadowlab.errors import Fault, InputError, ShadowLabError
from shadowlab.model.kpi import SeriesTable
from shadowlab.store.whole import write_whole

_HEAD = ["time_s", "subject"]


def write_series(path: Path, table: SeriesTable) -> None:
    """Write whole or not at all.  Raises ShadowLabError for a full or unwritable folder."""
    write_whole(path, format_series(table).encode())


def format_series(table: SeriesTable) -> str:
    """The CSV text."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(_HEAD + list(table.values))
    times = [format_seconds(int(one)) for one in table.times_ns]
    columns = [array.tolist() for array in table.values.values()]
    for moment, time_s in enumerate(times):
        at_moment = [column[moment] for column in columns]
        rows.writerows(
            [time_s, subject, *("" if one[place] != one[place] else f"{one[place]:.9g}" for one in at_moment)]
            for place, subject in enumerate(table.subjects)
        )
    return text.getvalue()


def read_series(path: Path) -> SeriesTable:
    """Read back.  Raises InputError for what :func:`write_series` does not write, ShadowLabError for no such file."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
    except OSError as error:
        raise ShadowLabError(f"cannot read the series {path}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(Fault(place=str(path), message=f"not a series: {error}")) from error
    if not rows or rows[0][:2] != _HEAD:
        raise InputError(
            Fault(place=f"{path}:1", message="not a series: the first line must begin with time_s,subject")
        )
    names = rows[0][2:]
    times = list(dict.fromkeys(row[0] for row in rows[1:] if row))
    subjects = tuple(dict.fromkeys(row[1] for row in rows[1:] if len(row) > 1))
    for number, row in enumerate(rows[1:], start=2):
        place = divmod(number - 2, len(subjects) or 1)
        if len(row) != len(rows[0]) or row[:2] != [times[place[0]], subjects[place[1]]]:
            raise InputError(
                Fault(place=f"{path}:{number}", message="every moment must list the same subjects in order")
            )
    try:
        cells = np.array([[float(one) if one else np.nan for one in row[2:]] for row in rows[1:]], dtype=np.float64)
        times_ns = np.array([_parse_seconds(one) for one in times], dtype=np.int64)
    except ValueError as error:
        raise InputError(Fault(place=str(path), message=f"not a number in a series: {error}")) from error
    cells = cells.reshape(len(times), len(subjects), len(names))
    values = {name: np.ascontiguousarray(cells[:, :, place]) for place, name in enumerate(names)}
    return SeriesTable(times_ns=times_ns, subjects=subjects, values=values)


def format_seconds(time_ns: int) -> str:
    """Nanoseconds as seconds, exactly: 1500000000 is ``1.5``."""
    seconds, rest = divmod(abs(time_ns), 1_000_000_000)
    sign = "-" if time_ns < 0 else ""
    return f"{sign}{seconds}" + (f".{rest:09d}".rstrip("0") if rest else "")


def _parse_seconds(text: str) -> int:
    whole, _, rest = text.removeprefix("-").partition(".")
    size = int(whole) * 1_000_000_000 + int(rest.ljust(9, "0") or 0)
    return -size if text.startswith("-") else size
