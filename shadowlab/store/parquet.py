"""A sheet as a Parquet file.

In: a sheet, a path.  Out: the file, whole or not there; null where a cell is unknown; units in the fields' metadata.

``pyarrow`` is an extra: it is imported when it is needed, and CannotRunError names the extra if it is missing.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from shadowlab.errors import CannotRunError
from shadowlab.store.sheet import TIME, Sheet, SheetColumn
from shadowlab.store.whole import translated


def write_parquet(sheet: Sheet, path: Path) -> None:
    """Raises CannotRunError without pyarrow, ShadowLabError for a folder that is full or cannot be written."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise CannotRunError(
            "Parquet needs the Python package pyarrow, an extra of ShadowLab: pip install 'shadowlab[parquet]'"
        ) from None
    arrays = [_array(pyarrow, one) for one in sheet.columns]
    fields = [
        pyarrow.field(one.name, array.type, metadata={"unit": one.unit} if one.unit else None)
        for one, array in zip(sheet.columns, arrays, strict=True)
    ]
    table = pyarrow.Table.from_arrays(arrays, schema=pyarrow.schema(fields))
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        pyarrow.parquet.write_table(table, beside, compression="zstd")
        beside.replace(path)
    except OSError as error:
        raise translated(error, f"write {path.name}", path.parent) from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def _array(pyarrow: Any, column: SheetColumn) -> Any:
    values, mask = column.values.data, np.ma.getmaskarray(column.values)
    if column.name == TIME:
        return pyarrow.array(values / 1e9, mask=mask)
    if values.dtype == object:
        return pyarrow.array(values, type=pyarrow.string(), mask=mask).dictionary_encode()
    return pyarrow.array(np.ascontiguousarray(values), mask=mask)
