"""GraphML text becomes nodes and edges with their attributes as text.

In: the text of a GraphML file.  Out: a :class:`Graph` whose every part knows its line and column.  Never: a document
type or an entity (an XML bomb needs both), a file or an address that the text refers to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

from shadowlab.errors import Fault, InputError

MAX_DEPTH = 100


@dataclass(frozen=True, kw_only=True)
class Element:
    """A node or an edge: ``attributes`` are those of XML, ``data`` those that GraphML's keys name."""

    place: str
    attributes: Mapping[str, str]
    data: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Graph:
    """The first graph of a file."""

    place: str
    directed: bool
    data: Mapping[str, str]
    nodes: tuple[Element, ...]
    edges: tuple[Element, ...]


def parse_graphml(text: str, *, name: str) -> Graph:
    """The graph.  Raises InputError for XML that cannot be read, for a document type, and for a file without graph."""
    return _Reader(text, name).read()


class _Reader:
    """Folds expat's events.  ``_owner`` is the data of the innermost open graph, node or edge."""

    def __init__(self, text: str, name: str) -> None:
        self._text, self._name = text, name
        self._parser = expat.ParserCreate(encoding="utf-8")
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._keys: dict[str, str] = {}
        self._graph: Element | None = None
        self._owner: list[dict[str, str]] = []
        self._nodes: list[Element] = []
        self._edges: list[Element] = []
        self._data_key: str | None = None
        self._words: list[str] = []
        self._depth = 0

    def read(self) -> Graph:
        try:
            self._parser.Parse(self._text.encode(), True)
        except expat.ExpatError as error:
            place = f"{self._name}:{error.lineno}:{error.offset + 1}"
            message = f"not valid XML: {expat.ErrorString(error.code)}"
            raise InputError(Fault(place=place, message=message)) from error
        if self._graph is None:
            raise InputError(Fault(place=self._name, message="this XML file holds no GraphML `<graph>`"))
        return Graph(
            place=self._graph.place,
            directed=self._graph.attributes.get("edgedefault") == "directed",
            data=self._graph.data,
            nodes=tuple(self._nodes),
            edges=tuple(self._edges),
        )

    def _place(self) -> str:
        return f"{self._name}:{self._parser.CurrentLineNumber}:{self._parser.CurrentColumnNumber + 1}"

    def _wrong(self, message: str) -> InputError:
        return InputError(Fault(place=self._place(), message=message))

    def _refuse_doctype(self, *_: object) -> None:
        raise self._wrong("a document type (`<!DOCTYPE …>`) is not allowed in a map; remove it")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._wrong(f"elements are nested more than {MAX_DEPTH} deep")
        tag = tag.rpartition(":")[2]
        if tag == "key":
            self._keys[attributes.get("id", "")] = attributes.get("attr.name", attributes.get("id", ""))
        elif tag == "data":
            self._data_key, self._words = attributes.get("key", ""), []
        elif tag in ("graph", "node", "edge"):
            self._open(tag, Element(place=self._place(), attributes=attributes))
        elif tag == "hyperedge":
            raise self._wrong("a `<hyperedge>` joins more than two nodes; write it as a node and its links")

    def _open(self, tag: str, element: Element) -> None:
        self._owner.append(element.data)
        if tag == "node":
            self._nodes.append(element)
        elif tag == "edge":
            self._edges.append(element)
        elif self._graph is not None:
            raise self._wrong("a second `<graph>` begins here; put one graph in one file")
        else:
            self._graph = element

    def _end(self, tag: str) -> None:
        self._depth -= 1
        tag = tag.rpartition(":")[2]
        if tag == "data" and self._data_key is not None:
            if self._owner:
                self._owner[-1][self._keys.get(self._data_key, self._data_key)] = "".join(self._words).strip()
            self._data_key = None
        elif tag in ("graph", "node", "edge"):
            self._owner.pop()

    def _characters(self, words: str) -> None:
        if self._data_key is not None:
            self._words.append(words)
