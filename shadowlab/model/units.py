"""Quantities with a unit, at the edge of the program.

In: what people write (``3 ms``, ``10 Mbit``, ``64 kB``, ``0.5 %``).  Out: whole nanoseconds, bits per second, bytes,
and fractions from 0 to 1; and back to text.  Inside the program quantities are plain numbers with the unit in the name.
Never: a silent rounding to zero, a clipped value.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

NS_PER_US = 1_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000

_DURATION = {
    "ns": 1,
    "us": NS_PER_US,
    "µs": NS_PER_US,
    "ms": NS_PER_MS,
    "s": NS_PER_S,
    "min": 60 * NS_PER_S,
    "h": 3600 * NS_PER_S,
}
_RATE = {"bit": 1, "bit/s": 1, "bps": 1, "kbit": 10**3, "mbit": 10**6, "gbit": 10**9, "tbit": 10**12}
_RATE |= {f"{unit}/s": factor for unit, factor in _RATE.items() if "/" not in unit and unit != "bps"}
_RATE |= {"kbps": 10**3, "mbps": 10**6, "gbps": 10**9, "tbps": 10**12}
_SIZE = {"b": 1, "byte": 1, "bytes": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_NUMBER = re.compile(r"^\s*([+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,2})?)\s*([^\s\d].*?)?\s*$")
"""Of bounded length: an exponent of nine digits would take all the memory there is."""


if TYPE_CHECKING:
    from fractions import Fraction


def _split(text: str, what: str, example: str) -> tuple[Fraction, str]:
    match = _NUMBER.match(text)
    if match is None:
        raise ValueError(f"{text!r} is not a {what}; write it like {example!r}")
    from fractions import Fraction  # slow to import inside the guest, where no text is read

    return Fraction(match[1]), (match[2] or "")


def _whole(value: Fraction, text: str, unit: str) -> int:
    if value != 0 and abs(value) < 1:
        raise ValueError(f"{text!r} is smaller than one {unit}")
    return round(value)


def _quantity(text: str, units: dict[str, int], what: str, example: str, unit_name: str, *, fold: bool) -> int:
    number, unit = _split(text, what, example)
    key = unit.lower() if fold else unit
    if key not in units:
        if not unit:
            raise ValueError(f"{text!r} has no unit; write a {what} like {example!r}")
        raise ValueError(f"{text!r}: unknown unit {unit!r}; write a {what} like {example!r}")
    return _whole(number * units[key], text, unit_name)


def parse_duration(text: str) -> int:
    """``"3 ms"`` to nanoseconds.  Raises ValueError with an example of what would be right."""
    return _quantity(text, _DURATION, "duration", "3 ms", "nanosecond", fold=False)


def parse_moment(text: str) -> int:
    """A moment of a run to nanoseconds: ``"1:30"``, ``"1:02:03.5"``, ``"90"`` (seconds) or a duration, ``"90 s"``."""
    if re.fullmatch(r"\d{1,12}(\.\d{1,9})?", text):
        return parse_duration(f"{text} s")
    match = re.fullmatch(r"(?:(\d{1,9}):)?(\d{1,9}):([0-5]\d(?:\.\d{1,9})?)", text)
    if match is None:
        try:
            return parse_duration(text)
        except ValueError:
            raise ValueError(f"{text!r} is not a moment; write it like '1:30' or '90 s'") from None
    hours, minutes, seconds = match.groups()
    return (int(hours or 0) * 3600 + int(minutes) * 60) * NS_PER_S + parse_duration(f"{seconds} s")


def parse_rate(text: str) -> int:
    """``"10 Mbit"`` to bits per second."""
    return _quantity(text, _RATE, "rate", "10 Mbit", "bit per second", fold=True)


def parse_size(text: str) -> int:
    """``"64 kB"`` to bytes."""
    return _quantity(text, _SIZE, "size", "64 kB", "byte", fold=True)


def parse_fraction(text: str) -> float:
    """``"0.5 %"`` or ``"0.005"`` to a fraction.  The range is checked by whoever uses it."""
    number, unit = _split(text, "fraction", "0.5 %")
    if unit not in ("", "%"):
        raise ValueError(f"{text!r}: unknown unit {unit!r}; write a fraction like '0.5 %'")
    return float(number / 100 if unit else number)


def _scaled(value: float, steps: tuple[tuple[float, str], ...]) -> str:
    for factor, unit in steps:
        if abs(value) >= factor:
            return f"{value / factor:.4g} {unit}"
    return f"{value:.4g} {steps[-1][1]}"


def format_duration(value_ns: float) -> str:
    """Nanoseconds as people read them."""
    return (
        "0 s"
        if value_ns == 0
        else _scaled(value_ns, ((NS_PER_S, "s"), (NS_PER_MS, "ms"), (NS_PER_US, "µs"), (1, "ns")))
    )


def format_rate(value_bps: float) -> str:
    """Bits per second as people read them."""
    return (
        "0 bit/s"
        if value_bps == 0
        else _scaled(value_bps, ((1e12, "Tbit/s"), (1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s"), (1, "bit/s")))
    )


def format_fraction(value: float) -> str:
    """A fraction as a percentage."""
    return f"{value * 100:.3g} %"


def exact_duration(value_ns: int) -> str:
    """Nanoseconds as :func:`parse_duration` reads them back: ``3.6 ms``."""
    return _exact(value_ns, ((NS_PER_S, "s"), (NS_PER_MS, "ms"), (NS_PER_US, "us"), (1, "ns")))


def exact_rate(value_bps: int) -> str:
    """Bits per second as :func:`parse_rate` reads them back: ``2.5 Gbit``."""
    return _exact(value_bps, ((10**9, "Gbit"), (10**6, "Mbit"), (10**3, "kbit"), (1, "bit")))


def exact_percent(value: float) -> str:
    """A fraction as :func:`parse_fraction` reads it back: ``0.1 %``."""
    return f"{(Decimal(str(value)) * 100).normalize():f} %"


def _exact(value: int, units: tuple[tuple[int, str], ...]) -> str:
    factor, unit = next((one for one in units if value >= one[0]), units[-1])
    return f"{(Decimal(value) / factor).normalize():f} {unit}"
