"""Static shortest-path routes, and the paths they make.

In: a network, its fabric, optionally links to avoid and metrics to use instead of the map's.  Out: routes and paths,
the same for the same input.  Never: a path through a host; a path over an avoided link.

Only hosts are destinations.  Of several shortest ways the one by the first neighbour (then the first link) in
alphabetical order is taken.  Every node applies that rule by itself and every metric is at least 1, so each hop comes
nearer to the destination: hop-by-hop forwarding follows exactly what :func:`path_directions` says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import heappop, heappush

from shadowlab.model.fabric import Fabric, Route
from shadowlab.model.network import Direction, Network

_NOWHERE = -1


def shortest_routes(
    network: Network,
    fabric: Fabric,
    *,
    avoid: frozenset[str] = frozenset(),
    metrics: Mapping[str, int] | None = None,
    partial: bool = False,
) -> tuple[Route, ...]:
    """One route per node and destination host; a single default route for a host with a single link.

    Nodes and destinations follow map order.  Raises ValueError naming the pair of hosts that has no path; with
    ``partial`` such pairs are left without a route, as routers leave them when links have failed.
    """
    graph = _Graph(network, avoid, metrics)
    hosts = network.hosts
    per_host = [graph.toward(host.id) for host in hosts]
    exits = [_exit(fabric, direction) for direction in graph.steps]
    routes: list[Route] = []
    for node in network.nodes:
        interfaces = fabric.by_node.get(node.id, ())
        index = graph.index[node.id]
        for host, hops in zip(hosts, per_host, strict=True):
            if not partial and node.kind == "host" and node.id != host.id and hops[index] == _NOWHERE:
                raise ValueError(graph.no_path(node.id, host.id))
        if node.kind == "host" and len(interfaces) == 1:
            only = interfaces[0]
            if only.link in avoid:
                continue
            routes.append(
                Route(node=node.id, destination="0.0.0.0", prefix=0, via=only.peer_address, interface=only.name)
            )
            continue
        for host, hops in zip(hosts, per_host, strict=True):
            if hops[index] != _NOWHERE:
                via, name = exits[hops[index]]
                routes.append(
                    Route(node=node.id, destination=fabric.node_address[host.id], prefix=32, via=via, interface=name)
                )
    return tuple(routes)


def path_directions(
    network: Network,
    source: str,
    target: str,
    *,
    avoid: frozenset[str] = frozenset(),
    metrics: Mapping[str, int] | None = None,
) -> tuple[Direction, ...]:
    """The directions a packet crosses from ``source`` to ``target``; empty when they are the same node.

    Raises ValueError for an unknown node, and when there is no path.
    """
    graph = _Graph(network, avoid, metrics)
    graph.check_node(source)
    hops = graph.toward(target)
    path: list[Direction] = []
    here = source
    while here != target:
        hop = hops[graph.index[here]]
        if hop == _NOWHERE:
            raise ValueError(graph.no_path(source, target))
        path.append(graph.steps[hop])
        here = path[-1].target
    return tuple(path)


def reachable(network: Network, source: str, target: str, *, avoid: frozenset[str] = frozenset()) -> bool:
    """Whether packets find a way.  Raises ValueError for an unknown node or link."""
    graph = _Graph(network, avoid, None)
    graph.check_node(source)
    return source == target or graph.toward(target)[graph.index[source]] != _NOWHERE


def separated_hosts(network: Network, *, avoid: frozenset[str] = frozenset()) -> tuple[str, str] | None:
    """The first two hosts (in map order) that cannot reach each other, or None."""
    graph = _Graph(network, avoid, None)
    for one in network.hosts:
        hops = graph.toward(one.id)
        for other in network.hosts:
            if other.id != one.id and hops[graph.index[other.id]] == _NOWHERE:
                return one.id, other.id
        if graph.ends_one_router_link(one.id) and all(graph.ends_one_router_link(host.id) for host in network.hosts):
            # Every host hangs on a router: what reaches one of them reaches all.
            return None
    return None


class _Graph:
    """The steps packets may take, numbered by source, target and link in alphabetical order."""

    def __init__(self, network: Network, avoid: frozenset[str], metrics: Mapping[str, int] | None) -> None:
        for what, links in (("avoid", avoid), ("metrics", metrics or ())):
            unknown = sorted(set(links) - set(network.links_by_id))
            if unknown:
                raise ValueError(f"{what}: {unknown[0]} is not a link of this map")
        self._avoid = avoid
        self.index = {name: number for number, name in enumerate(sorted(network.nodes_by_id))}
        self.steps: Sequence[Direction] = sorted(
            (step for link in network.links if link.id not in avoid for step in link.directions),
            key=lambda step: (step.source, step.target, step.link),
        )
        self._forwards = [network.nodes_by_id[name].kind == "router" for name in self.index]
        self._into: list[list[tuple[int, int, int]]] = [[] for _ in self.index]
        self._leaving: list[list[int]] = [[] for _ in self.index]
        for number, step in enumerate(self.steps):
            metric = (metrics or {}).get(step.link, network.links_by_id[step.link].metric)
            if metric < 1:
                raise ValueError(f"link {step.link}: metric must be at least 1, got {metric}")
            source, target = self.index[step.source], self.index[step.target]
            self._into[target].append((source, metric, number))
            self._leaving[source].append(target)

    def check_node(self, name: str) -> None:
        if name not in self.index:
            raise ValueError(f"{name} is not a node of this map")

    def ends_one_router_link(self, name: str) -> bool:
        leaving = self._leaving[self.index[name]]
        return len(leaving) == 1 and self._forwards[leaving[0]]

    def toward(self, target: str) -> list[int]:
        """For every node the number of the first step of its shortest way to ``target`` (Dijkstra's algorithm,
        from the target outward); ``_NOWHERE`` for the target and for nodes without a way."""
        self.check_node(target)
        goal = self.index[target]
        distance: list[float] = [float("inf")] * len(self.index)
        hops = [_NOWHERE] * len(self.index)
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
                    if self._forwards[source]:
                        heappush(queue, (longer, source))
                elif longer == distance[source] and number < hops[source]:
                    hops[source] = number
        return hops

    def no_path(self, source: str, target: str) -> str:
        without = f" without {', '.join(sorted(self._avoid))}" if self._avoid else ""
        return f"there is no path from {source} to {target}{without}"


def _exit(fabric: Fabric, step: Direction) -> tuple[str, str]:
    interface = fabric.by_direction[step]
    return interface.peer_address, interface.name
