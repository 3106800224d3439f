"""Who is near whom: the order in which hosts get their addresses, so that few prefixes lead to many of them.

In: a network.  Out: groups of hosts, each at one place, in an order in which neighbours follow each other.

The order is a walk, branch by branch, over the tree of shortest ways from the router with the most links: to nodes
outside a branch most of it lies in one direction.
"""

from __future__ import annotations

from shadowlab.model.network import Network
from shadowlab.topology.forwarding.graph import NOWHERE, Graph


def groups_by_place(network: Network) -> list[list[str]]:
    """Hosts that hang on the same router or segment (the first they have a link to) are one group, in map order."""
    around: dict[str, list[str]] = {node.id: [] for node in network.nodes}
    for link in network.links:
        around[link.a].append(link.b)
        around[link.b].append(link.a)
    groups: dict[str, list[str]] = {}
    for host in network.hosts:
        groups.setdefault(around[host.id][0] if around[host.id] else host.id, []).append(host.id)
    return [groups[place] for place in _walk(network, around) if place in groups]


def _walk(network: Network, around: dict[str, list[str]]) -> list[str]:
    routers = [node.id for node in network.nodes if node.kind == "router"]
    root = max(routers, key=lambda name: len(around[name]), default="")
    branches: dict[str, list[str]] = {}
    if root:
        graph = Graph(network)
        hops = graph.toward(root)
        for name in dict.fromkeys((*around, *routers)):
            if network.nodes_by_id[name].kind == "segment":
                branches.setdefault(around[name][0] if around[name] else root, []).append(name)
            elif hops[graph.index[name]] != NOWHERE:
                branches.setdefault(graph.exits[hops[graph.index[name]]].target, []).append(name)
    order: dict[str, None] = {}
    for start in (root, *around) if root else tuple(around):
        stack = [start]
        while stack:
            name = stack.pop()
            if name not in order:
                order[name] = None
                stack.extend(reversed(branches.get(name, ())))
    return list(order)
