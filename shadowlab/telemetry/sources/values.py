"""Single values out of foreign JSON, checked.

In: an object and a key.  Out: a whole number of 0 or more, or None if the key is absent.
Raises ValueError naming the key for anything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LARGEST = 2**63


def count(values: Mapping[str, Any], key: str, factor: int = 1) -> int | None:
    """``values[key] * factor``.  A number in a text (protobuf's JSON has such) counts as a number."""
    value = values.get(key)
    if value is None:
        return None
    if isinstance(value, str) and value.isdecimal() and len(value) <= 20:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{key} is {str(value)[:40]!r}, which is no whole number")
    if not 0 <= value * factor < LARGEST:
        raise ValueError(f"{key} is {str(value)[:40]}: it must be from 0 to 2**63 - 1")
    return value * factor


def text(values: Mapping[str, Any], key: str) -> str:
    """A text, or an empty one."""
    value = values.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{key} is {str(value)[:40]!r}, which is no text")
    return value[:1000]


def port(values: Mapping[str, Any], key: str) -> int:
    """A port; 0 if it is absent."""
    number = count(values, key)
    if number is not None and number > 65_535:
        raise ValueError(f"{key} is {number}: it must be from 0 to 65535")
    return number or 0


def known(**fields: Any) -> dict[str, Any]:
    """The fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}
