"""The next hops a map allows, and shortest ways over them.

In: a network, links to avoid, metrics.  Out: exits, and for one destination the exit each node takes.
Never: a way through a host; a way over an avoided link.

A segment is no hop: all that hangs on it are neighbours of each other, each at the metric of its own link into the
segment (a segment leads on for nothing, as OSPF's networks do: RFC 2328, section 2.1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from shadowlab.model.network import Direction, Network, check_metric

NOWHERE = -1


@dataclass(frozen=True, kw_only=True)
class Exit:
    """A way from one node to the next: one direction, or two where a segment lies between.  ``weight``: its part of
    the flows among ways of equal cost."""

    source: str
    target: str
    steps: tuple[Direction, ...]
    metric: int
    weight: int = 1


class Graph:
    """Nodes by number in alphabetical order, and exits by source, target and links in alphabetical order."""

    def __init__(
        self, network: Network, avoid: frozenset[str] = frozenset(), metrics: Mapping[str, int] | None = None
    ) -> None:
        for what, links in (("avoid", avoid), ("metrics", metrics or ())):
            unknown = sorted(set(links) - set(network.links_by_id))
            if unknown:
                raise ValueError(f"{what}: {unknown[0]} is not a link of this map")
        self._avoid = avoid
        self._nodes = network.nodes_by_id
        self.names = sorted(self._nodes)
        self.index = {name: number for number, name in enumerate(self.names)}
        self.forwards = [self._nodes[name].kind == "router" for name in self.index]
        self.exits: Sequence[Exit] = sorted(
            _exits(network, avoid, metrics or {}),
            key=lambda one: (one.source, one.target, tuple(step.link for step in one.steps)),
        )
        self.leaving: list[list[int]] = [[] for _ in self.index]
        self._into: list[list[tuple[int, int, int]]] = [[] for _ in self.index]
        for number, way in enumerate(self.exits):
            source, target = self.index[way.source], self.index[way.target]
            self.leaving[source].append(number)
            self._into[target].append((source, way.metric, number))

    def check_end(self, name: str) -> None:
        """Raises ValueError unless packets may begin or end at ``name``."""
        if name not in self.index:
            raise ValueError(f"{name} is not a node of this map")
        if self._nodes[name].kind == "segment":
            raise ValueError(f"{name} is a segment: packets pass it, none begin or end there")

    def exit_to(self, source: str, target: str) -> int:
        """The number of the first exit from one node to its neighbour, ``NOWHERE`` if they are none."""
        return next((one for one in self.leaving[self.index[source]] if self.exits[one].target == target), NOWHERE)

    def leaving_first(self, source: str) -> int:
        """The number of the first exit of a node that has one."""
        return self.leaving[self.index[source]][0]

    def toward(self, target: str) -> list[int]:
        """For every node the number of the first exit of its shortest way to ``target`` (of equal ways the first exit
        counts); ``NOWHERE`` for the target and nodes without a way."""
        return self._shortest(target)[1]

    def equal_exits_toward(self, target: str) -> list[tuple[int, ...]]:
        """For every node the numbers of all exits that begin a shortest way to ``target``; none for the target itself
        and for nodes without a way."""
        goal, distance = self.index[target], self._shortest(target)[0]

        def equal(node: int, number: int) -> bool:
            way = self.exits[number]
            following = self.index[way.target]
            leads_on = following == goal or self.forwards[following]
            return leads_on and way.metric + distance[following] == distance[node] < float("inf")

        return [
            () if node == goal else tuple(number for number in numbers if equal(node, number))
            for node, numbers in enumerate(self.leaving)
        ]

    def _shortest(self, target: str) -> tuple[list[float], list[int]]:
        """Distances to ``target`` and first exits (Dijkstra's algorithm, from the target outward)."""
        self.check_end(target)
        goal = self.index[target]
        distance: list[float] = [float("inf")] * len(self.index)
        hops = [NOWHERE] * len(self.index)
        distance[goal] = 0
        queue: list[tuple[float, int]] = [(0, goal)]
        while queue:
            so_far, here = heappop(queue)
            if so_far > distance[here]:
                continue
            for source, metric, number in self._into[here]:
                longer = so_far + metric
                if longer < distance[source]:
                    distance[source], hops[source] = longer, number
                    if self.forwards[source]:
                        heappush(queue, (longer, source))
                elif longer == distance[source] and number < hops[source]:
                    hops[source] = number
        return distance, hops

    def no_path(self, source: str, target: str) -> str:
        """Words for a pair without a way."""
        without = f" without {', '.join(sorted(self._avoid))}" if self._avoid else ""
        return f"there is no path from {source} to {target}{without}"


def _exits(network: Network, avoid: frozenset[str], metrics: Mapping[str, int]) -> list[Exit]:
    found: list[Exit] = []
    ports: dict[str, list[tuple[Direction, int, int]]] = {}
    for link in network.links:
        if link.id in avoid:
            continue
        for step in link.directions:
            metric = metrics.get(link.id, link.metric_of(step))
            check_metric(link.id, metric)
            if network.nodes_by_id[step.target].kind == "segment":
                ports.setdefault(step.target, []).append((step, metric, link.weight))
            elif network.nodes_by_id[step.source].kind != "segment":
                found.append(
                    Exit(source=step.source, target=step.target, steps=(step,), metric=metric, weight=link.weight)
                )
    for some in ports.values():
        found += [
            Exit(source=into.source, target=out.source, steps=(into, out.reverse), metric=metric, weight=weight)
            for into, metric, weight in some
            for out, _, _ in some
            if out.source != into.source
        ]
    return found
