"""YAML text becomes plain data, and the place of every value in it.

In: the bytes of a YAML file.  Out: data made of ``dict``, ``list``, ``str``, ``int``, ``float``, ``bool`` and None,
beside a tree of :class:`Spot` of the same shape.  Never: recursion (the parser's events are folded with an explicit
stack), an object of a foreign class, an alias that multiplies without bound.

Scalars follow JSON rather than YAML 1.1: ``no`` and ``12:30`` stay text, ``007`` stays text.  Keys are always text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from shadowlab.errors import Fault, InputError

MAX_BYTES = 64 * 2**20
MAX_VALUES = 1_000_000
"""Values of one file, those reached through aliases counted once per use."""
MAX_DEPTH = 100

_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_INT = re.compile(r"-?(0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"-?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?\Z")
_WORDS: dict[str, Any] = {"": None, "~": None, "null": None, "true": True, "false": False}
_TAG = "tag:yaml.org,2002:"
_SCALAR_TAGS: dict[str, type | tuple[type, ...]] = {"int": int, "float": (int, float), "bool": bool, "null": type(None)}
_LONGEST_NUMBER = 40

_PLAIN_WORDS = {
    "could not find expected ':'": "a `:` is missing after this key (or the line before)",
    "did not find expected key": "this line does not fit the one above: check the indentation, or a missing `:`",
    "mapping values are not allowed in this context": "a `:` is not expected here: check the indentation, "
    "or put the text in quotes",
    "found character that cannot start any token": "this character cannot begin a value: indent with spaces "
    "instead of tabs, and put text that begins with a sign in quotes",
    "found unexpected end of stream": "the file ends in the middle of a value: a closing quote is missing",
    "did not find expected ',' or ']'": "a `,` or the closing `]` of this list is missing",
    "did not find expected ',' or '}'": "a `,` or the closing `}` of this mapping is missing",
    "did not find expected '-' indicator": "this line does not fit the list above: check the indentation",
    "did not find expected node content": "a value is missing here",
}


@dataclass(slots=True)
class Spot:
    """Where a value begins (counted from 1), where its keys begin, and the spots of what it contains."""

    line: int
    column: int
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)
    children: dict[Any, Spot] = field(default_factory=dict)


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not been seen, or a value just completed: its size counts what it contains."""

    value: Any
    spot: Spot
    anchor: str | None
    size: int = 1
    height: int = 1
    key: str | None = None


def decode_text(text: bytes, *, name: str) -> str:
    """The text of a file.  Raises InputError for a file that is empty, too large, binary, or not UTF-8."""
    if len(text) > MAX_BYTES:
        raise InputError(Fault(place=name, message=f"the file is larger than {MAX_BYTES // 2**20} MiB"))
    if not text.strip():
        raise InputError(Fault(place=name, message="the file is empty"))
    control = _CONTROL.search(text)
    if control is not None:
        byte = control.group()[0]
        message = f"this is a binary file, not text: byte 0x{byte:02x} at offset {control.start()}"
        raise InputError(Fault(place=name, message=message))
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        offset = error.start + (3 if text.startswith(b"\xef\xbb\xbf") else 0)
        message = f"this is not UTF-8 text: byte 0x{text[offset]:02x} at offset {offset}"
        raise InputError(Fault(place=name, message=message)) from error


def compose(text: str, *, name: str) -> tuple[Any, Spot, tuple[Fault, ...]]:
    """Data, places, and one fault per key given twice (the first value stays).  Raises InputError for all else."""
    return _Composer(name).compose(text)


