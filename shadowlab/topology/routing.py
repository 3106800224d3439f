"""Static routes by shortest paths, and the paths they make.

In: a network, its fabric, optionally links to avoid and metrics to use instead of the map's.  Out: routes and paths,
the same for the same input.  Never: a path through a host; a path over an avoided link.

Only hosts are destinations.  Of several shortest ways the one by the first neighbour (then the first link) in
alphabetical order is taken, or with ECMP all of them, among which the kernel spreads flows by the weights
of their links.  Every node applies that
rule by itself and every metric is at least 1, so each hop comes nearer to the destination: hop-by-hop forwarding
follows exactly what :func:`path_directions` says.  Exceptions that the map states come on top, and may do anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from shadowlab.model.fabric import Fabric, Route
from shadowlab.model.network import Direction, Network, Node
from shadowlab.topology.forwarding.aggregate import ANY_WAY, NO_WAY, Tree
from shadowlab.topology.forwarding.exceptions import BLACK_HOLE, Way, Ways, pinned_exits, source_exits
from shadowlab.topology.forwarding.graph import NOWHERE, Exit, Graph
from shadowlab.topology.forwarding.tables import Tables, tables

FIRST_SOURCE_TABLE = 1000
"""The kernel's table of the first source route on the map; the others follow."""

_Hops = tuple[tuple[str, str], ...]
_BITS = {False: 32, True: 128}
_DEFAULT = {False: "0.0.0.0", True: "::"}


def shortest_routes(
    network: Network,
    fabric: Fabric,
    *,
    avoid: frozenset[str] = frozenset(),
    metrics: Mapping[str, int] | None = None,
    partial: bool = False,
    aggregate: bool = False,
) -> tuple[Route, ...]:
    """One route per node and destination host; a single default route for a host with a single link.

    With ``aggregate`` the fewest prefixes that lead every host the same way instead: for a network whose routes are not
    to be replaced one by one.  Nodes and destinations follow map order, prefixes their addresses.  Raises ValueError
    naming the pair of hosts that has no path; with ``partial`` such pairs are left without a route, as routers leave
    them when links have failed.
    """
    graph = Graph(network, avoid, metrics)
    hosts = [host.id for host in network.hosts]
    found = tables(graph, hosts)
    if not partial:
        _check_reach(network, found)
    ways, hops_of = _ways(network, found)
    own = {host: column for column, host in enumerate(hosts)}
    for (node, host), number in pinned_exits(network, graph).items():
        ways[graph.index[node], own[host]] = _number_of((number,) if number != BLACK_HOLE else (), hops_of)
    makers = [_Maker(network, graph, fabric, hops_of, ways, ipv6=False, aggregate=aggregate)]
    if network.ipv6:
        makers.append(_Maker(network, graph, fabric, hops_of, ways, ipv6=True, aggregate=aggregate))
    return tuple(
        route for node in network.nodes if node.kind != "segment" for maker in makers for route in maker.routes(node)
    )


def path_directions(
    network: Network,
    source: str,
    target: str,
    *,
    avoid: frozenset[str] = frozenset(),
    metrics: Mapping[str, int] | None = None,
) -> tuple[Direction, ...]:
    """The directions a packet crosses from ``source`` to ``target``; empty when they are the same node.

    With ECMP it is one of several: which one a flow takes, only the kernel can say.  Raises ValueError for an unknown
    node, and when there is no path.
    """
    graph = Graph(network, avoid, metrics)
    way = Ways(network, graph).way(source, target)
    if way.fault:
        raise ValueError(graph.no_path(source, target) + (f" ({way.fault})" if "no path" not in way.fault else ""))
    return way.directions


def intended_way(network: Network, source: str, target: str) -> Way:
    """The same as far as it leads: exceptions on the map may end it in a black hole or a loop."""
    return _ways_in(_Same(network)).way(source, target)


class _Same:
    """A network as the one object that it is: to compare a thousand nodes each time would cost what is saved."""

    __slots__ = ("network",)

    def __init__(self, network: Network) -> None:
        self.network = network

    def __hash__(self) -> int:
        return id(self.network)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.network is other.network


