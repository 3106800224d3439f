"""Rows of a CSV or Parquet file, one after the other.

In: a path, names of columns (or none: then they are found), a delimiter (or none).  Out: the chosen columns, rows of
(time as it stood, ns, values, label).  Never: more than one batch in memory.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from shadowlab.detect.online.reading import LARGEST
from shadowlab.errors import CannotRunError, Fault, InputError
from shadowlab.lab.detecting.cells import clock, labelled, number

_TIMES = ("timestamp", "time", "datetime", "date", "epoch", "ts", "date_time", "moment", "t", "at")
_LABELS = frozenset(
    {"label", "labels", "cp", "anomaly", "is_anomaly", "anomaly_label", "changepoint", "change_point", "outlier"}
)
_DELIMITERS = (";", "\t", "|", ",", " ")
_LONGEST_LINE = 1 << 20


class Row(NamedTuple):
    """``values`` has one number per chosen column, NaN where it is missing; ``place`` is the line, from 1."""

    place: int
    text: str
    time_ns: int
    values: list[float]
    label: bool


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the user said of the file; what is empty is found out."""

    time: str = ""
    values: tuple[str, ...] = ()
    label: str = ""
    delimiter: str = ""
    month_first: bool = False


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The columns that are read, by name."""

    time: str
    values: tuple[str, ...]
    label: str
    others: tuple[str, ...]
    """Numeric columns that could have been values."""


@contextmanager
def opened(path: Path, wanted: Wanted, *, several: bool) -> Iterator[tuple[Chosen, Iterator[Row]]]:
    """The chosen columns and the rows.  ``several``: the detector takes all numeric columns.

    Raises InputError for a file that cannot be read, or has no such columns, or no row; reading the rows raises it for
    a cell that is no time or number, with its line.
    """
    if path.exists() and not path.is_file():  # it is read twice: its first bytes say what it is
        raise InputError(f"{path}: no regular file: write what comes from a pipe into one first")
    try:
        with path.open("rb") as probe:
            head = probe.read(4)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    if head == b"PAR1":
        yield _from_cells(path, _parquet(path), wanted, several)
        return
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            yield _from_cells(path, _csv(path, file, wanted.delimiter), wanted, several)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: no text in UTF-8 (byte {error.start}): neither CSV nor Parquet") from error


def _csv(path: Path, file: TextIO, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    first = [line for line in (file.readline(_LONGEST_LINE) for _ in range(2)) if line]
    if any(len(line) >= _LONGEST_LINE for line in first):
        raise InputError(f"{path}:1: a line of more than a million characters is no CSV")
    reader = csv.reader(chain(first, file), delimiter=delimiter or _sniffed(first), skipinitialspace=True)
    try:
        for cells in reader:
            if cells and any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: {error}") from error


def _sniffed(lines: Sequence[str]) -> str:
    """The delimiter that all the first lines have, by the order of how seldom it stands for something else."""
    widths = {
        one: min((len(next(csv.reader([line], delimiter=one), [])) for line in lines), default=0) for one in _DELIMITERS
    }
    return next((one for one in _DELIMITERS if widths[one] > 1), ",")


def _parquet(path: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError:
        raise CannotRunError(
            f"{path} is Parquet, which needs pyarrow, which is not installed: pip install 'shadowlab[parquet]'"
        ) from None
    try:
        with parquet.ParquetFile(path) as file:
            names = [str(one) for one in file.schema_arrow.names]
            yield 0, names
            place = 1
            for batch in file.iter_batches(batch_size=4096):
                columns = [[_cell(one) for one in column.to_pylist()] for column in batch.columns]
                for cells in zip(*columns, strict=True):
                    yield place, list(cells)
                    place += 1
    except (arrow.ArrowException, OSError) as error:
        raise InputError(f"{path}: not to be read as Parquet: {error}") from error


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)


def _from_cells(
    path: Path, lines: Iterator[tuple[int, list[str]]], wanted: Wanted, several: bool
) -> tuple[Chosen, Iterator[Row]]:
    start = next(lines, None)
    if start is None:
        raise InputError(f"{path}: empty: a series has a header and rows of a time and values")
    names, row = [one.strip() for one in start[1]], next(lines, None)
    if _is_data(names):  # no header: columns go by their numbers
        rest = chain([start], [row] if row else [], lines)
        names, row = [str(place) for place in range(1, len(names) + 1)], start
    elif row is None:
        raise InputError(f"{path}: a header and no row")
    else:
        rest = chain([row], lines)
    chosen = _choose(path, names, row[1], wanted, several)
    return chosen, _rows(path, names, chosen, rest, wanted.month_first)


def _is_data(cells: Sequence[str]) -> bool:
    return len(cells) > 1 and any(_is_time(one) for one in cells) and any(_is_number(one) for one in cells)


def _is_number(cell: str) -> bool:
    try:
        number(cell)
    except ValueError:
        return False
    return True


def _is_time(cell: str) -> bool:
    try:
        clock(cell)(cell)
    except (ValueError, OverflowError):
        return False
    return True


def _choose(path: Path, names: list[str], row: list[str], wanted: Wanted, several: bool) -> Chosen:
    for name in (wanted.time, wanted.label, *wanted.values):
        if name and name not in names:
            raise InputError(f"{path}: no column {name!r}; there are: {', '.join(names[:20])}")
    cells = dict(zip(names, row, strict=False))
    left = [name for name in names if name not in (wanted.label, *wanted.values)]
    by_name = [name for wish in _TIMES for name in left if name.lower() == wish]
    time = wanted.time or next((name for name in by_name + left if _is_time(cells.get(name, ""))), "")
    if not time:
        raise InputError(f"{path}: no column holds times; name it by --time-column: {', '.join(names[:20])}")
    marks = [name for name in left if name.lower() in _LABELS and name != time]
    others = [name for name in left if name != time and name not in marks and _is_number(cells.get(name, "x"))]
    values = wanted.values or tuple(others if several else others[:1])
    if not values:
        raise InputError(f"{path}: no column of numbers beside {time!r}; name one by --value-column")
    return Chosen(
        time=time, values=values, label=wanted.label, others=tuple(one for one in others if one not in values)
    )


def _rows(
    path: Path, names: list[str], chosen: Chosen, lines: Iterator[tuple[int, list[str]]], month_first: bool
) -> Iterator[Row]:
    at, columns = names.index(chosen.time), [(names.index(one), one) for one in chosen.values]
    marked = names.index(chosen.label) if chosen.label else -1
    widest = max(at, marked, *(place for place, _ in columns))
    read = None
    for place, cells in lines:
        if len(cells) <= widest:
            message = f"{len(cells)} columns, where {widest + 1} are needed"
            raise InputError(Fault(place=f"{path}:{place}", message=message))
        text = cells[at].strip()
        try:
            read = read or clock(text, month_first=month_first)
            time_ns = read(text)
        except (ValueError, OverflowError) as error:
            raise InputError(Fault(place=f"{path}:{place}", message=f"column {chosen.time}: {error}")) from error
        values = []
        for column, name in columns:
            try:
                value = number(cells[column])
            except ValueError:
                message = f"column {name}: {cells[column][:40]!r} is no number; leave a missing value empty"
                raise InputError(Fault(place=f"{path}:{place}", message=message)) from None
            values.append(value if abs(value) <= LARGEST else math.nan)
        yield Row(place, text, time_ns, values, marked >= 0 and labelled(cells[marked]))
