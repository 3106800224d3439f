"""Tables that show themselves in a notebook and go on to NumPy and pandas.

In: columns of one length.  Out: HTML, a structured array, a data frame.  Never: a zero for what is not known: numbers
are then NaN, words empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shadowlab.errors import CannotRunError
from shadowlab.model.kpi import SeriesTable
from shadowlab.report import markup
from shadowlab.report.words import NOTHING, plural

SHOWN_ROWS = 20


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """Columns by name, each of shape (N,): int64, float64 (NaN: not known), bool or text.  ``table["loss"]`` is one."""

    caption: str
    columns: Mapping[str, NDArray[Any]]

    @classmethod
    def of_rows(cls, caption: str, names: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
        """A table of rows as long as ``names``; None is what is not known."""
        return cls(
            caption=caption,
            columns={name: _column([row[place] for row in rows]) for place, name in enumerate(names)},
        )

    @classmethod
    def of_series(cls, caption: str, subject: str, series: SeriesTable) -> Table:
        """A row for each moment and subject: ``time_s`` (of the run), the subject, one column per indicator."""
        moments, width = len(series.times_ns), len(series.subjects)
        columns: dict[str, NDArray[Any]] = {
            "time_s": np.repeat(series.times_ns / 1e9, width),
            subject: np.tile(np.array(series.subjects, dtype=str), moments),
        }
        return cls(caption=caption, columns=columns | {name: one.reshape(-1) for name, one in series.values.items()})

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def __getitem__(self, name: str) -> NDArray[Any]:
        """A column.  Raises KeyError, which names those there are."""
        if name not in self.columns:
            raise KeyError(f"no column {name!r}: there are {', '.join(self.columns)}")
        return self.columns[name]

    def rows(self) -> list[tuple[Any, ...]]:
        """Plain values, row by row."""
        return list(zip(*(one.tolist() for one in self.columns.values()), strict=True))

    def to_numpy(self) -> NDArray[np.void]:
        """A structured array of shape (N,) with a field for each column."""
        made = np.empty(len(self), dtype=[(name, one.dtype) for name, one in self.columns.items()])
        for name, one in self.columns.items():
            made[name] = one
        return made

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame``.  Raises CannotRunError where pandas is not installed."""
        try:
            pandas = import_module("pandas")
        except ImportError as error:
            raise CannotRunError(
                "pandas is not installed: pip install 'shadowlab[notebook]', or take to_numpy()"
            ) from error
        return pandas.DataFrame(dict(self.columns))

    def __repr__(self) -> str:
        return f"<{self.caption}: {plural(len(self), 'row')}; {', '.join(self.columns)}>"

    def _repr_html_(self) -> str:
        rows = [tuple(map(_shown, row)) for row in self.rows()[:SHOWN_ROWS]]
        numbers = [place for place, one in enumerate(self.columns.values()) if one.dtype.kind in "if"]
        left_out = len(self) - len(rows)
        note = markup.tag("p", f"and {plural(left_out, 'more row')}: to_numpy() and to_pandas() have all")
        shown = markup.table(self.caption, tuple(self.columns), rows, right=numbers, empty=f"{self.caption}: none")
        return markup.join(shown, note if left_out > 0 else "")


def _column(values: Sequence[object]) -> NDArray[Any]:
    known = [one for one in values if one is not None]
    if known and len(known) == len(values) and all(isinstance(one, bool) for one in known):
        return np.array(values, dtype=np.bool_)
    if known and all(isinstance(one, int | float) and not isinstance(one, bool) for one in known):
        whole = len(known) == len(values) and all(isinstance(one, int) for one in known)
        return np.array(values, dtype=np.int64 if whole else np.float64)
    return np.array(["" if one is None else str(one) for one in values], dtype=str)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return NOTHING if value != value else f"{value:.6g}"
    return str(value)
