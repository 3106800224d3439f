"""Field types for files people write: quantities with a unit, and names.

In: ``"3 ms"``, ``"10 Mbit"``, ``"0.5 %"``, ``chi``.  Out: nanoseconds, bits per second, bytes, fractions, ids, for use
as annotations of pydantic models.  Never: a number whose unit has to be guessed (zero alone needs none).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from shadowlab.model.units import parse_duration, parse_fraction, parse_rate, parse_size

UNLIMITED = "unlimited"
_ID = re.compile(r"[A-Za-z0-9._-]{1,40}")
ID_RULE = "use 1 to 40 of the letters A-Z and a-z, digits, `.`, `_` and `-`"


def is_id(text: str) -> bool:
    """Whether ``text`` may name a node, a link or a group."""
    return _ID.fullmatch(text) is not None


def _with_unit(parse: Callable[[str], int], what: str, unit: str) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if isinstance(value, str):
            return parse(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"expected a {what} like '3 {unit}'")
        if value == 0:
            return 0
        raise ValueError(f"{value} has no unit; write a {what} like '{value} {unit}'")

    return read


def _rate(value: Any) -> int | None:
    if value is None or value == UNLIMITED:
        return None
    return _with_unit(parse_rate, "rate", "Mbit")(value)


def _fraction(value: Any) -> float:
    if isinstance(value, str):
        return parse_fraction(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("expected a fraction like '0.5 %' or 0.005")
    return float(value)


def _id(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise ValueError("expected a name; put it in quotes if it looks like a number or a truth value")
    if not is_id(value):
        raise ValueError(f"'{value[:50]}' cannot be a name: {ID_RULE}")
    return value


Duration = Annotated[
    int,
    BeforeValidator(_with_unit(parse_duration, "duration", "ms")),
    WithJsonSchema({"type": ["string", "integer"], "description": "a duration with its unit", "examples": ["3 ms"]}),
]
"""Nanoseconds, written like ``3 ms``."""

Rate = Annotated[
    int | None,
    BeforeValidator(_rate),
    WithJsonSchema({"type": ["string", "null"], "description": "a rate with its unit", "examples": ["10 Mbit"]}),
]
"""Bits per second, written like ``10 Mbit``; None for ``unlimited``."""

Size = Annotated[
    int,
    BeforeValidator(_with_unit(parse_size, "size", "kB")),
    WithJsonSchema({"type": ["string", "integer"], "description": "a size with its unit", "examples": ["64 kB"]}),
]
"""Bytes, written like ``64 kB``."""

Fraction = Annotated[
    float,
    BeforeValidator(_fraction),
    WithJsonSchema({"type": ["string", "number"], "description": "a fraction from 0 to 1", "examples": ["0.5 %"]}),
]
"""A fraction, written like ``0.5 %`` or ``0.005``; its range is for the model to check."""

Id = Annotated[
    str,
    BeforeValidator(_id),
    WithJsonSchema({"type": "string", "pattern": f"^{_ID.pattern}$"}),
]
"""A name of a node, link or group."""
