"""A network cut into parts, one for each host, where cutting hurts least.

In: a network, hosts and how much of it each is to take.  Out: which node lives where.  Never: a segment apart from its
members (a LAN is one wire), or chance: the same network is always cut alike.

Packets of a cut link cross the underlay: they take its capacity, and its delay comes on top of the link's own.  So a
link is the dearer to cut the more it may carry and the shorter it is: it weighs ``rate / (1 ms + delay)``, a link
without a rate as much as the fastest of the map.

METIS (pymetis, of the extra ``dist``) cuts best and fastest; without it networkx does, by repeated Kernighan-Lin
bisection, and the result says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import networkx as nx

from shadowlab.model.network import Link, Network

_MS_NS = 1_000_000
_HEAVIEST = 10_000
"""Of weights, which METIS wants as whole numbers."""
_SEED = 1


@dataclass(frozen=True, kw_only=True)
class Partition:
    """``place``: the host of each node.  ``cut``: links whose ends live apart, in map order.  ``by``: who cut."""

    place: Mapping[str, str]
    cut: tuple[str, ...]
    by: str

    def nodes_of(self, host: str) -> tuple[str, ...]:
        """What lives there."""
        return tuple(node for node, where in self.place.items() if where == host)


def partition(network: Network, shares: Mapping[str, float], *, fixed: Mapping[str, str] | None = None) -> Partition:
    """Cut it by ``shares`` (host: a number above zero; twice the number, twice the nodes).

    Nodes that are ``fixed`` stay where they are; the others go to where they have the heaviest links.
    Raises ValueError for fewer nodes than hosts, and for no host.
    """
    groups = _whole_lans(network)
    hosts = list(shares)
    if not hosts:
        raise ValueError("a network needs a host")
    if len(set(groups.values())) < len(hosts):
        raise ValueError(f"{len(network.nodes)} nodes cannot be shared by {len(hosts)} hosts: name fewer")
    graph = _weighted(network, groups)
    if fixed is not None:
        by = "their neighbours"
        where = _beside(graph, {groups[node]: host for node, host in fixed.items()}, shares)
    elif len(hosts) == 1:
        by, where = "nobody", dict.fromkeys(graph, hosts[0])
    else:
        by, where = _cut(graph, shares)
    place = {node.id: where[groups[node.id]] for node in network.nodes}
    cut = tuple(link.id for link in network.links if place[link.a] != place[link.b])
    return Partition(place=place, cut=cut, by=by)


def _whole_lans(network: Network) -> dict[str, str]:
    """The group of each node: itself, or the LAN that it is on."""
    lans: nx.Graph[str] = nx.Graph()
    lans.add_nodes_from(node.id for node in network.nodes)
    kinds = {node.id: node.kind for node in network.nodes}
    lans.add_edges_from((one.a, one.b) for one in network.links if "segment" in (kinds[one.a], kinds[one.b]))
    return {node: min(some) for some in nx.connected_components(lans) for node in some}


def _weighted(network: Network, groups: Mapping[str, str]) -> nx.Graph[str]:
    fastest = (
        max((one.rate_bps or 0 for link in network.links for one in (link.forward, link.backward)), default=0) or 1
    )
    graph: nx.Graph[str] = nx.Graph()
    for node in network.nodes:
        group = groups[node.id]
        graph.add_node(group, size=graph.nodes[group]["size"] + 1 if group in graph else 1)
    raw = {link.id: _weight(link, fastest) for link in network.links}
    most = max(raw.values(), default=1.0)
    for link in network.links:
        a, b = groups[link.a], groups[link.b]
        if a == b:
            continue
        weight = max(1, round(raw[link.id] / most * _HEAVIEST))
        graph.add_edge(a, b, weight=weight + (graph.edges[a, b]["weight"] if graph.has_edge(a, b) else 0))
    return graph


def _weight(link: Link, fastest: int) -> float:
    return sum((one.rate_bps or fastest) / (_MS_NS + one.delay_ns) for one in (link.forward, link.backward))


def _cut(graph: nx.Graph[str], shares: Mapping[str, float]) -> tuple[str, dict[str, str]]:
    hosts, whole = list(shares), sum(shares.values())
    try:
        metis: Any = import_module("pymetis")
    except ImportError:
        return "networkx", _bisected(graph, [(host, shares[host] / whole) for host in hosts])
    order = list(graph)
    index = {node: number for number, node in enumerate(order)}
    others = [[index[other] for other in graph[node]] for node in order]
    weights = [graph.edges[node, other]["weight"] for node in order for other in graph[node]]
    _, parts = metis.part_graph(
        len(hosts),
        adjacency=others,
        vweights=[graph.nodes[node]["size"] for node in order],
        eweights=weights,
        tpwgts=[shares[host] / whole for host in hosts],
        options=metis.Options(seed=_SEED),
    )
    if len(set(parts)) < len(hosts):  # METIS may leave a part of a tiny graph empty
        return "networkx", _bisected(graph, [(host, shares[host] / whole) for host in hosts])
    return "METIS", {node: hosts[part] for node, part in zip(order, parts, strict=True)}


def _bisected(graph: nx.Graph[str], shares: Sequence[tuple[str, float]]) -> dict[str, str]:
    """Halves of halves: hosts in two lots, nodes by the lots' shares."""
    if len(shares) == 1:
        return dict.fromkeys(graph, shares[0][0])
    half = len(shares) // 2
    lots = shares[:half], shares[half:]
    first_share = sum(one for _, one in lots[0]) / sum(one for _, one in shares)
    order = list(nx.dfs_preorder_nodes(graph.subgraph(max(nx.connected_components(graph), key=len))))
    order += [node for node in graph if node not in set(order)]
    count = min(max(round(len(order) * first_share), len(lots[0])), len(order) - len(lots[1]))
    start = (set(order[:count]), set(order[count:]))
    if min(map(len, start)) > 1:  # of one node there is nothing to swap
        start = nx.community.kernighan_lin_bisection(graph, partition=start, weight="weight", seed=_SEED)
    # It swaps, so sizes stay, but not which comes first; sorted, for the same order every time.
    one, other = start if len(start[0]) == count else reversed(start)
    keep = [graph.subgraph(sorted(some)) for some in (one, other)]
    return _bisected(keep[0], lots[0]) | _bisected(keep[1], lots[1])


def _beside(graph: nx.Graph[str], fixed: Mapping[str, str], shares: Mapping[str, float]) -> dict[str, str]:
    """Each homeless group to the host it has the heaviest links to, by and by; the emptiest one decides a tie."""
    where = {group: host for group, host in fixed.items() if host in shares}
    load = {host: sum(graph.nodes[group]["size"] for group, on in where.items() if on == host) for host in shares}
    homeless = [group for group in graph if group not in where]
    while homeless:
        pulls = {
            group: {
                host: sum(graph.edges[group, other]["weight"] for other in graph[group] if where.get(other) == host)
                for host in shares
            }
            for group in homeless
        }
        group = max(homeless, key=lambda one: (max(pulls[one].values()), one))
        host = max(shares, key=lambda one: (pulls[group][one], -load[one] / shares[one], one))
        where[group] = host
        load[host] += graph.nodes[group]["size"]
        homeless.remove(group)
    return where
