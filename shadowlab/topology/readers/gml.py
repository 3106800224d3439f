"""GML (Graph Modelling Language), as the Internet Topology Zoo and yEd write it.

In: the text of a map.  Out: a :class:`~shadowlab.topology.foreign.drawing.ForeignMap`.

The grammar: a key, then an integer, a real, a text in quotes (with ``&#38;``-like characters), or a list of such pairs
in brackets.  A ``#`` begins a remark where a line begins.  The attributes are read like those of GraphML.  networkx has
a reader too; it refuses the Zoo's parallel links and equal labels, and knows no places.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from shadowlab.errors import Fault, InputError
from shadowlab.topology.foreign.drawing import ForeignMap
from shadowlab.topology.readers.graphml import zoo_coordinate_faults, zoo_link, zoo_node, zoo_title

MAX_DEPTH = 100
_TOKEN = re.compile(
    r"""(?P<skip>\s+|(?:(?<=\n)|\A)[ \t]*\#[^\n]*)|(?P<open>\[)|(?P<close>\])|"(?P<text>[^"]*)"|"""
    r"""(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))|(?P<key>[A-Za-z_][\w.]*)""",
)


_GRAPH = re.compile(r"^\s*graph\s*\[", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class _List:
    """What stands in brackets: plain values by key (the first of each), and lists in their order."""

    place: str
    values: dict[str, str] = field(default_factory=dict)
    lists: list[tuple[str, _List]] = field(default_factory=list)

    def all(self, key: str) -> Iterator[_List]:
        return (one for name, one in self.lists if name == key)


def recognises(text: str) -> bool:
    """By the list that every map is in."""
    return _GRAPH.search(text[:100_000]) is not None


def read_gml(text: str, name: str) -> ForeignMap:
    """The map.  Raises InputError for what is no GML; ``name`` is what faults call the file."""
    graph = next(_parse(text, name).all("graph"), None)
    if graph is None:
        raise InputError(Fault(place=name, message="this GML file holds no `graph [ … ]`"))
    faults: list[Fault] = []
    if graph.values.get("directed") == "1":
        faults.append(
            Fault(place=graph.place, message="the graph is directed, but links lead both ways: write `directed 0`")
        )
    nodes = []
    for node in graph.all("node"):
        if "id" not in node.values:
            faults.append(Fault(place=node.place, message="a node has no id"))
            continue
        faults.extend(zoo_coordinate_faults(node.values["id"], node.place, node.values))
        nodes.append(zoo_node(node.values["id"], node.place, node.values))
    links = []
    for edge in graph.all("edge"):
        missing = [side for side in ("source", "target") if side not in edge.values]
        faults.extend(Fault(place=edge.place, message=f"a link has no {side}") for side in missing)
        if not missing:
            links.append(zoo_link(edge.values["source"], edge.values["target"], edge.place, edge.values, faults))
    return ForeignMap(
        title=zoo_title(graph.values, name, ".gml"),
        place=graph.place,
        nodes=tuple(nodes),
        links=tuple(links),
        faults=tuple(faults),
    )


def _parse(text: str, name: str) -> _List:
    lines = _Lines(text, name)
    root = _List(place=name)
    stack, key = [root], ""
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise lines.fault(
                position,
                f"a {'closing quote' if text[position] == chr(34) else 'key, value or bracket'} is missing here",
            )
        kind, position = match.lastgroup, match.end()
        if kind == "skip":
            continue
        if kind == "close":
            if key or len(stack) == 1:
                raise lines.fault(match.start(), f"`{key}` has no value" if key else "this `]` closes nothing")
            stack.pop()
        elif kind == "key":
            if key:
                raise lines.fault(match.start(), f"`{key}` has no value: text must stand in quotes")
            key = match["key"]
        elif not key:
            raise lines.fault(match.start(), f"this value has no key: `{match[0][:20]}`")
        elif kind == "open":
            inner = _List(place=lines.place(match.start()))
            stack[-1].lists.append((key, inner))
            stack.append(inner)
            key = ""
            if len(stack) > MAX_DEPTH:
                raise lines.fault(match.start(), f"lists are nested more than {MAX_DEPTH} deep")
        else:
            value = html.unescape(match["text"]) if kind == "text" else match["number"]
            stack[-1].values.setdefault(key, " ".join(value.split()))
            key = ""
    if key or len(stack) > 1:
        raise lines.fault(
            len(text), f"`{key}` has no value" if key else "the file ends inside a list: a `]` is missing"
        )
    return root


class _Lines:
    """Line and column of an offset, for offsets that grow."""

    def __init__(self, text: str, name: str) -> None:
        self._text, self._name = text, name
        self._line, self._start, self._seen = 1, 0, 0

    def place(self, offset: int) -> str:
        self._line += self._text.count("\n", self._seen, offset)
        self._start = self._text.rfind("\n", 0, offset) + 1
        self._seen = offset
        return f"{self._name}:{self._line}:{offset - self._start + 1}"

    def fault(self, offset: int, message: str) -> InputError:
        return InputError(Fault(place=self.place(offset), message=message))
