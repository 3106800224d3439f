"""Indicator series as files of blocks: one row per moment and subject, one column per indicator.

In: a series table.  Out: the bytes of a file, the same for the same values; and windows of it.
Never: a zero for what was not observed (that is NaN).  Runs outside the segment.

Values keep 30 bits of their mantissa, so the relative error is at most 2⁻³¹, or 4.7e-10: nine significant digits, as
everywhere in a run folder.  Whole numbers up to 2³⁰ stay exact.  The rounding is done on the bits, not by decimal
arithmetic, so it is the same on every machine; and the 22 bits that are zero cost nothing once compressed.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import zstandard
from numpy.typing import NDArray

from shadowlab.model.kpi import KPIS, SeriesTable
from shadowlab.store.frame import ZSTD, encode_planes, encode_schema
from shadowlab.store.records import Column, RecordType

BLOCK_ROWS = 1 << 16
_LEVEL = 3
_HALF = np.uint64(1 << 21)
_KEPT = ~np.uint64((1 << 22) - 1)
MOMENT, SUBJECT = "at_ns", "subject"
EXTRA_UNITS: Mapping[str, str] = {"probes_sent": "probes", "void": "fraction"}
"""Of columns that are no indicator but tell what one stands on: how many observations, or that it is void."""


_BY_ENDING = {"ns": "ns", "bps": "bit/s", "bytes": "bytes", "segments": "segments", "share": "fraction"}


def unit_of(name: str) -> str:
    """The unit of an indicator, of what stands beside one, or of a field of a telemetry record, whose name tells it."""
    if name in KPIS:
        return KPIS[name].unit
    words = name.split("_")
    return EXTRA_UNITS.get(name) or _BY_ENDING.get(words[-1], "") or _BY_ENDING.get(words[0], "")


def table_type(subject: str, names: tuple[str, ...]) -> RecordType:
    """The record type of a table about subjects of one kind (``path``, ``link``)."""
    return RecordType(
        name=f"{subject}s",
        meaning=f"one row per moment and {subject}: what the time that ends there amounts to",
        columns=(
            Column(name=MOMENT, kind="i8", unit="ns", meaning="the end of the time that the row sums up"),
            Column(name=SUBJECT, kind="u4", names=SUBJECT, meaning=f"the {subject}"),
            *(
                Column(name=name, kind="f8", unit=unit_of(name), meaning=KPIS[name].meaning if name in KPIS else "")
                for name in names
            ),
        ),
    )


def encode_table(subject: str, table: SeriesTable) -> bytes:
    """The whole file."""
    kind = table_type(subject, tuple(table.values))
    width = len(table.subjects)
    frames = [encode_schema(kind, {SUBJECT: table.subjects})]
    pack = zstandard.ZstdCompressor(level=_LEVEL).compress
    step = max(1, BLOCK_ROWS // max(1, width))
    for start in range(0, len(table.times_ns) if width else 0, step):
        times = table.times_ns[start : start + step]
        columns = [
            _planes(np.repeat(times, width)),
            _planes(np.tile(np.arange(width, dtype=np.uint32), len(times))),
            *(_planes(rounded(values[start : start + step].reshape(-1))) for values in table.values.values()),
        ]
        frames.append(
            encode_planes(
                len(times) * width,
                int(times.min()),
                int(times.max()),
                columns,
                number=len(frames),
                pack=pack,
                codec=ZSTD,
            )
        )
    return b"".join(frames)


def rounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """To 30 bits of mantissa, half up; every NaN becomes the same one, and infinities stay."""
    bits = np.ascontiguousarray(values, dtype=np.float64).view(np.uint64)
    short: NDArray[np.float64] = ((bits + _HALF) & _KEPT).view(np.float64)
    return np.where(np.isfinite(values), short, np.where(np.isnan(values), np.nan, values))


def _planes(values: NDArray[np.int64] | NDArray[np.uint32] | NDArray[np.float64]) -> tuple[bytes, int]:
    width = values.dtype.itemsize
    return np.ascontiguousarray(values.view(np.uint8).reshape(-1, width).T).tobytes(), width