class _Composer:
    """Folds the events of one file.  ``_stack`` holds the open lists and mappings, outermost first."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._stack: list[_Open] = []
        self._anchors: dict[str, _Open | None] = {}
        self._twice: list[Fault] = []
        self._result: _Open | None = None
        self._values = 0
        self._through_aliases = 0

    def compose(self, text: str) -> tuple[Any, Spot, tuple[Fault, ...]]:
        documents = 0
        for event in self._events(text):
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._wrong(event, "a second document begins here; put one document in one file")
            elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                self._begin(event)
            elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                self._end()
            elif isinstance(event, yaml.ScalarEvent):
                self._scalar(event)
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event)
        if self._result is None:
            raise InputError(Fault(place=self._name, message="the file is empty"))
        return self._result.value, self._result.spot, tuple(self._twice)

    def _events(self, text: str) -> Iterator[Any]:
        loader = None
        try:
            loader = _PARSER(text)
            while loader.check_event():
                yield loader.get_event()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            problem = error.problem or error.context or "it cannot be read"
            message = f"not valid YAML: {_PLAIN_WORDS.get(problem, problem)}"
            raise InputError(Fault(place=self._place(mark), message=message)) from error
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            reason = getattr(error, "reason", None) or str(error)
            raise InputError(Fault(place=self._name, message=f"not valid YAML: {reason}")) from error
        finally:
            if loader is not None:
                loader.dispose()

    def _place(self, mark: Any) -> str:
        return self._name if mark is None else f"{self._name}:{mark.line + 1}:{mark.column + 1}"

    def _wrong(self, event: Any, message: str) -> InputError:
        return InputError(Fault(place=self._place(event.start_mark), message=message))

    def _begin(self, event: Any) -> None:
        mapping = isinstance(event, yaml.MappingStartEvent)
        if event.tag not in (None, "!", _TAG + ("map" if mapping else "seq")):
            raise self._wrong(event, f"the tag `{_short(event.tag)}` is not allowed; write plain values")
        if self._stack and isinstance(self._stack[-1].value, dict) and self._stack[-1].key is None:
            raise self._wrong(event, "a key must be a single word, not a list or a mapping")
        if len(self._stack) >= MAX_DEPTH:
            raise self._wrong(event, f"lists and mappings are nested more than {MAX_DEPTH} deep")
        self._count(event, 1)
        spot = Spot(event.start_mark.line + 1, event.start_mark.column + 1)
        self._stack.append(_Open({} if mapping else [], spot, event.anchor))
        if event.anchor is not None:
            self._anchors[event.anchor] = None

    def _end(self) -> None:
        done = self._stack.pop()
        if done.anchor is not None:
            self._anchors[done.anchor] = done
        self._put(done)

    def _scalar(self, event: Any) -> None:
        top = self._stack[-1] if self._stack else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            self._key(event, top)
            return
        self._count(event, 1)
        spot = Spot(event.start_mark.line + 1, event.start_mark.column + 1)
        done = _Open(self._resolve(event), spot, event.anchor)
        if event.anchor is not None:
            self._anchors[event.anchor] = done
        self._put(done)

    def _key(self, event: Any, top: _Open) -> None:
        if event.tag not in (None, "!", _TAG + "str"):
            raise self._wrong(event, f"the tag `{_short(event.tag)}` is not allowed; write plain values")
        place = (event.start_mark.line + 1, event.start_mark.column + 1)
        key = str(event.value)
        if event.anchor is not None:
            self._anchors[event.anchor] = _Open(key, Spot(*place), event.anchor)
        first = top.spot.keys.get(key)
        if first is not None:
            where = f" in `{self._stack[-2].key}`" if len(self._stack) > 1 and self._stack[-2].key else ""
            message = f"`{key}` is given twice{where}; the first is at line {first[0]}"
            self._twice.append(Fault(place=self._place(event.start_mark), message=message))
        else:
            top.spot.keys[key] = place
        top.key = key

    def _alias(self, event: Any) -> None:
        if event.anchor not in self._anchors:
            raise self._wrong(event, f"`*{event.anchor}` refers to an anchor that is not defined above")
        target = self._anchors[event.anchor]
        if target is None:
            raise self._wrong(event, f"`*{event.anchor}` stands inside the value it refers to")
        if self._stack and isinstance(self._stack[-1].value, dict) and self._stack[-1].key is None:
            raise self._wrong(event, "a key must be a single word, not an alias")
        self._through_aliases += target.size
        self._count(event, target.size)
        if len(self._stack) + target.height > MAX_DEPTH + 1:
            raise self._wrong(event, f"lists and mappings are nested more than {MAX_DEPTH} deep")
        self._put(target)

    def _count(self, event: Any, size: int) -> None:
        self._values += size
        if self._values > MAX_VALUES:
            why = " once its aliases are expanded" if self._through_aliases else ""
            raise self._wrong(event, f"the file holds more than {MAX_VALUES} values{why}")

    def _put(self, done: _Open) -> None:
        if not self._stack:
            self._result = done
            return
        top = self._stack[-1]
        top.size += done.size
        top.height = max(top.height, done.height + 1)
        if isinstance(top.value, list):
            top.spot.children[len(top.value)] = done.spot
            top.value.append(done.value)
            return
        if top.key not in top.value:
            top.value[top.key] = done.value
            top.spot.children[top.key] = done.spot
        top.key = None

    def _resolve(self, event: Any) -> Any:
        tag, text = event.tag, event.value
        if tag in ("!", _TAG + "str") or (tag is None and not event.implicit[0]):
            return text
        value = self._plain(event, text)
        if tag is None:
            return value
        kind = tag.removeprefix(_TAG)
        if not tag.startswith(_TAG) or kind not in _SCALAR_TAGS:
            raise self._wrong(event, f"the tag `{_short(tag)}` is not allowed; write plain values")
        if not isinstance(value, _SCALAR_TAGS[kind]) or (isinstance(value, bool) and kind != "bool"):
            raise self._wrong(event, f"`{text[:40]}` is not what its tag `{_short(tag)}` says")
        return value

    def _plain(self, event: Any, text: str) -> Any:
        if text in _WORDS:
            return _WORDS[text]
        if not _FLOAT.match(text):
            return text
        if len(text) > _LONGEST_NUMBER or math.isinf(float(text)):
            raise self._wrong(event, f"the number `{text[:20]}…` is too long; put it in quotes if it is text")
        return int(text) if _INT.match(text) else float(text)


def _short(tag: str) -> str:
    return "!!" + tag.removeprefix(_TAG) if tag.startswith(_TAG) else tag
