"""Exceptions to shortest paths, on purpose: static routes, black holes, source routes; and what they lead to.

In: a network and its graph.  Out: which exit an exception takes; ways as they are with all exceptions; findings.
Never: an exception over an avoided link: routers withdraw a static route whose interface is down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shadowlab.model.network import Direction, Network
from shadowlab.topology.forwarding.graph import NOWHERE, Graph

BLACK_HOLE = -4


def pinned_exits(network: Network, graph: Graph) -> Mapping[tuple[str, str], int]:
    """(node, host) to the exit that its static route names, or ``BLACK_HOLE``.

    The first step of a source route is one as well: whatever its source sends to the target goes that way.
    Raises ValueError for a neighbour that is none on the whole map.
    """
    found: dict[tuple[str, str], int] = {}
    for one in network.static_routes:
        number = graph.exit_to(one.at, one.via) if one.via else BLACK_HOLE
        if number != NOWHERE:
            found[one.at, one.to] = number
    for route in network.source_routes:
        number = graph.exit_to(route.source, route.path[0])
        if number != NOWHERE:
            found[route.source, route.target] = number
    return found


def source_exits(network: Network, graph: Graph) -> Mapping[tuple[str, str, str], int]:
    """(router, source, target) to the exit that a source route takes there."""
    found: dict[tuple[str, str, str], int] = {}
    for route in network.source_routes:
        for here, after in zip(route.path, (*route.path[1:], route.target), strict=True):
            number = graph.exit_to(here, after)
            if number != NOWHERE:
                found[here, route.source, route.target] = number
    return found


@dataclass(frozen=True, kw_only=True)
class Way:
    """The directions a packet crosses, as far as it comes; ``fault`` is empty, or says where and why it ends."""

    directions: tuple[Direction, ...]
    fault: str = ""


class Ways:
    """Ways with all exceptions.  Of several equal ones the first exit's is told; the kernel may spread over all."""

    def __init__(self, network: Network, graph: Graph) -> None:
        self._graph = graph
        self._pinned = pinned_exits(network, graph)
        self._by_source = source_exits(network, graph)
        self._toward: dict[str, list[int]] = {}

    def way(self, source: str, target: str) -> Way:
        """From one node to another.  Raises ValueError for what is none."""
        graph = self._graph
        graph.check_end(source)
        if target not in self._toward:
            self._toward[target] = graph.toward(target)
        hops, here, seen = self._toward[target], source, {source}
        path: list[Direction] = []
        while here != target:
            number = self._by_source.get((here, source, target), self._pinned.get((here, target)))
            if number is None:
                number = hops[graph.index[here]]
            if number in (NOWHERE, BLACK_HOLE):
                why = "black hole" if number == BLACK_HOLE or here != source else "no path"
                return Way(directions=tuple(path), fault=f"{why} at {here}")
            path.extend(graph.exits[number].steps)
            here = graph.exits[number].target
            if here in seen:
                return Way(directions=tuple(path), fault=f"loop at {here}")
            if here != target and not graph.forwards[graph.index[here]]:
                return Way(directions=tuple(path), fault=f"black hole at {here}, which does not forward")
            seen.add(here)
        return Way(directions=tuple(path))


def findings(network: Network) -> tuple[str, ...]:
    """What the exceptions cut off: one sentence for each host and fault, with the hosts it cannot be reached from."""
    targets = {one.to for one in network.static_routes} | {one.target for one in network.source_routes}
    if not targets:
        return ()
    ways = Ways(network, Graph(network))
    found: dict[tuple[str, str], list[str]] = {}
    for target in (host.id for host in network.hosts if host.id in targets):
        for source in (host.id for host in network.hosts if host.id != target):
            fault = ways.way(source, target).fault
            if fault:
                found.setdefault((target, fault), []).append(source)
    return tuple(
        f"{target} is unreachable from {', '.join(sources)}: {fault}" for (target, fault), sources in found.items()
    )
