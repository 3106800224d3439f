"""SNDlib's native network format (versions 1.0 and 2.0).

In: the text of a map.  Out: a :class:`~shadowlab.topology.foreign.drawing.ForeignMap`.

``NODES ( N ( longitude latitude ) )``, ``LINKS ( L ( N M ) capacity cost routing_cost setup_cost ( {module_capacity
module_cost}* ) )``, ``DEMANDS ( D ( N M ) routing_unit value max_path_length )``, and more sections that a shadow has
no use for.  The unit of demands is not stated.  Capacities carry no unit; those of the library are
in Mbit/s, so they are read as such and the origin says it.  A capacity of 0 means that none is installed yet: the
smallest module stands in.  Coordinates beyond a globe's are pixels, and left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isfinite

from shadowlab.errors import Fault, InputError
from shadowlab.topology.foreign.drawing import MOST_DEMAND, ForeignDemand, ForeignLink, ForeignMap, ForeignNode, Traits

_TOKEN = re.compile(r"\(|\)|[^\s()]+")
_HEADER = re.compile(r"^\?SNDlib native format", re.MULTILINE)
MEGABIT = 1_000_000


def recognises(text: str) -> bool:
    """By its first line."""
    return _HEADER.search(text[:2000]) is not None


@dataclass(frozen=True)
class _Token:
    text: str
    line: int


def read_sndlib(text: str, name: str) -> ForeignMap:
    """The map.  Raises InputError for a file that is not in the format; ``name`` is what faults call it."""
    tokens = [
        _Token(match[0], number)
        for number, line in enumerate(text.splitlines(), 1)
        if not line.startswith("?")
        for match in _TOKEN.finditer(line.split("#", 1)[0])
    ]
    sections = _sections(tokens, name)
    if "NODES" not in sections:
        raise InputError(Fault(place=name, message="this SNDlib file has no section NODES ( … )"))
    nodes = [_node(entry, name) for entry in _entries(sections["NODES"], name)]
    links = [_link(entry, name) for entry in _entries(sections.get("LINKS", []), name)]
    demands = [_demand(entry, name) for entry in _entries(sections.get("DEMANDS", []), name)]
    notes = []
    if any(coordinates_are_pixels(node.latitude, node.longitude) for node in nodes):
        nodes = [ForeignNode(key=node.key, place=node.place, label=node.label) for node in nodes]
        notes.append(("map", "coordinates left out", "they lie beyond a globe's, so they are pixels"))
    return ForeignMap(
        title=name.rpartition("/")[2].removesuffix(".txt"),
        place=name,
        nodes=tuple(nodes),
        links=tuple(links),
        notes=tuple(notes),
        demands=tuple(demands),
    )


def coordinates_are_pixels(latitude: float | None, longitude: float | None) -> bool:
    """Whether a pair cannot be degrees."""
    return abs(latitude or 0) > 90 or abs(longitude or 0) > 180


def capacity(megabits: float, cheapest_module: float | None) -> Traits:
    """A rate from what is installed, else from the smallest module that could be."""
    if megabits > 0:
        return Traits(rate_bps=round(megabits * MEGABIT), origins={"rate_bps": "its capacity, taken as Mbit/s"})
    if cheapest_module:
        origin = "its smallest module, taken as Mbit/s: nothing is installed yet"
        return Traits(rate_bps=round(cheapest_module * MEGABIT), origins={"rate_bps": origin})
    return Traits()


def _sections(tokens: list[_Token], name: str) -> dict[str, list[_Token]]:
    """The tokens of each top-level ``NAME ( … )``."""
    found: dict[str, list[_Token]] = {}
    depth, title = 0, ""
    for token in tokens:
        if token.text == "(":
            depth += 1
            if depth == 1:
                found.setdefault(title, [])
                continue
        elif token.text == ")":
            depth -= 1
            if depth < 0:
                raise _wrong(name, token.line, "this `)` closes nothing")
        if depth == 0:
            title = token.text if token.text != ")" else ""
        else:
            found[title].append(token)
    if depth:
        raise _wrong(name, tokens[-1].line, "the file ends inside a section: a `)` is missing")
    return found


def _entries(tokens: list[_Token], name: str) -> list[list[_Token]]:
    """Each entry of a section: it begins with a name, outside of brackets, that a bracket follows."""
    found: list[list[_Token]] = []
    depth = 0
    for number, token in enumerate(tokens):
        following = tokens[number + 1].text if number + 1 < len(tokens) else ""
        if depth == 0 and token.text not in "()" and following == "(" and not _is_number(token.text):
            found.append([])
        elif not found:
            raise _wrong(name, token.line, f"expected a name and `(`, got `{token.text[:20]}`")
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        found[-1].append(token)
    return found


def _is_number(text: str) -> bool:
    try:
        return isfinite(float(text))
    except ValueError:
        return False


def _node(entry: list[_Token], name: str) -> ForeignNode:
    numbers = [float(token.text) for token in entry[1:] if _is_number(token.text)]
    x, y = numbers if len(numbers) == 2 else (None, None)
    return ForeignNode(key=entry[0].text, place=f"{name}:{entry[0].line}", label=entry[0].text, latitude=y, longitude=x)


def _link(entry: list[_Token], name: str) -> ForeignLink:
    place = entry[0].line
    words = [token.text for token in entry]
    if len(words) < 5 or words[1] != "(" or words[4] != ")":
        raise _wrong(name, place, f"link `{words[0][:40]}`: expected `( SOURCE TARGET )` after its name")
    plain = [float(word) for word in words[5 : words.index("(", 5) if "(" in words[5:] else None] if _is_number(word)]
    modules = [float(word) for word in words[words.index("(", 5) :] if _is_number(word)] if "(" in words[5:] else []
    return ForeignLink(
        a=words[2],
        b=words[3],
        place=f"{name}:{place}",
        name=words[0] if not words[0].startswith(("L", "l")) or not words[0][1:].isdigit() else "",
        forward=capacity(plain[0] if plain else 0.0, min(modules[::2], default=None)),
    )


def _demand(entry: list[_Token], name: str) -> ForeignDemand:
    """``D ( N M ) routing_unit demand_value max_path_length``: so many units of so much capacity each."""
    words, place = [token.text for token in entry], entry[0].line
    if len(words) < 7 or words[1] != "(" or words[4] != ")" or not all(map(_is_number, words[5:7])):
        raise _wrong(name, place, f"demand `{words[0][:40]}`: expected `( SOURCE TARGET ) UNIT VALUE` after its name")
    value = float(words[5]) * float(words[6])
    if not 0 <= value <= MOST_DEMAND:
        raise _wrong(name, place, f"demand `{words[0][:40]}`: {value:g} is no demand")
    return ForeignDemand(a=words[2], b=words[3], value=value, place=f"{name}:{place}")


def _wrong(name: str, line: int, message: str) -> InputError:
    return InputError(Fault(place=f"{name}:{line}", message=message))
