"""A list of links as comma-separated values.

In: the text of a file whose first line names its columns.  Out: a
:class:`~shadowlab.topology.foreign.drawing.ForeignMap`.

Two columns name the ends (``source,target``, ``from,to``, ``a,b``, ``node1,node2``); the others are those that
:mod:`~shadowlab.topology.foreign.quantities` knows, ``length_km``, ``metric`` and ``name``.  The separator is a
comma, a semicolon or a tab.  Nodes are whoever a link names.
"""

from __future__ import annotations

import csv
import io

from shadowlab.errors import Fault, InputError
from shadowlab.topology.foreign.drawing import WAN, ForeignLink, ForeignMap, ForeignNode
from shadowlab.topology.foreign.quantities import read_traits
from shadowlab.topology.readers.cursor import json_cursor

_ENDS = (("source", "target"), ("from", "to"), ("src", "dst"), ("a", "b"), ("node1", "node2"), ("node_a", "node_b"))
_SEPARATORS = ",;\t"


def recognises(text: str) -> bool:
    """By the columns that its first line names."""
    return _columns(text.lstrip("\n\r").partition("\n")[0]) is not None


def _columns(head: str) -> tuple[list[str], str, tuple[str, str]] | None:
    """The columns, the separator, and which of them are the ends."""
    for separator in _SEPARATORS:
        columns = [column.strip().strip('"').lower() for column in head.split(separator)]
        for ends in _ENDS:
            if len(columns) > 1 and set(ends) <= set(columns):
                return columns, separator, ends
    return None


def read_edge_list(text: str, name: str) -> ForeignMap:
    """The map.  Raises InputError for a file without a line that names the ends; ``name`` is what faults call it."""
    found = _columns(text.lstrip("\n\r").partition("\n")[0])
    if found is None:
        raise InputError(
            Fault(place=f"{name}:1", message="the first line must name the columns, such as source,target,delay")
        )
    columns, separator, (first, second) = found
    faults: list[Fault] = []
    nodes: dict[str, ForeignNode] = {}
    links = []
    rows = csv.reader(io.StringIO(text.lstrip("\n\r")), delimiter=separator)
    try:
        next(rows)
        for row in rows:
            if not any(cell.strip() for cell in row) or row[0].startswith("#"):
                continue
            place = f"{name}:{rows.line_num}"
            if len(row) != len(columns):
                faults.append(
                    Fault(place=place, message=f"this line has {len(row)} values, the first one names {len(columns)}")
                )
                continue
            cells = {key: cell.strip() or None for key, cell in zip(columns, row, strict=True)}
            one = json_cursor(cells, place, faults)
            a, b = cells[first], cells[second]
            if a is None or b is None:
                faults.append(Fault(place=place, message=f"this link has no {first if a is None else second}"))
                continue
            for end in (a, b):
                nodes.setdefault(end, ForeignNode(key=end, place=place, label=end))
            metric = one.either("metric", "cost", "weight").number(0, 2**31)
            links.append(
                ForeignLink(
                    a=a,
                    b=b,
                    place=place,
                    name=cells.get("name") or "",
                    forward=read_traits(one),
                    metric=None if metric is None else max(1, round(metric)),
                    length_km=one.either("length_km", "distance_km", "km").number(0, 50_000),
                )
            )
    except csv.Error as error:
        faults.append(Fault(place=f"{name}:{rows.line_num}", message=f"this is no line of separated values: {error}"))
    return ForeignMap(
        title=name.rpartition("/")[2].partition(".")[0],
        place=name,
        nodes=tuple(nodes.values()),
        links=tuple(links),
        defaults=WAN,
        faults=tuple(faults),
    )