@lru_cache(maxsize=4)
def _ways_in(same: _Same) -> Ways:
    """Thousands of paths of one network are asked for one after the other."""
    return Ways(same.network, Graph(same.network))


def reachable(network: Network, source: str, target: str, *, avoid: frozenset[str] = frozenset()) -> bool:
    """Whether routers know a way.  Raises ValueError for an unknown node or link."""
    graph = Graph(network, avoid)
    graph.check_end(source)
    return source == target or graph.toward(target)[graph.index[source]] != NOWHERE


def separated_hosts(network: Network, *, avoid: frozenset[str] = frozenset()) -> tuple[str, str] | None:
    """The first two hosts (in map order) that cannot reach each other, or None."""
    graph = Graph(network, avoid)
    single = all(_ends_one_router_link(graph, host.id) for host in network.hosts)
    for one in network.hosts:
        hops = graph.toward(one.id)
        for other in network.hosts:
            if other.id != one.id and hops[graph.index[other.id]] == NOWHERE:
                return one.id, other.id
        if single:
            # Every host hangs on a router: what reaches one of them reaches all.
            return None
    return None


def _ends_one_router_link(graph: Graph, name: str) -> bool:
    leaving = graph.leaving[graph.index[name]]
    return len(leaving) == 1 and graph.forwards[graph.index[graph.exits[leaving[0]].target]]


def _check_reach(network: Network, found: Tables) -> None:
    graph, hosts = found.graph, network.hosts
    rows = [graph.index[host.id] for host in hosts]
    missing = found.first[rows] == NOWHERE
    np.fill_diagonal(missing, val=False)
    if missing.any():
        source, target = np.argwhere(missing)[0]
        raise ValueError(graph.no_path(hosts[source].id, hosts[target].id))


def _ways(network: Network, found: Tables) -> tuple[NDArray[np.int32], dict[tuple[int, ...], int]]:
    """For each node and host the number of a set of exits, and those sets (exit numbers) with their numbers."""
    graph = found.graph
    hops_of: dict[tuple[int, ...], int] = {(number,): number for number in range(len(graph.exits))}
    ways = np.where(found.first == NOWHERE, NO_WAY, found.first).astype(np.int32)
    for column, host in enumerate(network.hosts):
        ways[graph.index[host.id], column] = ANY_WAY
    if network.ecmp:
        for node, exits in enumerate(graph.leaving):
            equal = found.equal_exits(node)
            for column in np.flatnonzero(equal.sum(axis=0) > 1).tolist():
                several = tuple(exits[one] for one in np.flatnonzero(equal[:, column]).tolist())
                ways[node, column] = _number_of(several, hops_of)
    return ways, hops_of


def _number_of(exits: tuple[int, ...], hops_of: dict[tuple[int, ...], int]) -> int:
    return hops_of.setdefault(exits, len(hops_of))


