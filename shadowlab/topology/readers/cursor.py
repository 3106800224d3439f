"""JSON or YAML whose every value knows where it stands.

In: the text of a file.  Out: :class:`Cursor`, which hands out values of the wanted type and remembers every fault.
Never: an exception for a value of the wrong type: its fault is told with all others.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from typing import Any

from shadowlab.errors import Fault, InputError
from shadowlab.topology.positioned import load_positioned

Path = tuple[str | int, ...]


def parse_json(text: str, name: str) -> Cursor:
    """The document.  Raises InputError with line and column where it is not JSON."""
    try:
        return json_cursor(json.loads(text), name, [])
    except json.JSONDecodeError as error:
        message = f"this is not JSON: {error.msg[0].lower()}{error.msg[1:]}"
        raise InputError(Fault(place=f"{name}:{error.lineno}:{error.colno}", message=message)) from error
    except (RecursionError, ValueError) as error:
        raise InputError(
            Fault(place=name, message="this JSON is nested too deeply, or has too long a number")
        ) from error


def json_cursor(value: Any, name: str, faults: list[Fault]) -> Cursor:
    """A cursor on data whose places are told by their keys: ``file: nodes[3].id``."""

    def place(path: Path) -> str:
        words = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
        return f"{name}: {words.lstrip('.')}" if words else name

    return Cursor(value, place, (), faults)


def parse_yaml(text: bytes, name: str) -> Cursor:
    """The document of a YAML file, with lines and columns.  Raises InputError where it cannot be read."""
    positioned = load_positioned(text, name=name)
    return Cursor(positioned.data, positioned.place, (), list(positioned.faults))


class Cursor:
    """A value and its place.  ``None`` stands for a value that is missing, null, or of a wrong type (a fault)."""

    def __init__(self, value: Any, locate: Callable[[Path], str], path: Path, faults: list[Fault]) -> None:
        self.value, self._locate, self._path, self._faults = value, locate, path, faults

    @property
    def place(self) -> str:
        """Where the value stands, as people find it."""
        return self._locate(self._path)

    def wrong(self, message: str) -> None:
        """Remember a fault of this value."""
        self._faults.append(Fault(place=self.place, message=message))

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What was wrong so far in the whole document."""
        return tuple(self._faults)

    def __getitem__(self, key: str) -> Cursor:
        """The value of a key; of a missing one, or where there are no keys, a cursor on None."""
        value = self.value.get(key) if isinstance(self.value, dict) else None
        return Cursor(value, self._locate, (*self._path, key), self._faults)

    def __contains__(self, key: str) -> bool:
        return isinstance(self.value, dict) and key in self.value

    def __bool__(self) -> bool:
        return self.value is not None

    def items(self) -> Iterator[Cursor]:
        """The elements of a list; none for null."""
        if not isinstance(self.value, list):
            if self.value is not None:
                self.wrong(f"must be a list, got {_kind(self.value)}")
            return
        for number, value in enumerate(self.value):
            yield Cursor(value, self._locate, (*self._path, number), self._faults)

    def entries(self) -> Iterator[tuple[str, Cursor]]:
        """The keys and values of a mapping; none for null."""
        if not isinstance(self.value, dict):
            if self.value is not None:
                self.wrong(f"must be a mapping, got {_kind(self.value)}")
            return
        for key in self.value:
            yield key, self[key]

    def either(self, *keys: str) -> Cursor:
        """The value of the first of several keys that is there."""
        return next((self[key] for key in keys if key in self), self[keys[0]])

    def text(self) -> str | None:
        """Text, or a whole number as text (ids are often numbers)."""
        if isinstance(self.value, str):
            return self.value
        if isinstance(self.value, int) and not isinstance(self.value, bool):
            return str(self.value)
        if self.value is not None:
            self.wrong(f"must be text, got {_kind(self.value)}")
        return None

    def number(self, least: float = -math.inf, most: float = math.inf) -> float | None:
        """A finite number within bounds, also one that is written as text."""
        value = self.value
        if isinstance(value, str):
            try:
                value = float(value)
            except ValueError:
                self.wrong(f"must be a number, got '{value[:40]}'")
                return None
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            self.wrong(f"must be a number, got {_kind(value)}")
            return None
        if not least <= value <= most:
            self.wrong(f"must lie between {least:g} and {most:g}, got {value:g}")
            return None
        return float(value)


def _kind(value: object) -> str:
    names = {dict: "a mapping", list: "a list", str: "text", bool: "a truth value", int: "a number", float: "a number"}
    return names.get(type(value), "nothing")


def link_ends(link: Cursor) -> tuple[str, str] | None:
    """``source`` and ``target`` of a link; None, and a fault for each that is missing."""
    source, target = link["source"].text(), link["target"].text()
    for side, end in (("source", source), ("target", target)):
        if end is None:
            link.wrong(f"a link has no {side}")
    return None if source is None or target is None else (source, target)
