"""XML as a tree whose every element knows its place.

In: the text of an XML file.  Out: :class:`Element`.  Never: a document type or an entity (an XML bomb needs both), a
file or an address that the text refers to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isfinite
from xml.parsers import expat

from shadowlab.errors import Fault, InputError

MAX_DEPTH = 100


@dataclass(kw_only=True)
class Element:
    """``tag`` without its namespace; ``text`` is what stands before its first child."""

    tag: str
    place: str
    attributes: dict[str, str]
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def all(self, *path: str) -> Iterator[Element]:
        """The elements that lie at a path below this one, in order."""
        if not path:
            yield self
            return
        for child in self.children:
            if child.tag == path[0]:
                yield from child.all(*path[1:])

    def number(self, *path: str) -> float | None:
        """The finite number that the first element at a path holds."""
        for element in self.all(*path):
            try:
                number = float(element.text)
            except ValueError:
                return None
            return number if isfinite(number) else None
        return None


def parse_xml(text: str, name: str) -> Element:
    """The root.  Raises InputError with line and column for XML that cannot be read, and for a document type."""
    parser = expat.ParserCreate(encoding="utf-8")
    parser.buffer_text = True
    root = Element(tag="", place=name, attributes={})
    stack = [root]

    def place() -> str:
        return f"{name}:{parser.CurrentLineNumber}:{parser.CurrentColumnNumber + 1}"

    def refuse_doctype(*_: object) -> None:
        message = "a document type (`<!DOCTYPE …>`) is not allowed in a map; remove it"
        raise InputError(Fault(place=place(), message=message))

    def start(tag: str, attributes: dict[str, str]) -> None:
        if len(stack) > MAX_DEPTH:
            raise InputError(Fault(place=place(), message=f"elements are nested more than {MAX_DEPTH} deep"))
        element = Element(tag=tag.rpartition(":")[2], place=place(), attributes=attributes)
        stack[-1].children.append(element)
        stack.append(element)

    def end(_: str) -> None:
        stack.pop()

    def characters(words: str) -> None:
        stack[-1].text += words.strip()

    parser.StartDoctypeDeclHandler = refuse_doctype
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    try:
        parser.Parse(text.encode(), True)
    except expat.ExpatError as error:
        message = f"not valid XML: {expat.ErrorString(error.code)}"
        raise InputError(Fault(place=f"{name}:{error.lineno}:{error.offset + 1}", message=message)) from error
    return root.children[0]
