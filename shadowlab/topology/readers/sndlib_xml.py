"""SNDlib's XML network format.

In: the text of a map.  Out: a :class:`~shadowlab.topology.foreign.drawing.ForeignMap`.  Capacities and coordinates mean
what they mean in the native format (:mod:`~shadowlab.topology.readers.sndlib`); the library's measured traffic matrices
state the unit of their demands (``<meta><unit>``).
"""

from __future__ import annotations

from shadowlab.errors import Fault
from shadowlab.topology.foreign.drawing import MOST_DEMAND, ForeignDemand, ForeignLink, ForeignMap, ForeignNode
from shadowlab.topology.readers.sndlib import capacity, coordinates_are_pixels
from shadowlab.topology.readers.xml_tree import Element, parse_xml

_UNITS = {"BITPERSEC": "bps", "KBITPERSEC": "kbps", "MBITPERSEC": "mbps", "GBITPERSEC": "gbps"}


def recognises(text: str) -> bool:
    """By the elements that the format demands."""
    return text.lstrip().startswith("<") and "<networkStructure" in text


def read_sndlib_xml(text: str, name: str) -> ForeignMap:
    """The map.  Raises InputError for what is no XML; ``name`` is what faults call the file."""
    root = parse_xml(text, name)
    faults: list[Fault] = []
    pixels = any(one.attributes.get("coordinatesType") == "pixel" for one in root.all("networkStructure", "nodes"))
    nodes = []
    for element in root.all("networkStructure", "nodes", "node"):
        if key := _attribute(element, "id", faults):
            x, y = element.number("coordinates", "x"), element.number("coordinates", "y")
            pixels = pixels or coordinates_are_pixels(y, x)
            nodes.append(ForeignNode(key=key, place=element.place, label=key, latitude=y, longitude=x))
    notes = []
    if pixels:
        nodes = [ForeignNode(key=node.key, place=node.place, label=node.label) for node in nodes]
        notes.append(("map", "coordinates left out", "they are pixels"))
    links = [_link(element, faults) for element in root.all("networkStructure", "links", "link")]
    return ForeignMap(
        title=name.rpartition("/")[2].removesuffix(".xml"),
        place=root.place,
        nodes=tuple(nodes),
        links=tuple(link for link in links if link is not None),
        notes=tuple(notes),
        demands=tuple(filter(None, [_demand(element, faults) for element in root.all("demands", "demand")])),
        demand_unit=next((_UNITS.get(one.text, "") for one in root.all("meta", "unit")), ""),
        faults=tuple(faults),
    )


def _attribute(element: Element, key: str, faults: list[Fault]) -> str | None:
    value = element.attributes.get(key)
    if not value:
        faults.append(Fault(place=element.place, message=f"a {element.tag} has no {key}"))
    return value


def _demand(element: Element, faults: list[Fault]) -> ForeignDemand | None:
    """So many routing units (left out: 1) of so much capacity each."""
    source, target = (next((one.text for one in element.all(side)), "") for side in ("source", "target"))
    value, unit = element.number("demandValue"), element.number("routingUnit")
    if not source or not target or value is None or not 0 <= value * (1 if unit is None else unit) <= MOST_DEMAND:
        faults.append(Fault(place=element.place, message="a demand has no source, no target, or no value"))
        return None
    return ForeignDemand(a=source, b=target, value=value * (1 if unit is None else unit), place=element.place)


def _link(element: Element, faults: list[Fault]) -> ForeignLink | None:
    ends = [next((one.text for one in element.all(side)), "") for side in ("source", "target")]
    for side, end in zip(("source", "target"), ends, strict=True):
        if not end:
            faults.append(Fault(place=element.place, message=f"a link has no {side}"))
    if not all(ends):
        return None
    installed = element.number("preInstalledModule", "capacity") or 0.0
    modules = [number for one in element.all("additionalModules", "addModule") if (number := one.number("capacity"))]
    return ForeignLink(
        a=ends[0], b=ends[1], place=element.place, forward=capacity(installed, min(modules, default=None))
    )
