"""A fat-tree of degree k as components and paths: k pods, a third level of cores, k³/4 hosts.

In: k.  Out: its components (every direction of every link, every switch, every host) and for a pair of hosts the
components that each of its shortest paths crosses.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shadowlab.localize.observations import Component, Lists

Indices = NDArray[np.int64]
NONE = -1


@dataclass(frozen=True, kw_only=True, eq=False)
class FatTree:
    """Directed links come first among the components, then switches, then hosts.

    ``up_host``, ``down_host`` have shape (hosts,): the links to and from the edge switch; ``up_edge``, ``down_edge``
    (edges, k/2): to and from each aggregation switch of the pod; ``up_aggregation``, ``down_aggregation``
    (aggregations, k/2): to and from its cores.
    """

    degree: int
    components: tuple[Component, ...]
    up_host: Indices
    down_host: Indices
    up_edge: Indices
    down_edge: Indices
    up_aggregation: Indices
    down_aggregation: Indices
    edges: Indices
    aggregations: Indices
    cores: Indices
    hosts: Indices

    @property
    def links(self) -> int:
        """How many directed links."""
        return len(self.up_host) * 2 + self.up_edge.size * 2 + self.up_aggregation.size * 2

    def crossed(self, source: Indices, target: Indices, choice: Indices) -> Indices:
        """The components that flows cross, shape (flows, 13), NONE where there is less; ``choice`` (below (k/2)²)
        picks one of the equal ways: which aggregation switch, which of its cores."""
        half = self.degree // 2
        edge_a, edge_b = source // half, target // half
        pod_a, pod_b = edge_a // half, edge_b // half
        turn, core = choice // half, choice % half
        far, beyond = pod_a != pod_b, edge_a != edge_b
        up, down = pod_a * half + turn, pod_b * half + turn
        return np.stack(
            [
                self.hosts[source],
                self.up_host[source],
                self.edges[edge_a],
                np.where(beyond, self.up_edge[edge_a, turn], NONE),
                np.where(beyond, self.aggregations[up], NONE),
                np.where(far, self.up_aggregation[up, core], NONE),
                np.where(far, self.cores[turn * half + core], NONE),
                np.where(far, self.down_aggregation[down, core], NONE),
                np.where(far, self.aggregations[down], NONE),
                np.where(beyond, self.down_edge[edge_b, turn], NONE),
                np.where(beyond, self.edges[edge_b], NONE),
                self.down_host[target],
                self.hosts[target],
            ],
            axis=1,
        )


def fat_tree(degree: int) -> FatTree:
    """The tree of an even degree."""
    half = degree // 2
    pods, hosts = degree, degree * half * half
    edges = aggregations = pods * half
    names: list[str] = []

    def links(pairs: list[tuple[str, str]]) -> Indices:
        first = len(names)
        names.extend(f"{a}>{b}" for a, b in pairs)
        return np.arange(first, len(names))

    host_edge = [(f"h{one}", f"e{one // half}") for one in range(hosts)]
    edge_up = [(f"e{edge}", f"a{edge // half * half + turn}") for edge in range(edges) for turn in range(half)]
    up_core = [(f"a{one}", f"c{one % half * half + core}") for one in range(aggregations) for core in range(half)]

    def turned(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
        return [(b, a) for a, b in pairs]

    up_host, down_host = links(host_edge), links(turned(host_edge))
    up_edge, down_edge = (links(pairs).reshape(edges, half) for pairs in (edge_up, turned(edge_up)))
    up_aggregation, down_aggregation = (
        links(pairs).reshape(aggregations, half) for pairs in (up_core, turned(up_core))
    )
    total = len(names)
    switches = [
        *(f"e{one}" for one in range(edges)),
        *(f"a{one}" for one in range(aggregations)),
        *(f"c{one}" for one in range(half * half)),
    ]
    of: dict[str, list[str]] = {}
    for name in names:
        for end in name.split(">"):
            of.setdefault(end, []).append(name)
    components = [Component(kind="link", name=name, links=(name,)) for name in names]
    components += [Component(kind="node", name=name, links=tuple(of[name])) for name in switches]
    components += [Component(kind="host", name=f"h{one}", links=tuple(of[f"h{one}"])) for one in range(hosts)]
    return FatTree(
        degree=degree,
        components=tuple(components),
        up_host=up_host,
        down_host=down_host,
        up_edge=up_edge,
        down_edge=down_edge,
        up_aggregation=up_aggregation,
        down_aggregation=down_aggregation,
        edges=total + np.arange(edges),
        aggregations=total + edges + np.arange(aggregations),
        cores=total + edges + aggregations + np.arange(half * half),
        hosts=total + len(switches) + np.arange(hosts),
    )


def lists_from(table: Indices) -> Lists:
    """The rows of a table without NONE."""
    there = table != NONE
    lengths = there.sum(axis=1)
    return Lists(starts=np.concatenate(([0], np.cumsum(lengths))).astype(np.int64), values=table[there])
