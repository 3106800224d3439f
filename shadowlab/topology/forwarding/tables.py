"""Whole forwarding tables: every node's next hop to every host, all at once.

In: a graph, destinations.  Out: arrays of exit numbers.  Never: a tie settled otherwise than by
:meth:`~shadowlab.topology.forwarding.graph.Graph.toward`, which tests hold this to.

Distances to all destinations are relaxed together (Bellman and Ford's method), one array operation for each exit, with
the nodes taken in depth-first order, forth and back in turns.  So what is found at one node is used at the next in the
same sweep, and a chain of any length takes one sweep; maps need a handful.  A thousand nodes and hosts: a tenth of the
time of a thousand runs of Dijkstra's algorithm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shadowlab.topology.forwarding.graph import NOWHERE, Graph

_FAR = 1 << 61


@dataclass(frozen=True, kw_only=True, eq=False)
class Tables:
    """``distance`` and ``first`` have a row for each node of the graph and a column for each destination; ``first`` is
    the number of the exit taken, ``NOWHERE`` at the destination and where there is no way."""

    graph: Graph
    distance: NDArray[np.int64]
    first: NDArray[np.int32]
    _beyond: NDArray[np.int64]

    def equal_exits(self, node: int) -> NDArray[np.bool_]:
        """For each exit of ``node`` (rows, in order) the destinations (columns) it leads to at the least cost."""
        exits, graph = self.graph.leaving[node], self.graph
        rows = [graph.exits[one].metric + self._beyond[graph.index[graph.exits[one].target]] for one in exits]
        near = self.distance[node] < _FAR
        near &= self.distance[node] > 0
        return np.array([(row == self.distance[node]) & near for row in rows], dtype=np.bool_).reshape(
            len(exits), near.size
        )


def tables(graph: Graph, destinations: Sequence[str]) -> Tables:
    """Shortest ways from every node to each of ``destinations``, which are hosts."""
    size = len(graph.index)
    ways = [[(graph.exits[one].metric, graph.index[graph.exits[one].target]) for one in some] for some in graph.leaving]
    # What a neighbour offers: a router whatever it knows, a host itself alone.
    beyond = np.full((size, len(destinations)), _FAR, dtype=np.int64)
    for column, name in enumerate(destinations):
        graph.check_end(name)
        beyond[graph.index[name], column] = 0
    order = [node for node in _depth_first(ways) if graph.forwards[node]]
    changed = set(order)
    users: list[set[int]] = [set() for _ in range(size)]
    for node in order:
        for _, target in ways[node]:
            users[target].add(node)
    forth = True
    while changed:
        again: set[int] = set()
        for node in order if forth else reversed(order):
            if node not in changed and node not in again:
                continue
            again.discard(node)
            changed.discard(node)
            row = beyond[node]
            least = _least(ways[node], beyond, row)
            if not np.array_equal(least, row):
                beyond[node] = least
                again |= users[node]
        changed |= again
        forth = not forth
    distance = beyond.copy()
    for node, forwards in enumerate(graph.forwards):
        if not forwards and ways[node]:
            distance[node] = _least(ways[node], beyond, beyond[node])
    first = np.full(distance.shape, NOWHERE, dtype=np.int32)
    for node, numbers in enumerate(graph.leaving):
        row = distance[node]
        for number, (metric, target) in zip(reversed(numbers), reversed(ways[node]), strict=True):
            first[node][beyond[target] + metric == row] = number
        first[node][(row >= _FAR) | (row == 0)] = NOWHERE
    return Tables(graph=graph, distance=distance, first=first, _beyond=beyond)


def _least(ways: Sequence[tuple[int, int]], beyond: NDArray[np.int64], row: NDArray[np.int64]) -> NDArray[np.int64]:
    least = row.copy()
    for metric, target in ways:
        np.minimum(least, beyond[target] + metric, out=least)
    return least


def _depth_first(ways: Sequence[Sequence[tuple[int, int]]]) -> list[int]:
    seen: set[int] = set()
    order: list[int] = []
    for start in range(len(ways)):
        stack = [start]
        while stack:
            node = stack.pop()
            if node in seen:
                continue
            seen.add(node)
            order.append(node)
            stack.extend(target for _, target in reversed(ways[node]) if target not in seen)
    return order
