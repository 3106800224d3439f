"""Frozen dataclasses to plain JSON values and back.

In: any dataclass of the model (or a tuple, mapping, number, text of them).  Out: what ``json`` can write, with the
same bytes for the same value; and back, by the class's own annotations.  A union of dataclasses is told apart by the
class name, kept under ``"is"``.
"""

from __future__ import annotations

import dataclasses
import re
import sys
import types
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

_FORMAT = re.compile(r"(?P<family>[a-z-]+)/(?P<number>[1-9][0-9]{0,8})", re.ASCII)
_KINDS = {"map": "a map", "scenario": "a scenario", "watch": "a watch"}
"""What a family of documents is called, for those that people write."""

_T = TypeVar("_T")
Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]


def to_plain(value: Any) -> Any:
    """The value as JSON can hold it.  Raises TypeError for what has no plain form."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        plain = {"is": type(value).__name__}
        for one in dataclasses.fields(value):
            plain[one.name] = to_plain(getattr(value, one.name))
        return plain
    if isinstance(value, Mapping):
        return {str(key): to_plain(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [to_plain(one) for one in value]
    raise TypeError(f"{type(value).__name__} has no plain form")


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls, vars(sys.modules[cls.__module__]))


def other_format(said: object, wanted: str) -> str:
    """What to say of a document of another format than ``wanted``: of a newer or an older version of it, or of none."""
    ours, theirs = _FORMAT.fullmatch(wanted), _FORMAT.fullmatch(said) if isinstance(said, str) else None
    if ours is None or theirs is None or ours["family"] != theirs["family"] or said == wanted:
        known = ours and theirs and _KINDS.get(theirs["family"])
        return f"this is {known}, no {wanted} document" if known else f"this is no {wanted} document"
    if int(theirs["number"]) > int(ours["number"]):
        return f"this is {said}, of a newer ShadowLab than this one, which knows {wanted}: install that"
    return f"this is {said}, which this one ({wanted}) knows no more: convert it with the ShadowLab that wrote it"


def without_format(document: Any, wanted: str, *, key: str = "format") -> dict[str, Any]:
    """A document's other keys.  Raises ValueError if it is none, or not of the format ``wanted``."""
    said = document.get(key) if isinstance(document, dict) else None
    if said != wanted:
        raise ValueError(other_format(said, wanted))
    return {name: value for name, value in document.items() if name != key}


def from_plain(kind: type[_T] | Any, plain: Any) -> _T:
    """The value of type ``kind`` (a class, or an annotation made of classes) that ``plain`` stands for."""
    result: _T = _decode(kind, plain)
    return result


def _decode(kind: Any, plain: Any) -> Any:
    if plain is None or kind in (int, str, bool, Any):
        return plain
    if kind is float:
        return float(plain)
    if dataclasses.is_dataclass(kind):
        hints = _hints(kind)  # type: ignore[arg-type]
        return kind(**{name: _decode(hints[name], one) for name, one in plain.items() if name != "is"})  # type: ignore[operator]
    if isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields"):  # a named tuple
        hints = _hints(kind)
        return kind(*(_decode(hints[name], one) for name, one in zip(kind._fields, plain, strict=True)))
    origin, args = get_origin(kind), get_args(kind)
    if origin is Literal:
        return plain
    if origin is tuple:
        inner = args[0] if len(args) == 2 and args[1] is Ellipsis else None
        return tuple(_decode(inner if inner is not None else args[index], one) for index, one in enumerate(plain))
    if origin in (Union, types.UnionType):
        return _decode_union(args, plain)
    if origin is not None and issubclass(origin, Mapping):
        return {key: _decode(args[1], one) for key, one in plain.items()}
    raise TypeError(f"no plain form is known for {kind!r}")


def _decode_union(args: tuple[Any, ...], plain: Any) -> Any:
    if isinstance(plain, dict) and "is" in plain:
        for one in args:
            if getattr(one, "__name__", None) == plain["is"]:
                return _decode(one, plain)
        raise ValueError(f"{plain['is']} is not one of {', '.join(getattr(one, '__name__', str(one)) for one in args)}")
    for one in args:
        if one is float and isinstance(plain, int | float):
            return float(plain)
        if get_origin(one) in (tuple, dict) and isinstance(plain, list | dict):
            return _decode(one, plain)
    return plain
