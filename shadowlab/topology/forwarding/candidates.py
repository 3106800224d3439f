"""Every way that routing allows between two nodes, with probabilities.

In: a network.  Out: :class:`~shadowlab.model.ways.Candidates`.  Never: more work than a shortest-path search, a pass
over the links on shortest ways, and a bounded list of ways: a fat-tree has more ways than anybody wants to list.

A router spreads flows over its next hops of equal cost by the weights of their links, and each chooses for itself, so a
way's probability is the product of the shares at each node on it.  Which way one connection takes follows from its
addresses and ports by a hash that only the router's maker knows; over many connections every next hop has its share.

Shortest ways form a graph without circles, over which probabilities are handed on from node to node.  Exceptions of the
map (static and source routes) may close one; a flow that comes to a node for the second time leaves as it did before,
so it circles for ever, and its way is told up to there, as a loop.  Then ways are walked one by one, up to a bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from heapq import heappop, heappush

from shadowlab.model.network import Direction, Network
from shadowlab.model.ways import Candidates, CandidateWay, Crossing, PairWays, known_way
from shadowlab.topology.forwarding.exceptions import BLACK_HOLE, pinned_exits, source_exits
from shadowlab.topology.forwarding.graph import NOWHERE, Graph

MOST_WAYS = 64
"""Ways listed of a pair; more are counted."""
MOST_WALKED = 4096
"""Ways walked where exceptions close a circle."""


class CandidateFinder:
    """Ways between the nodes of one network; what was found for a target serves every source."""

    def __init__(self, network: Network, *, most_ways: int = MOST_WAYS, avoid: frozenset[str] = frozenset()) -> None:
        """``avoid`` are links that carry nothing.  Raises ValueError for one that is not on the map."""
        self._graph = Graph(network, avoid)
        self._ecmp = network.ecmp
        self._most = most_ways
        self._pinned = pinned_exits(network, self._graph)
        self._by_source = source_exits(network, self._graph)
        self._toward: dict[str, list[tuple[int, ...]]] = {}
        self._found: dict[tuple[str, str], Candidates] = {}

    def pair(self, source: str, target: str) -> PairWays:
        """There and back.  Raises ValueError for what is no node that packets begin or end at."""
        return PairWays(there=self.ways(source, target), back=self.ways(target, source))

    def ways(self, source: str, target: str) -> Candidates:
        """One way.  Raises ValueError for what is no node that packets begin or end at."""
        key = (source, target)
        if key not in self._found:
            self._found[key] = self._search(source, target)
        return self._found[key]

    def _search(self, source: str, target: str) -> Candidates:
        self._graph.check_end(source)
        if target not in self._toward:
            self._toward[target] = self._graph.equal_exits_toward(target)
        if source == target:
            return known_way(source, target, ())
        search = _Pair(self._graph, source, target, self._reached(source, target))
        order = search.order()
        return search.walked(self._most) if order is None else search.spread(order, self._most)

    def _reached(self, source: str, target: str) -> Mapping[int, tuple[int, ...]]:
        """For every node that a packet can come to the exits among which its flow is spread; a node where it ends has
        none but ``NOWHERE`` or ``BLACK_HOLE``, and the target none at all."""
        index, exits = self._graph.index, self._graph.exits
        found: dict[int, tuple[int, ...]] = {index[target]: ()}
        waiting = [index[source]]
        while waiting:
            node = waiting.pop()
            if node not in found:
                found[node] = self._exits_at(node, source, target)
                waiting += [index[exits[one].target] for one in found[node] if one >= 0]
        return found

    def _exits_at(self, node: int, source: str, target: str) -> tuple[int, ...]:
        name = self._graph.names[node]
        if name != source and not self._graph.forwards[node]:
            return (NOWHERE,)
        number = self._by_source.get((name, source, target), self._pinned.get((name, target)))
        if number is not None:
            return (number,)
        equal = self._toward[target][node] or (NOWHERE,)
        return equal if self._ecmp else equal[:1]


class _Pair:
    """The search for one pair's ways over the nodes that its packets can come to."""

    def __init__(self, graph: Graph, source: str, target: str, exits: Mapping[int, tuple[int, ...]]) -> None:
        self._graph, self._exits = graph, exits
        self._source, self._target = source, target
        self._start = graph.index[source]

    def order(self) -> list[int] | None:
        """The nodes, each before all that its exits lead to; None if they close a circle."""
        done: list[int] = []
        open_nodes, seen = {self._start}, {self._start}
        stack = [(self._start, self._next(self._start))]
        while stack:
            node, following = stack[-1]
            if not following:
                stack.pop()
                open_nodes.discard(node)
                done.append(node)
                continue
            after = following.pop()
            if after in open_nodes:
                return None
            if after not in seen:
                seen.add(after)
                open_nodes.add(after)
                stack.append((after, self._next(after)))
        return done[::-1]

    def spread(self, order: Sequence[int], most: int) -> Candidates:
        """Probabilities handed on along ``order``; the most probable ways found best first, each in as many steps as
        it has hops, for what is still to come is known."""
        share = dict.fromkeys(order, 0.0) | {self._start: 1.0}
        crossed: dict[Direction, float] = {}
        for node in order:
            for number in self._leaving(node):
                part = share[node] / self._odds(node, number)
                share[self._target_of(number)] += part
                for step in self._graph.exits[number].steps:
                    crossed[step] = crossed.get(step, 0.0) + part
        # One over the probability of the most probable way from a node on, and how many ways there are.
        best: dict[int, Fraction | int] = dict.fromkeys(order, 1)
        count = dict.fromkeys(order, 1)
        for node in reversed(order):
            if following := [self._target_of(number) for number in self._leaving(node)]:
                best[node] = min(
                    self._odds(node, number) * best[self._target_of(number)] for number in self._leaving(node)
                )
                count[node] = sum(count[one] for one in following)
        ways: list[CandidateWay] = []
        heap: list[tuple[Fraction | int, int, tuple[int, ...], int, Fraction | int]] = [
            (best[self._start], 0, (), self._start, 1)
        ]
        while heap and len(ways) < most:
            _, depth, path, node, odds = heappop(heap)
            leaving = self._leaving(node)
            if not leaving:
                ways.append(self._way(path, odds, self._fault(node)))
            for number in leaving:
                after, longer = self._target_of(number), odds * self._odds(node, number)
                # Of equal ones the longest first: it is the nearest to its end.
                heappush(heap, (longer * best[after], depth - 1, (*path, number), after, longer))
        return self._candidates(count[self._start], ways, crossed)

    def walked(self, most: int) -> Candidates:
        """Ways one by one, a circle followed until it closes."""
        ways: list[CandidateWay] = []
        crossed: dict[Direction, float] = {}
        stack: list[tuple[int, tuple[int, ...], Fraction | int]] = [(self._start, (), 1)]
        while stack and len(ways) < MOST_WALKED:
            node, path, odds = stack.pop()
            leaving = self._leaving(node)
            before = {self._graph.index[self._graph.exits[one].source] for one in path}
            if node not in before and leaving:
                stack += [
                    (self._target_of(one), (*path, one), odds * self._odds(node, one)) for one in reversed(leaving)
                ]
                continue
            fault = f"loop at {self._graph.names[node]}" if node in before else self._fault(node)
            ways.append(self._way(path, odds, fault))
            for step in dict.fromkeys(ways[-1].directions):
                crossed[step] = crossed.get(step, 0.0) + ways[-1].probability
        listed = sorted(ways, key=lambda one: -one.probability)[:most]
        return self._candidates(len(ways), listed, crossed, more=bool(stack))

    def _leaving(self, node: int) -> tuple[int, ...]:
        return tuple(one for one in self._exits[node] if one >= 0)

    def _odds(self, node: int, number: int) -> Fraction | int:
        """One over the part of its flows that a node sends by this exit."""
        weights = [self._graph.exits[one].weight for one in self._exits[node] if one >= 0]
        own = self._graph.exits[number].weight
        return len(weights) if len(set(weights)) == 1 else Fraction(sum(weights), own)

    def _next(self, node: int) -> list[int]:
        return [self._target_of(number) for number in self._leaving(node)]

    def _target_of(self, number: int) -> int:
        return self._graph.index[self._graph.exits[number].target]

    def _fault(self, node: int) -> str:
        """Why a packet that ends at ``node`` does so; empty at the target."""
        name = self._graph.names[node]
        if name == self._target:
            return ""
        if name != self._source and not self._graph.forwards[node]:
            return f"black hole at {name}, which does not forward"
        return f"{'black hole' if BLACK_HOLE in self._exits[node] or name != self._source else 'no path'} at {name}"

    def _way(self, path: Sequence[int], odds: Fraction | int, fault: str) -> CandidateWay:
        steps = tuple(step for number in path for step in self._graph.exits[number].steps)
        return CandidateWay(directions=steps, probability=float(1 / odds), fault=fault)

    def _candidates(
        self, count: int, ways: Sequence[CandidateWay], crossed: Mapping[Direction, float], *, more: bool = False
    ) -> Candidates:
        return Candidates(
            source=self._source,
            target=self._target,
            count=count,
            ways=tuple(ways),
            crossings=tuple(Crossing(direction=one, probability=min(crossed[one], 1.0)) for one in sorted(crossed)),
            more=more,
        )
