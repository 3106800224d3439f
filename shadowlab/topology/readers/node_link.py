"""networkx' node-link JSON, as ``networkx.node_link_data`` writes it, and TopoHub's networks in that form.

In: the text of a file.  Out: a :class:`~shadowlab.topology.foreign.drawing.ForeignMap`.

networkx fixes ``nodes`` with ``id``, and ``links`` (``edges`` since 3.4) with ``source`` and ``target``; all else is up
to the author.  Read of it is what tools commonly write: ``name`` or ``label``; ``pos`` (longitude, latitude) or
``latitude``/``longitude``; ``dist`` or ``length`` in km; and for links quantities with their unit (``"10 ms"``,
``"1 Gbit"``), or numbers under a key that names the unit (``delay_ms``, ``rate_mbps``).  The demands of TopoHub
(``graph.demands``: ids of sources, of targets, values) carry no unit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from shadowlab.topology.foreign.drawing import MOST_DEMAND, ForeignDemand, ForeignLink, ForeignMap, ForeignNode
from shadowlab.topology.foreign.kinds import kind_of
from shadowlab.topology.foreign.quantities import read_traits
from shadowlab.topology.readers.cursor import Cursor, link_ends, parse_json

_LISTS = re.compile(r'"nodes"\s*:\s*\['), re.compile(r'"(links|edges)"\s*:\s*\[')


def recognises(text: str) -> bool:
    """By the two lists that networkx writes."""
    return text.lstrip().startswith("{") and all(pattern.search(text) for pattern in _LISTS)


def read_node_link(text: str, name: str) -> ForeignMap:
    """The map.  Raises InputError with all faults."""
    document = parse_json(text, name)
    directed = document["directed"].value is True
    nodes = [_node(one) for one in document["nodes"].items()]
    links = [_link(one) for one in document.either("links", "edges").items()]
    notes = []
    found = [link for link in links if link is not None]
    if directed:
        found, joined = _joined(found)
        notes.append(
            ("map", f"pairs of directed links joined: {joined}", "the graph is directed; our links lead both ways")
        )
    return ForeignMap(
        title=document["graph"]["name"].text() or name.rpartition("/")[2].removesuffix(".json"),
        place=name,
        nodes=tuple(node for node in nodes if node is not None),
        links=tuple(found),
        notes=tuple(notes),
        demands=tuple(_demands(document["graph"]["demands"])),
        faults=document.faults,
    )


def _demands(rows: Cursor) -> Iterator[ForeignDemand]:
    for source, row in rows.entries():
        for target, one in row.entries():
            value = one.number(0, MOST_DEMAND)
            if value is not None:
                yield ForeignDemand(a=source, b=target, value=value, place=one.place)


def _node(one: Cursor) -> ForeignNode | None:
    key = one["id"].text()
    if key is None:
        one.wrong("a node has no id")
        return None
    position = list(one["pos"].items()) if isinstance(one["pos"].value, list) else []
    if len(position) == 2 and all(
        abs(axis.number() or 0) <= limit for axis, limit in zip(position, (180, 90), strict=True)
    ):
        longitude, latitude = (axis.number() for axis in position)
    else:
        latitude = one.either("latitude", "Latitude", "lat").number(-90, 90)
        longitude = one.either("longitude", "Longitude", "lon", "lng").number(-180, 180)
    kind = str(one.either("kind", "type", "role").value or "")
    addresses = one["addresses"].items() if isinstance(one["addresses"].value, list) else [one.either("address", "ip")]
    return ForeignNode(
        key=key,
        place=one.place,
        label=one.either("name", "label").text() or "",
        kind=kind_of(kind),
        addresses=tuple(text for address in addresses if (text := address.text())),
        latitude=latitude,
        longitude=longitude,
    )


def _link(one: Cursor) -> ForeignLink | None:
    ends = link_ends(one)
    if ends is None:
        return None
    length = one.either("dist", "length", "length_km", "distance").number(0, 50_000)
    metric = one.either("metric", "cost").number(0, 2**31)
    return ForeignLink(
        a=ends[0],
        b=ends[1],
        place=one.place,
        name=one.either("name", "label").text() or "",
        forward=read_traits(one),
        metric=max(1, round(metric)) if metric is not None else None,
        length_km=length,
    )


def _joined(links: list[ForeignLink]) -> tuple[list[ForeignLink], int]:
    """Two directed links between the same nodes, one each way, are one link of ours."""
    waiting: dict[tuple[str, str], list[int]] = {}
    found: list[ForeignLink] = []
    joined = 0
    for link in links:
        if others := waiting.get((link.b, link.a)):
            first = others.pop(0)
            found[first] = _with_backward(found[first], link)
            joined += 1
        else:
            waiting.setdefault((link.a, link.b), []).append(len(found))
            found.append(link)
    return found, joined


def _with_backward(one: ForeignLink, other: ForeignLink) -> ForeignLink:
    if other.forward == one.forward:
        return one
    return replace(one, backward=other.forward)
