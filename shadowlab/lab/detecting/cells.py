"""What a cell of a table means: a moment, a number, a label.

In: text.  Out: nanoseconds, a float.  Raises ValueError for what it is not.  Never: a guess that later rows could
change: the form of the times is that of the first row.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime

NS = 10**9
_SLASHED = re.compile(r"(\d{1,2})[/.](\d{1,2})[/.](\d{4})(?:[ T]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d+))?)?)?$")
_YEAR_FIRST = re.compile(r"(\d{4})/(\d{1,2})/(\d{1,2})(.*)$")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?$")
_POINTED_COMMA = re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+,\d+$")
_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "-", "?"})
_UNITS = ((10**17, 1), (10**14, 10**3), (10**11, 10**6))
"""Epochs: from so many on they are ns, µs, ms; below that s."""
EARLIEST, LATEST = -(2**62), 2**62


def number(text: str) -> float:
    """A number with a decimal point or comma, NaN for a missing or infinite one."""
    text = text.strip()
    try:
        value = float(text)
    except ValueError:
        if text.lower() in _MISSING:
            return math.nan
        plain = text.replace(".", "") if _POINTED_COMMA.match(text) else text
        value = float(plain.replace(",", ".", 1))
    return value if math.isfinite(value) else math.nan


def clock(text: str, *, month_first: bool = False) -> Callable[[str], int]:
    """How to read times of the form of this one, as ns since 1970 UTC.  Raises ValueError if it is no time."""
    text = text.strip()
    if _NUMBER.match(text):
        size = abs(float(text))
        unit = next((unit for least, unit in _UNITS if size >= least), NS)
        return lambda cell: _epoch(cell, unit)
    found = _SLASHED.match(text)
    if found:
        if int(found[2]) > 12:
            month_first = True
        return lambda cell: _slashed(cell, month_first)
    iso(text)
    return iso


def _epoch(cell: str, unit: int) -> int:
    whole, _, part = cell.strip().replace(",", ".").partition(".")
    value = int(whole) * unit
    if part:
        value += round(float("0." + part) * unit) * (-1 if whole.startswith("-") else 1)
    return _kept(value)


def _slashed(cell: str, month_first: bool) -> int:
    found = _SLASHED.match(cell.strip())
    if not found:
        raise ValueError(f"{cell!r} is no time like the first one")
    first, second, year = int(found[1]), int(found[2]), int(found[3])
    day, month = (second, first) if month_first else (first, second)
    if month > 12:
        raise ValueError(f"{cell!r} has no such month, days being read first; --month-first reads it the other way")
    moment = datetime(year, month, day, int(found[4] or 0), int(found[5] or 0), int(found[6] or 0), tzinfo=UTC)
    fraction = round(float("0." + found[7]) * NS) if found[7] else 0
    return int(moment.timestamp()) * NS + fraction


def iso(cell: str) -> int:
    """A time of ISO 8601, or with slashes between year, month and day; without a zone it is UTC."""
    cell = cell.strip()
    slashes = _YEAR_FIRST.match(cell)
    if slashes:
        cell = f"{slashes[1]}-{int(slashes[2]):02}-{int(slashes[3]):02}{slashes[4]}"
    try:
        moment = datetime.fromisoformat(cell)
    except ValueError:
        raise ValueError(f"{cell!r} is no time: epoch, ISO 8601 or dd/mm/yyyy hh:mm:ss") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    whole = moment.replace(microsecond=0)
    return int(whole.timestamp()) * NS + moment.microsecond * 1000


def _kept(value: int) -> int:
    if not EARLIEST < value < LATEST:
        raise ValueError("the time is beyond all clocks")
    return value


def labelled(text: str) -> bool:
    """Whether a cell marks its row: anything but 0, false, no, normal and nothing."""
    return text.strip().lower() not in {"", "0", "0.0", "false", "no", "normal", "nan", "none"}
