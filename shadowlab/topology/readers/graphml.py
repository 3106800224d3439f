"""GraphML, as the Internet Topology Zoo writes it.

In: the text of a map.  Out: a :class:`~shadowlab.topology.foreign.drawing.ForeignMap`.

The Zoo states where nodes are (``Latitude``, ``Longitude``), sometimes how fast links are, and neither delays nor
instances.  A node with ``hyperedge`` 1 stands for a LAN; one with ``Internal`` 0 belongs to a neighbouring network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from shadowlab.errors import Fault
from shadowlab.model.network import MOST_METRIC
from shadowlab.topology.foreign.drawing import ForeignLink, ForeignMap, ForeignNode
from shadowlab.topology.foreign.kinds import kind_of
from shadowlab.topology.foreign.link_speed import link_speed
from shadowlab.topology.foreign.quantities import read_traits
from shadowlab.topology.readers.cursor import json_cursor
from shadowlab.topology.readers.graphml_document import Graph, parse_graphml


def read_graphml(text: str, name: str) -> ForeignMap:
    """The map.  Raises InputError for what is no GraphML; ``name`` is what faults call the file."""
    graph = parse_graphml(text, name=name)
    faults = list(_faults(graph))
    return ForeignMap(
        title=zoo_title(graph.data, name, ".graphml"),
        place=graph.place,
        nodes=tuple(
            zoo_node(node.attributes["id"], node.place, node.data) for node in graph.nodes if "id" in node.attributes
        ),
        links=tuple(
            zoo_link(edge.attributes["source"], edge.attributes["target"], edge.place, edge.data, faults)
            for edge in graph.edges
            if {"source", "target"} <= set(edge.attributes)
        ),
        faults=tuple(faults),
    )


def _faults(graph: Graph) -> Iterator[Fault]:
    if graph.directed:
        message = 'the graph is directed, but links lead both ways: write edgedefault="undirected"'
        yield Fault(place=graph.place, message=message)
    for node in graph.nodes:
        if node.attributes.get("id") is None:
            yield Fault(place=node.place, message="a node has no id")
        yield from zoo_coordinate_faults(node.attributes.get("id", "?"), node.place, node.data)
    for edge in graph.edges:
        for side in ("source", "target"):
            if edge.attributes.get(side) is None:
                yield Fault(place=edge.place, message=f"a link has no {side}")


def zoo_title(data: Mapping[str, str], file: str, ending: str) -> str:
    """What the map is called: by its own words, else by its file."""
    return data.get("Network") or data.get("label") or file.rpartition("/")[2].removesuffix(ending)


def zoo_coordinate_faults(key: str, place: str, data: Mapping[str, str]) -> Iterator[Fault]:
    """Coordinates that are given but cannot be."""
    for what, limit in (("Latitude", 90.0), ("Longitude", 180.0)):
        if data.get(what) and _degrees(data, what, limit) is None:
            message = f"{what} of node `{key}` must be a number from -{limit:g} to {limit:g}, got '{data[what][:40]}'"
            yield Fault(place=place, message=message)


def zoo_node(key: str, place: str, data: Mapping[str, str]) -> ForeignNode:
    """A node by the attributes of the Zoo, and by those that our own writer adds: ``kind`` and ``addresses``."""
    hyperedge = data.get("hyperedge") in ("1", "1.0", "true", "True")
    return ForeignNode(
        key=key,
        place=place,
        label=data.get("label", "").removeprefix("None"),
        name=data.get("name", ""),
        kind="segment" if hyperedge else kind_of(data.get("kind", "")),
        kind_origin="a hyperedge of the map" if hyperedge else "",
        addresses=tuple(data.get("addresses", "").split()),
        latitude=_degrees(data, "Latitude", 90.0),
        longitude=_degrees(data, "Longitude", 180.0),
        note="outside the network" if data.get("Internal") in ("0", "0.0") else "",
    )


def zoo_link(source: str, target: str, place: str, data: Mapping[str, str], faults: list[Fault]) -> ForeignLink:
    """A link by the attributes of the Zoo, and by quantities that are stated with their unit."""
    attributes = json_cursor(dict(data), place, faults)
    traits = read_traits(attributes)
    speed = link_speed(data)
    if traits.rate_bps is None and speed is not None:
        traits = replace(traits, rate_bps=speed[0], origins={"rate_bps": speed[1]})
    metric = attributes["metric"].number(0, MOST_METRIC)
    return ForeignLink(
        a=source,
        b=target,
        place=place,
        name=data.get("name", ""),
        forward=traits,
        metric=None if metric is None else max(1, round(metric)),
    )


def _degrees(data: Mapping[str, str], key: str, limit: float) -> float | None:
    try:
        value = float(data.get(key, ""))
    except ValueError:
        return None
    return value if -limit <= value <= limit else None
