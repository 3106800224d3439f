"""The first line of a file of observations: nodes, directed links, groups.

In: a parsed line.  Out: what flows are read against.  Never: half a network: every fault names its place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from shadowlab.errors import InputError

_Wrong = Callable[[str], InputError]


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """``links`` are (name, from, to) with the ends as indices of ``nodes``; ``groups`` list indices of links.
    ``capacity_mbps`` and ``utilisation`` are per link, NaN where not stated."""

    nodes: tuple[str, ...]
    links: tuple[tuple[str, int, int], ...]
    groups: tuple[tuple[str, tuple[int, ...]], ...]
    capacity_mbps: tuple[float, ...]
    utilisation: tuple[float, ...]


def read_wiring(row: object, place: str) -> Wiring:
    """Raises InputError, which begins with ``place``."""

    def wrong(what: str) -> InputError:
        return InputError(f"{place}: {what}")

    stated = row.get("network") if isinstance(row, Mapping) else None
    if not isinstance(stated, Mapping):
        raise wrong('the first line must be the network: {"network": {"nodes": […], "links": […]}}')
    unknown = sorted(set(stated) - {"nodes", "links", "groups"})
    if unknown:
        raise wrong(f"the network has an unknown key {unknown[0]!r}; known are nodes, links, groups")
    nodes = stated.get("nodes")
    if not isinstance(nodes, list) or not all(isinstance(one, str) and one for one in nodes):
        raise wrong("nodes must be a list of names")
    if not nodes:
        raise wrong("the network has no nodes")
    index = {name: number for number, name in enumerate(nodes)}
    if len(index) != len(nodes):
        twice = next(name for number, name in enumerate(nodes) if index[name] != number)
        raise wrong(f"node {twice!r} is listed twice")
    links = stated.get("links")
    if not isinstance(links, list) or not links:
        raise wrong('the network has no links: list every direction, as {"from": "a", "to": "b"}')
    found: list[tuple[str, int, int]] = []
    capacity: list[float] = []
    utilisation: list[float] = []
    for number, link in enumerate(links):
        where = f"link {number + 1}"
        if not isinstance(link, Mapping):
            raise wrong(f'{where} must be {{"from": NODE, "to": NODE}}')
        ends = [link.get(key) for key in ("from", "to")]
        for end in ends:
            if not isinstance(end, str) or end not in index:
                raise wrong(f"{where} has the end {end!r}, which is not among the nodes")
        name = link.get("id", f"{ends[0]}>{ends[1]}")
        if not isinstance(name, str) or not name:
            raise wrong(f"{where} has the id {name!r}; it must be a name")
        found.append((name, index[str(ends[0])], index[str(ends[1])]))
        for key, column in (("capacity_mbps", capacity), ("utilisation", utilisation)):
            column.append(_number(link, key, where, wrong))
    _unique(found, nodes, wrong)
    return Wiring(
        nodes=tuple(nodes),
        links=tuple(found),
        groups=_groups(stated.get("groups", {}), found, index, wrong),
        capacity_mbps=tuple(capacity),
        utilisation=tuple(utilisation),
    )


def _number(link: Mapping[str, object], key: str, where: str, wrong: _Wrong) -> float:
    value = link.get(key, math.nan)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or math.isinf(value):
        raise wrong(f"{where}: {key} is {value!r}; it must be a number of at least 0")
    return float(value)


def _unique(links: Sequence[tuple[str, int, int]], nodes: Sequence[str], wrong: _Wrong) -> None:
    names: set[str] = set()
    ends: set[tuple[int, int]] = set()
    for name, source, target in links:
        if name in names:
            raise wrong(f"link {name!r} is listed twice")
        if (source, target) in ends:
            raise wrong(
                f"two links lead from {nodes[source]!r} to {nodes[target]!r}, and a path of nodes cannot say which; "
                "put a node into one of them, or list the bundle as one link"
            )
        names.add(name)
        ends.add((source, target))


def _groups(
    stated: object, links: Sequence[tuple[str, int, int]], nodes: Mapping[str, int], wrong: _Wrong
) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """A group names links, by id, or nodes, which stand for all their links."""
    if not isinstance(stated, Mapping):
        raise wrong('groups must be {"name": [links or nodes]}')
    number = {name: place for place, (name, _, _) in enumerate(links)}
    found = []
    for name, members in stated.items():
        if not isinstance(members, list):
            raise wrong(f"group {name!r} must list links or nodes")
        own: set[int] = set()
        for member in members:
            if isinstance(member, str) and member in number:
                own.add(number[member])
            elif isinstance(member, str) and member in nodes:
                own |= {place for place, (_, a, b) in enumerate(links) if nodes[member] in (a, b)}
            else:
                raise wrong(f"group {name!r} has the member {member!r}, which is neither a link nor a node")
        found.append((str(name), tuple(sorted(own))))
    return tuple(found)
