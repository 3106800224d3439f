"""Our own Parquet: one column per field of :class:`TcpRecord`, null where it is unknown.

In: a file that can be read out of order.  Out: records, checked as those of JSON lines are.
Never: more in memory than one row group's pages of 8192 rows.

``pyarrow`` is an extra: it is imported when it is needed, and CannotRunError names the extra if it is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from shadowlab.errors import CannotRunError, Fault, InputError
from shadowlab.model.telemetry import TcpRecord, field_kinds
from shadowlab.telemetry.checked import checked_record
from shadowlab.telemetry.source import Source

EXPECTED = "expected a Parquet file written by `shadowlab telemetry convert`, with at least the column at_ns"
ROWS_AT_A_TIME = 8192
MAGIC = b"PAR1"


def recognise(head: bytes) -> bool:
    """Whether it is Parquet."""
    return head.startswith(MAGIC)


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise CannotRunError(
            "Parquet needs the Python package pyarrow, an extra of ShadowLab: pip install 'shadowlab[parquet]'"
        ) from None
    return pyarrow, pyarrow.parquet


def read(source: Source) -> Iterator[TcpRecord]:
    """The records, in file order.  Raises InputError for a packed file or a pipe: Parquet's index stands at its end."""
    arrow, parquet = _arrow()
    if source.path is None:
        raise InputError(
            Fault(place=source.name, message="Parquet is read from a file that is neither a pipe nor packed: unpack it")
        )
    try:
        # Own threads and memory maps would outlive the reading, and gain nothing for rows that become Python objects.
        with parquet.ParquetFile(source.path, memory_map=False) as file:
            names = [name for name in file.schema_arrow.names if name in field_kinds()]
            for name in file.schema_arrow.names:
                if name not in field_kinds():
                    source.tally.pass_over(f"the column {name[:60]!r}, which is no field of a record")
            if "at_ns" not in names:
                raise InputError(Fault(place=source.name, message=f"no column at_ns; {EXPECTED}"))
            yield from _rows(file, names, source)
    # Arrow checks little of what it reads: names that are no UTF-8 or sizes that lead nowhere come out as these.
    except (arrow.ArrowException, OSError, ValueError, KeyError, IndexError, OverflowError, MemoryError) as error:
        words = (str(error).splitlines() or [type(error).__name__])[0]
        source.tally.refuse("file", f"the Parquet file is damaged: {words[:200]}")


def _rows(file: Any, names: Sequence[str], source: Source) -> Iterator[TcpRecord]:
    number = 0
    for batch in file.iter_batches(batch_size=ROWS_AT_A_TIME, columns=list(names), use_threads=False):
        columns = [column.to_pylist() for column in batch.columns]
        for row in zip(*columns, strict=True):
            number += 1
            try:
                yield checked_record(dict(zip(names, row, strict=True)))
            except ValueError as error:
                source.tally.refuse(f"row {number}", str(error))


class ParquetWriter:
    """Writes records in row groups; a context manager."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: list[TcpRecord] = []

    def __enter__(self) -> ParquetWriter:
        arrow, parquet = _arrow()
        kinds = {int: arrow.int64(), float: arrow.float64(), bool: arrow.bool_(), str: arrow.string()}
        self._schema = arrow.schema([(name, kinds[kind]) for name, kind in field_kinds().items()])
        self._batch = arrow.record_batch
        self._writer = parquet.ParquetWriter(self._path, self._schema, compression="zstd")
        return self

    def write(self, record: TcpRecord) -> None:
        """One more row."""
        self._rows.append(record)
        if len(self._rows) >= 8 * ROWS_AT_A_TIME:
            self._flush()

    def flush(self) -> None:
        """Nothing: a row group is written when it is full."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._rows:
            columns = [[getattr(row, name) for row in self._rows] for name in self._schema.names]
            self._writer.write_batch(self._batch(columns, schema=self._schema))
            self._rows.clear()
