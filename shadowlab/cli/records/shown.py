"""A sheet on the terminal, as CSV, as JSON, or into a Parquet file.

In: a sheet.  Out: stdout, or the file.  An unknown cell is empty, and null in JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from shadowlab.store.series import format_seconds
from shadowlab.store.sheet import TIME, Sheet, plain_rows, write_csv

_DIGITS = 6


def print_sheet(sheet: Sheet, about: Mapping[str, Any], *, as_json: bool, as_csv: bool, parquet: Path | None) -> None:
    """In the form that was asked for, else as a table."""
    if parquet is not None:
        from shadowlab.store.parquet import write_parquet

        write_parquet(sheet, parquet)
    elif as_json:
        document = {**about, "units": sheet.units, "rows": plain_rows(sheet)}
        json.dump(document, sys.stdout, ensure_ascii=False, sort_keys=True, allow_nan=False)
        sys.stdout.write("\n")
    elif as_csv:
        write_csv(sheet, sys.stdout)
    else:
        print_table(sheet)


def print_table(sheet: Sheet, widths: Sequence[int] | None = None) -> list[int]:
    """Columns in line, numbers to the right; returns the widths, and with ``widths`` given leaves the head out."""
    heads = [f"{one.name} [{one.unit}]" if one.unit and one.name != TIME else one.name for one in sheet.columns]
    rows = [[_cell(one.name, value) for one, value in zip(sheet.columns, row, strict=True)] for row in sheet.rows()]
    right = [one.values.dtype != object for one in sheet.columns]
    if widths is None:
        widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
        rows.insert(0, heads)
    for row in rows:
        cells = [
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ]
        click.echo("  ".join(cells).rstrip())
    return list(widths)


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name == TIME:
        return format_seconds(value)
    return f"{value:.{_DIGITS}g}" if isinstance(value, float) else str(value)