class _Maker:
    """Routes of one family.  ``ways`` holds, by node and host, numbers of sets of exits."""

    def __init__(
        self,
        network: Network,
        graph: Graph,
        fabric: Fabric,
        hops_of: Mapping[tuple[int, ...], int],
        ways: NDArray[np.int32],
        *,
        ipv6: bool,
        aggregate: bool,
    ) -> None:
        self._graph = graph
        self._fabric = fabric
        self._ipv6 = ipv6
        self._addresses = fabric.node_address6 if ipv6 else fabric.node_address
        self._hosts = [self._addresses[host.id] for host in network.hosts]
        self._ways = ways
        self._sets = {number: exits for exits, number in hops_of.items()}
        self._hops: dict[int, tuple[str, str, _Hops]] = {}
        self._alike: dict[int, tuple[int, ...]] = {}
        self._single = {node.id for node in network.nodes if self._has_one_interface(node)}
        self._blocks = Tree(self._hosts).blocks(ways) if aggregate else None
        self._by_source: dict[str, list[Route]] = {}
        tables_of = {
            (one.source, one.target): FIRST_SOURCE_TABLE + place for place, one in enumerate(network.source_routes)
        }
        for (node, source, target), number in source_exits(network, graph).items():
            via, interface = self._exit(graph.exits[number])
            self._by_source.setdefault(node, []).append(
                Route(
                    node=node,
                    destination=self._addresses[target],
                    prefix=_BITS[ipv6],
                    via=via,
                    interface=interface,
                    source=self._addresses[source],
                    table=tables_of[source, target],
                )
            )

    def routes(self, node: Node) -> Iterator[Route]:
        """All of one node."""
        number = self._graph.index[node.id]
        if node.id in self._single:
            yield from self._by_default(node.id, self._ways[number])
        elif self._blocks is not None:
            name, hops = node.id, self._hops
            for address, length, way in self._blocks[number]:
                via, interface, others = hops.get(way) or self._hops_of(way)
                yield Route(name, address, length, via, interface, others, weights=self._weights(way))
        else:
            for address, way in zip(self._hosts, self._ways[number].tolist(), strict=True):
                if way >= 0:
                    yield self._route(node.id, address, _BITS[self._ipv6], way)
        yield from self._by_source.get(node.id, ())

    def _by_default(self, node: str, ways: NDArray[np.int32]) -> Iterator[Route]:
        """A default route the way that most hosts are (on a LAN: by a router), and one for each that is elsewhere: all
        leave by the same interface, so that nothing is led astray when it fails."""
        # Of n hosts each has n ways, nearly all the same: in a network of thousands only NumPy may touch every one.
        held, times = np.unique(ways[ways >= 0], return_counts=True)
        counts = {way: times[place] for place, way in enumerate(held.tolist()) if self._leads_on(way)}
        first = self._graph.leaving_first(node)
        most = min(counts, key=lambda way: (-counts[way], way)) if counts else first
        if counts or len(self._graph.exits[first].steps) == 1:
            yield self._route(node, _DEFAULT[self._ipv6], 0, most)
        else:
            most = NO_WAY
        for column in np.flatnonzero((ways >= 0) & (ways != most)).tolist():
            yield self._route(node, self._hosts[column], _BITS[self._ipv6], int(ways[column]))

    def _leads_on(self, way: int) -> bool:
        """Whether all its next hops are routers, or the one neighbour there is."""
        exits = [self._graph.exits[one] for one in self._sets[way]]
        forwards = [self._graph.forwards[self._graph.index[one.target]] or len(one.steps) == 1 for one in exits]
        return bool(exits) and all(forwards)

    def _has_one_interface(self, node: Node) -> bool:
        exits = self._graph.leaving[self._graph.index[node.id]]
        links = {link.link for link in self._fabric.by_node.get(node.id, ())}
        return node.kind == "host" and len(links) == 1 and bool(exits)

    def _route(self, node: str, destination: str, prefix: int, way: int) -> Route:
        return Route(node, destination, prefix, *self._hops_of(way), weights=self._weights(way))

    def _hops_of(self, way: int) -> tuple[str, str, _Hops]:
        """Gateway, interface, and the others."""
        hops = [self._exit(self._graph.exits[one]) for one in self._sets[way]] or [("", "")]
        self._hops[way] = (*hops[0], tuple(hops[1:]))
        return self._hops[way]

    def _weights(self, way: int) -> tuple[int, ...]:
        """Of its hops; none where they are alike."""
        if way not in self._alike:
            weights = tuple(self._graph.exits[one].weight for one in self._sets[way])
            self._alike[way] = weights if len(set(weights)) > 1 else ()
        return self._alike[way]

    def _exit(self, way: Exit) -> tuple[str, str]:
        """Gateway and interface: behind a segment it is the far node's own address there."""
        near = self._fabric.by_direction[way.steps[0]]
        far = self._fabric.by_direction[way.steps[-1].reverse]
        return (far.address6 if self._ipv6 else far.address), near.name
