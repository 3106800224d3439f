"""What a form validator complains about, in plain words.

In: a pydantic ValidationError, the model, and the data it was given.  Out: for each fault the data path, a sentence,
and whether the sentence is about the key.  Never: pydantic's jargon where plain words are known.
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

import pydantic

from shadowlab.model.plain import other_format

DataPath = tuple[str | int, ...]

_EXPECTED = {
    "string": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "`true` or `false`",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "frozen_set": "a list",
    "dict": "a mapping (`key: value`)",
    "model": "a mapping (`key: value`)",
    "mapping": "a mapping (`key: value`)",
    "none": "nothing",
}
_WRONG_TYPE = {
    f"{kind}_{suffix}": words
    for kind, words in _EXPECTED.items()
    for suffix in ("type", "parsing", "from_float", "attributes_type", "required", "parsing_size")
}


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``: did you mean `delay`?``, or an empty text when nothing known comes close."""
    close = difflib.get_close_matches(word[:100], list(known), n=1, cutoff=0.6)
    return f": did you mean `{close[0]}`?" if close else ""


def subject(path: Sequence[str | int]) -> str:
    """``links.chi-ind.delay``; list indices in brackets, counted from 1 as people do."""
    words = ""
    for step in path:
        words += f"[{step + 1}]" if isinstance(step, int) else f".{step}" if words else str(step)
    return words


def shown(value: object) -> str:
    """A value as a fault quotes it: short, and with its kind."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = str(value)
    text = text if len(text) <= 40 else text[:39] + "…"
    return f"the text '{text}'" if isinstance(value, str) else f"the number {text}"


def plain_faults(
    error: pydantic.ValidationError, model: type[pydantic.BaseModel], data: Any
) -> Iterator[tuple[DataPath, str, bool]]:
    """Data path, sentence, and whether it is about the key, for each fault."""
    expected: dict[DataPath, list[str]] = {}
    sentences: list[tuple[DataPath, str, bool]] = []
    for one in error.errors(include_url=False):
        path, of_key = _data_path(one["loc"], data)
        kind = one["type"]
        if kind == "extra_forbidden":
            sentences.append((path, _unknown_key(path, model), True))
        elif kind == "missing":
            missing = str(one["loc"][-1])
            if isinstance(_value(data, path), list):
                sentences.append(
                    (path, f"{_about(path)}the list is too short: item {int(missing) + 1} is missing", False)
                )
                continue
            path = path[:-1] if path and path[-1] == missing else path
            of = f" of {subject(path)}" if path else ""
            sentences.append((path, f"the key `{missing}`{of} is missing", True))
        elif kind in _WRONG_TYPE and not of_key:
            expected.setdefault(path, []).append(_WRONG_TYPE[kind])
        else:
            sentences.append((path, _about(path) + _sentence(one), of_key))
    # A value that may take several forms is refused by each of them: where one form got further, that one was meant.
    deeper = {path[:cut] for path, _, _ in sentences for cut in range(len(path))}
    deeper |= {path[:cut] for path in expected for cut in range(len(path))}
    answered = {path for path, _, of_key in sentences if not of_key}
    alien = [one for one in sentences if one[0] == ("shadowlab",) and not one[2]]
    if alien:
        yield from alien  # of another kind of document each key is wrong, and that says nothing
        return
    yield from sentences
    for path, words in expected.items():
        if path not in deeper and path not in answered:
            wanted = " or ".join(dict.fromkeys(words))
            yield path, f"{_about(path)}expected {wanted}, got {shown(_value(data, path))}", False


def _about(path: DataPath) -> str:
    return f"{subject(path)}: " if path else ""


def _sentence(one: Any) -> str:
    context = one.get("ctx") or {}
    if one["type"] in ("value_error", "assertion_error"):
        return str(context.get("error", one["msg"]))
    if one["type"] in ("literal_error", "enum"):
        known = [word.strip("'") for word in context["expected"].replace(" or ", ", ").split(", ")]
        if one["loc"][-1:] == ("shadowlab",) and len(known) == 1:  # a form's own version
            return f"expected {context['expected']}, got {shown(one['input'])}: {other_format(one['input'], known[0])}"
        guess = did_you_mean(str(one["input"]), known)
        return f"expected {context['expected']}, got {shown(one['input'])}{guess}"
    message = str(one["msg"])
    message = message.replace("Input should", "must").replace("List should", "the list must")
    message = message.replace("Tuple should", "the list must").replace("Dictionary should", "the mapping must")
    message = message.replace("String should", "the text must").replace(" after validation", "")
    if one["type"] == "too_long":
        return f"the list is too long: {context['actual_length']} items where {context['max_length']} belong"
    if one["type"] in ("greater_than", "greater_than_equal", "less_than", "less_than_equal"):
        return f"{message}, got {one['input']}"
    return message


def _unknown_key(path: DataPath, model: type[pydantic.BaseModel]) -> str:
    key, parent = str(path[-1]), path[:-1]
    known = sorted({name for found in _models_at(model, parent) for name in _keys(found)})
    of = f" of {subject(parent)}" if parent else ""
    return f"unknown key `{key}`{of}" + (did_you_mean(key, known) or f"; the known keys are {', '.join(known)}")


def _keys(model: type[pydantic.BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield field.alias or name


def _models_at(annotation: Any, path: DataPath) -> Iterator[type[pydantic.BaseModel]]:
    """The models that may stand at ``path`` below ``annotation``."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _models_at(args[0], path)
    elif origin in (Union, types.UnionType):
        for one in args:
            yield from _models_at(one, path)
    elif isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        if not path:
            yield annotation
        for name, field in annotation.model_fields.items():
            if path and path[0] == (field.alias or name):
                yield from _models_at(field.annotation, path[1:])
    elif path and args:
        if origin is tuple and Ellipsis not in args:
            inner = args[path[0] : path[0] + 1] if isinstance(path[0], int) else ()
        elif isinstance(path[0], int):
            inner = args[:1]
        else:
            inner = args[1:2]
        for one in inner:
            yield from _models_at(one, path[1:])


def _data_path(location: Sequence[str | int], data: Any) -> tuple[DataPath, bool]:
    """The steps of a pydantic location that exist in the data: it also names unions, functions, and ``[key]``."""
    path: list[str | int] = []
    for step in location:
        if step == "[key]":
            return tuple(path), True
        if not _contains(data, step):
            continue
        data = data[step]
        path.append(step)
    return tuple(path), False


def _contains(data: Any, step: str | int) -> bool:
    if isinstance(data, list):
        return isinstance(step, int) and step < len(data)
    return isinstance(data, Mapping) and step in data


def _value(data: Any, path: DataPath) -> Any:
    for step in path:
        data = data[step]
    return data
