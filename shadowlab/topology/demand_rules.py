"""The rules of a map's traffic matrix: whether what it names is there, and can send or receive.

In: the ``demands`` of a map as plain data with places, its nodes.  Out: faults.  Never: an exception.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from shadowlab.errors import Fault
from shadowlab.topology.positioned import Positioned
from shadowlab.topology.wording import did_you_mean


def demand_faults(positioned: Positioned, nodes: Mapping[str, Any]) -> Iterator[Fault]:
    """Every fault of the matrix."""
    demands = positioned.data.get("demands") if isinstance(positioned.data, dict) else None
    rows = demands.get("between") if isinstance(demands, dict) else None
    if not isinstance(rows, dict):
        return
    for source, row in rows.items():
        yield from _end_faults(positioned, ("demands", "between", source), source, nodes)
        for target in row if isinstance(row, dict) else ():
            place = ("demands", "between", source, target)
            yield from _end_faults(positioned, place, target, nodes)
            if target == source:
                yield positioned.fault(place, f"demands: `{source}` sends to itself", of_key=True)


def _end_faults(positioned: Positioned, place: tuple[str, ...], name: str, nodes: Mapping[str, Any]) -> Iterator[Fault]:
    node = nodes.get(name)
    if name not in nodes:
        message = f"demands: `{name}` is not a node of this map{did_you_mean(str(name), nodes)}"
        yield positioned.fault(place, message, of_key=True)
    elif isinstance(node, dict) and node.get("kind") == "segment":
        yield positioned.fault(place, f"demands: `{name}` is a segment: packets pass it, none begin there", of_key=True)
