"""What a question to the store gives: columns with names and units, ready for any form of output.

In: series tables, or the raw records of a file of blocks.  Out: a sheet, as CSV or as plain values.
Never: a zero for what is unknown: such a cell is masked, and stays empty.  Runs outside the segment.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from shadowlab.model.kpi import SeriesTable
from shadowlab.store.reader import BlockReader, Strings
from shadowlab.store.records import BYTES, Column
from shadowlab.store.series import format_seconds
from shadowlab.store.tables import unit_of
from shadowlab.wire.tcp_info import DELIVERY_RATE_APP_LIMITED, FASTOPEN_CLIENT_FAIL_MASK, TCP_INFO_FIELDS

Masked = np.ma.MaskedArray[Any, Any]
_CELLS_AT_ONCE = 1 << 16
TIME = "time_s"


@dataclass(frozen=True, kw_only=True, eq=False)
class SheetColumn:
    """N values, masked where unknown.  The column :data:`TIME` holds whole nanoseconds and is shown as seconds."""

    name: str
    unit: str
    values: Masked


@dataclass(frozen=True, kw_only=True, eq=False)
class Sheet:
    """Columns of one length."""

    columns: tuple[SheetColumn, ...]

    def __len__(self) -> int:
        return len(self.columns[0].values)

    @property
    def units(self) -> Mapping[str, str]:
        """Of the columns that have one."""
        return {one.name: one.unit for one in self.columns if one.unit}

    def rows(self) -> Iterator[list[Any]]:
        """Plain values, row by row; None for unknown."""
        for start in range(0, len(self), _CELLS_AT_ONCE):
            part = slice(start, start + _CELLS_AT_ONCE)
            lists = [one.values[part].tolist() for one in self.columns]
            yield from map(list, zip(*lists, strict=True))


def sheet_of_tables(tables: Sequence[SeriesTable]) -> Sheet:
    """One row per moment and subject, in order of time; a column per indicator, empty where a subject has none."""
    times = np.concatenate([np.repeat(one.times_ns, len(one.subjects)) for one in tables])
    subjects = np.concatenate([np.tile(np.array(one.subjects, dtype=object), len(one.times_ns)) for one in tables])
    order = np.argsort(times, kind="stable")
    names = dict.fromkeys(name for one in tables for name in one.values)
    columns = [
        SheetColumn(name=TIME, unit="s", values=np.ma.array(times[order])),
        SheetColumn(name="subject", unit="", values=np.ma.array(subjects[order])),
    ]
    for name in names:
        parts = [one.values.get(name, np.full((len(one.times_ns), len(one.subjects)), np.nan)) for one in tables]
        values = np.concatenate([one.reshape(-1) for one in parts])[order]
        columns.append(SheetColumn(name=name, unit=unit_of(name), values=np.ma.masked_invalid(values)))
    return Sheet(columns=tuple(columns))


def sheet_of_records(
    reader: BlockReader, patterns_of: Mapping[str, Sequence[int]], from_ns: int | None, to_ns: int | None
) -> Sheet:
    """The raw records of a window; numbers of paths and the like are shown as names, ``tcp_info`` as its fields.

    ``patterns_of`` tells for lists of names which of their numbers are wanted: a record is if one of its columns has
    one; without columns of these lists, all are.
    """
    records = reader.read(from_ns=from_ns, to_ns=to_ns)
    kind = reader.kind
    columns: list[SheetColumn] = []
    if kind is None:
        return Sheet(columns=(SheetColumn(name="at_ns", unit="ns", values=np.ma.array(np.zeros(0, dtype=np.int64))),))
    named = [one for one in kind.numbers if one.names in patterns_of]
    wanted = np.full(len(records), not named, dtype=np.bool_)
    for one in named:
        wanted |= np.isin(records[one.name], list(patterns_of[one.names]))
    for one in kind.columns:
        if one.kind != BYTES:
            columns.append(_numbers(one, records[one.name][wanted], reader.names.get(one.names, ())))
        elif records.strings is not None:
            columns += _texts(one, records.strings.chosen(wanted))
    return Sheet(columns=tuple(columns))


def sheet_of_lines(text: bytes, from_ns: int | None, to_ns: int | None) -> Sheet:
    """JSON lines with an ``at_ns``: a column per key, lists and objects as JSON.  A last line that is cut is left out.

    Raises ValueError for a whole line that is none.
    """
    whole = text[: text.rfind(b"\n") + 1].decode()
    rows = [row for row in map(json.loads, whole.splitlines()) if _is_between(row["at_ns"], from_ns, to_ns)]
    names = dict.fromkeys(["at_ns", *(name for row in rows for name in row)])
    columns = []
    for name in names:
        cells = np.empty(len(rows), dtype=object)
        cells[:] = [_cell(row.get(name, "")) for row in rows]
        values = np.ma.array(cells.astype(np.int64) if name == "at_ns" else cells)
        columns.append(SheetColumn(name=name, unit="ns" if name == "at_ns" else "", values=values))
    return Sheet(columns=tuple(columns))


def _is_between(at_ns: int, from_ns: int | None, to_ns: int | None) -> bool:
    return (from_ns is None or at_ns >= from_ns) and (to_ns is None or at_ns < to_ns)


def _cell(value: object) -> object:
    return json.dumps(value, ensure_ascii=False, sort_keys=True) if isinstance(value, list | dict) else value


def _numbers(column: Column, values: NDArray[Any], names: Sequence[str]) -> SheetColumn:
    if names:
        # A number beyond the list is shown as it is.
        known = np.array([*names, ""], dtype=object)
        texts = known[np.minimum(values, len(names)).astype(np.int64)]
        beyond = values >= len(names)
        texts[beyond] = [str(one) for one in values[beyond]]
        return SheetColumn(name=column.name, unit="", values=np.ma.array(texts))
    if column.kind.startswith("f"):
        return SheetColumn(name=column.name, unit=column.unit, values=np.ma.masked_invalid(values))
    unknown = np.zeros(len(values), dtype=np.bool_) if column.unknown is None else values == column.unknown
    return SheetColumn(name=column.name, unit=column.unit, values=np.ma.array(values, mask=unknown))


def _texts(column: Column, strings: Strings) -> list[SheetColumn]:
    if column.content == "tcp_info":
        return _tcp_info(column.name, strings)
    shown = np.empty(len(strings), dtype=object)
    shown[:] = [one.decode(errors="replace") if column.content == "text" else one.hex() for one in strings]
    return [SheetColumn(name=column.name, unit="", values=np.ma.array(shown))]


def _tcp_info(name: str, strings: Strings) -> list[SheetColumn]:
    """Every field that at least one of the strings is long enough for; as
    :func:`~shadowlab.wire.tcp_info.decode_tcp_info` names them."""
    length = np.ma.array(strings.lengths)
    columns = [SheetColumn(name=f"{name}.length", unit="bytes", values=length)]

    def add(field: str, values: NDArray[Any], known: NDArray[np.bool_]) -> None:
        if known.any():
            columns.append(SheetColumn(name=f"{name}.{field}", unit="", values=np.ma.array(values, mask=~known)))

    known_at = {field: strings.field(at, f"u{np.dtype(form).itemsize}")[1] for field, at, form in TCP_INFO_FIELDS}
    for field, at, form in TCP_INFO_FIELDS:
        values, known = strings.field(at, f"u{np.dtype(form).itemsize}")
        if field == "wscales":
            add("snd_wscale", values & 0x0F, known)
            add("rcv_wscale", values >> 4, known)
        elif field == "flags":  # its bits came with later fields; before, the byte was a hole
            add("delivery_rate_app_limited", values & DELIVERY_RATE_APP_LIMITED, known_at["delivery_rate"])
            add("fastopen_client_fail", values >> 1 & FASTOPEN_CLIENT_FAIL_MASK, known_at["snd_wnd"])
        else:
            add(field, values, known)
    return columns


def write_csv(sheet: Sheet, stream: TextIO, *, head: bool = True) -> None:
    """Comma-separated, a line of names first; an unknown cell is empty; nine significant digits."""
    rows = csv.writer(stream, lineterminator="\n")
    if head:
        rows.writerow([one.name for one in sheet.columns])
    times = [place for place, one in enumerate(sheet.columns) if one.name == TIME]
    for row in sheet.rows():
        for place in times:
            row[place] = format_seconds(row[place])
        rows.writerow(["" if one is None else f"{one:.9g}" if isinstance(one, float) else one for one in row])


def plain_rows(sheet: Sheet) -> list[dict[str, Any]]:
    """For JSON: one object per row, null for unknown, time in seconds."""
    names = [one.name for one in sheet.columns]
    rows = [dict(zip(names, row, strict=True)) for row in sheet.rows()]
    if TIME in names:
        for row in rows:
            row[TIME] = row[TIME] / 1e9
    return rows
