"""YAML files that remember where everything stands, and their validation with all faults at once.

In: the bytes of a YAML file (a map, a scenario), and a pydantic model of its form.  Out: the checked model, or one
:class:`~shadowlab.errors.InputError` whose faults each begin with ``file:line:column``.  Never: a file is opened; a
fault is held back because another was found first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pydantic

from shadowlab.errors import Fault, InputError
from shadowlab.topology.compose import Spot, compose, decode_text
from shadowlab.topology.wording import plain_faults

M = TypeVar("M", bound=pydantic.BaseModel)


@dataclass(frozen=True, kw_only=True)
class Positioned:
    """Plain data and its places.  ``faults`` are keys given twice, reported by :func:`validate` with all others."""

    name: str
    data: Any
    root: Spot
    faults: tuple[Fault, ...] = ()

    def position(self, path: Sequence[str | int], *, of_key: bool = False) -> tuple[int, int]:
        """Line and column of the value at ``path`` (or of its key), or of the nearest value around it."""
        spot, place = self.root, (self.root.line, self.root.column)
        for index, step in enumerate(path):
            last = index == len(path) - 1
            if last and of_key and step in spot.keys:
                return spot.keys[str(step)]
            child = spot.children.get(step)
            if child is None:
                return spot.keys.get(str(step), place)
            spot, place = child, (child.line, child.column)
        return place

    def place(self, path: Sequence[str | int], *, of_key: bool = False) -> str:
        """``file:line:column`` of a value or its key."""
        line, column = self.position(path, of_key=of_key)
        return f"{self.name}:{line}:{column}"

    def fault(self, path: Sequence[str | int], message: str, *, of_key: bool = False) -> Fault:
        """A fault of the value at ``path``."""
        return Fault(place=self.place(path, of_key=of_key), message=message)


def load_positioned(text: bytes, *, name: str) -> Positioned:
    """Data and places of one YAML document.  Raises InputError; ``name`` is what faults call the file."""
    data, root, twice = compose(decode_text(text, name=name), name=name)
    return Positioned(name=name, data=data, root=root, faults=twice)


def examine(model: type[M], positioned: Positioned) -> tuple[M | None, tuple[Fault, ...]]:
    """The model, or None and every fault of form, in the order of the file.  Never raises for wrong input."""
    try:
        checked: M | None = model.model_validate(positioned.data)
        found: list[Fault] = []
    except pydantic.ValidationError as error:
        checked = None
        found = [
            positioned.fault(path, message, of_key=of_key)
            for path, message, of_key in plain_faults(error, model, positioned.data)
        ]
    faults = in_file_order([*positioned.faults, *found])
    return (None if faults else checked), faults


def validate(model: type[M], positioned: Positioned) -> M:
    """The checked model.  Raises InputError with all faults, each with its line and column."""
    checked, faults = examine(model, positioned)
    if checked is None:
        raise InputError(*faults)
    return checked


def in_file_order(faults: Sequence[Fault]) -> tuple[Fault, ...]:
    """Faults by line and column, each once."""

    def by_place(fault: Fault) -> tuple[tuple[int, ...], str]:
        numbers = [int(part) for part in fault.place.rsplit(":", 2)[1:] if part.isdigit()]
        return tuple(numbers), fault.message

    return tuple(sorted(dict.fromkeys(faults), key=by_place))
