"""NetJSON NetworkGraph (RFC draft "NetJSON: data interchange format for networks"), as olsrd, batman-adv and OpenWISP
write it; and a NetworkCollection, of which the largest graph is read.

In: the text of a file.  Out: a :class:`~shadowlab.topology.foreign.drawing.ForeignMap`.

Ids are addresses as a rule.  A routing protocol's ``cost`` is a metric; one below 1 or with a fraction is scaled.  The
same link told by both ends is one link.  Of ``properties`` those are read that name a quantity with its unit.
"""

from __future__ import annotations

from shadowlab.topology.foreign.drawing import SITE, ForeignLink, ForeignMap, ForeignNode
from shadowlab.topology.foreign.kinds import kind_of
from shadowlab.topology.foreign.quantities import read_traits
from shadowlab.topology.native_rules import is_node_address
from shadowlab.topology.readers.cursor import Cursor, link_ends, parse_json

_METRIC_UNIT = 100
"""A cost of 1.0, the best that ETX knows, becomes this metric where a map has fractions."""


def recognises(text: str) -> bool:
    """By the type that the format demands."""
    head = text[:100_000]
    return (
        text.lstrip().startswith("{")
        and '"type"' in head
        and ('"NetworkGraph"' in head or '"NetworkCollection"' in head)
    )


def read_netjson(text: str, name: str) -> ForeignMap:
    """The map.  Raises InputError for what is no JSON; ``name`` is what faults call the file."""
    document = parse_json(text, name)
    notes: list[tuple[str, str, str]] = []
    graph = document
    if document["type"].value == "NetworkCollection":
        graphs = [one for one in document["collection"].items() if one["type"].value == "NetworkGraph"]
        graph = max(graphs, key=lambda one: len(list(one["nodes"].items())), default=document["collection"])
        if len(graphs) > 1:
            notes.append(("map", f"graphs left out: {len(graphs) - 1}", "the largest of the collection is read"))
    nodes = [node for one in graph["nodes"].items() if (node := _node(one)) is not None]
    fractions = any((one["cost"].number() or 1) % 1 for one in graph["links"].items())
    links = [link for one in graph["links"].items() if (link := _link(one, fractions=fractions)) is not None]
    kept = _told_once(links)
    if len(kept) < len(links):
        notes.append(("map", f"links told by both ends: {len(links) - len(kept)}", "each is one link"))
    return ForeignMap(
        title=graph["label"].text() or name.rpartition("/")[2].removesuffix(".json"),
        place=name,
        nodes=tuple(nodes),
        links=tuple(kept),
        defaults=SITE,
        notes=tuple(notes),
        faults=document.faults,
    )


def _node(one: Cursor) -> ForeignNode | None:
    key = one["id"].text()
    if key is None:
        one.wrong("a node has no id")
        return None
    told = [
        text
        for address in one["local_addresses"].items()
        if isinstance(address.value, str) and (text := address.text())
    ]
    properties = one["properties"]
    place = properties["location"] or properties
    return ForeignNode(
        key=key,
        place=one.place,
        name=str(properties["name"].value or "") if "kind" in properties else "",
        kind=kind_of(str(properties["kind"].value or "")),
        label=one["label"].text() or properties.either("hostname", "name").text() or "",
        addresses=tuple(dict.fromkeys(text for text in (key, *told) if is_node_address(text))),
        latitude=place.either("latitude", "lat").number(-90, 90),
        longitude=place.either("longitude", "lon", "lng").number(-180, 180),
    )


def _link(one: Cursor, *, fractions: bool) -> ForeignLink | None:
    ends = link_ends(one)
    if ends is None:
        return None
    cost = one["cost"].number(0, 2**31)
    metric = None if cost is None else max(1, round(cost * (_METRIC_UNIT if fractions else 1)))
    properties = one["properties"]
    return ForeignLink(
        a=ends[0],
        b=ends[1],
        place=one.place,
        name=str(properties["name"].value or ""),
        forward=read_traits(properties),
        metric=metric,
    )


def _told_once(links: list[ForeignLink]) -> list[ForeignLink]:
    """Without the second of two links that say the same from opposite ends."""
    open_ends: dict[tuple[str, str], int] = {}
    kept = []
    for link in links:
        if open_ends.get((link.b, link.a), 0):
            open_ends[link.b, link.a] -= 1
            continue
        open_ends[link.a, link.b] = open_ends.get((link.a, link.b), 0) + 1
        kept.append(link)
    return kept
