"""The rules of a map's exceptions to shortest paths: whether what they name is there and hangs together.

In: the ``routes`` of a map as plain data with places, its nodes, the pairs that links join.  Out: faults.
Never: a loop or a black hole refused: those may be meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from shadowlab.errors import Fault
from shadowlab.topology.positioned import Positioned
from shadowlab.topology.wording import did_you_mean


def route_faults(positioned: Positioned, nodes: Mapping[str, Any], pairs: Sequence[Sequence[str]]) -> Iterator[Fault]:
    """Every fault of the exceptions."""
    routes = positioned.data.get("routes") if isinstance(positioned.data, dict) else None
    if not isinstance(routes, list):
        return
    kinds = {name: node.get("kind") for name, node in nodes.items() if isinstance(node, dict)}
    around = _neighbours(kinds, pairs)
    before: dict[tuple[str, ...], int] = {}
    for number, route in enumerate(routes):
        if not isinstance(route, dict):
            continue
        place = ("routes", number)
        faults = [*_name_faults(positioned, place, route, kinds)]
        yield from faults
        if faults:
            continue
        at, to, via = (_text(route.get(key)) for key in ("at", "to", "via"))
        source, path = _text(route.get("from")), _names(route.get("path"))
        subject = (at, to) if at else (source, to, "from")
        if before.setdefault(subject, number) != number:
            message = f"route {number + 1} is the second for the same packets; the first is route {before[subject] + 1}"
            yield positioned.fault(place, message)
        if at and via and via not in around.get(at, ()):
            known = ", ".join(f"`{name}`" for name in sorted(around.get(at, ()))) or "none"
            message = f"route {number + 1}: `{via}` is no neighbour of `{at}`; its neighbours are {known}"
            yield positioned.fault((*place, "via"), message)
        if (at or source) == to:
            yield positioned.fault(place, f"route {number + 1} leads from `{to}` to itself")
        if len(set(path)) != len(path):
            yield positioned.fault((*place, "path"), f"route {number + 1}: its path takes a router twice")
        for one, other in pairwise((source, *path, to) if path else ()):
            if other not in around.get(one, ()):
                message = f"route {number + 1}: no link leads from `{one}` to `{other}`"
                yield positioned.fault((*place, "path"), message)


def _name_faults(
    positioned: Positioned, place: tuple[str | int, ...], route: Mapping[str, Any], kinds: Mapping[str, Any]
) -> Iterator[Fault]:
    known = {"to": ("host",), "from": ("host",), "at": ("host", "router"), "via": ("host", "router")}
    named = [(key, _text(route.get(key)), (*place, key), kinds_of) for key, kinds_of in known.items()]
    named += [
        ("path", name, (*place, "path", number), ("router",)) for number, name in enumerate(_names(route.get("path")))
    ]
    for key, name, path, allowed in named:
        if not name:
            continue
        if name not in kinds:
            message = f"route: `{name}` is not a node of this map{did_you_mean(name, kinds)}"
            yield positioned.fault(path, message)
        elif kinds[name] not in allowed:
            message = f"route: `{name}` is a {kinds[name]}; `{key}` takes a {' or a '.join(allowed)}"
            yield positioned.fault(path, message)


def _neighbours(kinds: Mapping[str, Any], pairs: Sequence[Sequence[str]]) -> Mapping[str, set[str]]:
    """Who can be a next hop of whom: the far end of a link, or of a segment."""
    linked: dict[str, set[str]] = {}
    for a, b in pairs:
        linked.setdefault(a, set()).add(b)
        linked.setdefault(b, set()).add(a)
    around: dict[str, set[str]] = {}
    for name, others in linked.items():
        near = {other for other in others if kinds.get(other) != "segment"}
        for segment in others - near:
            near |= linked[segment]
        around[name] = near - {name}
    return around


def _text(value: Any) -> str:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _names(value: Any) -> list[str]:
    return [_text(one) for one in value] if isinstance(value, list) else []
