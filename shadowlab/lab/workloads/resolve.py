"""The nodes that workloads name, held against the map.

In: workloads and compute models of a scenario, the network.  Out: the same with ``all`` replaced by every host, and the
pairs of nodes that will exchange something; or one InputError with every name that is not there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product

from shadowlab.errors import Fault, InputError
from shadowlab.model.flow import FlowSpec, Path
from shadowlab.model.network import Network
from shadowlab.model.traffic.workload import (
    Compute,
    Datagrams,
    Incast,
    Lookups,
    Replay,
    Requests,
    Transfers,
    Workload,
)
from shadowlab.topology.wording import did_you_mean

ALL = "all"
MOST_PROBED = 200
"""Probes are packets as well: five a second of each path."""
_NODE_LISTS = ("sources", "targets", "clients", "servers", "workers")
_NODES = ("source", "target", "aggregator", "node")


def resolve_workloads(
    workloads: Sequence[Workload], compute: Mapping[str, Compute], network: Network, *, place: str
) -> tuple[Workload, ...]:
    """The workloads over nodes of the map.  Raises InputError; ``place`` is what faults name."""
    hosts = tuple(node.id for node in network.hosts)
    known = [node.id for node in network.nodes if node.kind != "segment"]
    faults: list[Fault] = []
    found: list[Workload] = []
    for one in workloads:
        expanded = {
            name: hosts if getattr(one, name) == (ALL,) else tuple(dict.fromkeys(getattr(one, name)))
            for name in _NODE_LISTS
            if hasattr(one, name)
        }
        named = [node for nodes in expanded.values() for node in nodes]
        named += [getattr(one, name) for name in _NODES if hasattr(one, name)]
        named += one.addresses.values() if isinstance(one, Replay) else ()
        missing = sorted({node for node in named if node not in known})
        faults += [_missing(place, f"traffic {one.name}", node, known) for node in missing]
        whole: Workload = replace(one, **expanded)  # type: ignore[arg-type]
        if not missing and not isinstance(whole, Transfers | Requests | Incast | Datagrams | Lookups | Replay):
            found.append(whole)
        elif not missing:
            if any(True for _ in pairs(whole)):
                found.append(whole)
            else:
                faults.append(
                    Fault(place=place, message=f"traffic {one.name}: no two different nodes to exchange with")
                )
    faults += [_missing(place, "compute", node, known) for node in compute if node not in known]
    if faults:
        raise InputError(*faults)
    return tuple(found)


def pairs(one: Workload) -> Iterator[Path]:
    """The ordered pairs (who sends most, who receives) between which the workload exchanges something."""
    match one:
        case Transfers():
            both = product(one.sources, one.targets)
        case Requests() | Lookups():
            both = product(one.servers, one.clients)
        case Incast():
            both = product(one.workers, (one.aggregator,))
        case Replay():
            both = product((one.node,), tuple(dict.fromkeys(one.addresses.values())))
        case Datagrams():
            both = product((one.source,), (one.target,))
        case _:
            return
    for source, target in both:
        if source != target:
            yield Path(source=source, target=target)


def probed_pairs(workloads: Sequence[Workload]) -> tuple[Path, ...]:
    """The pairs whose paths are probed for the workloads' sake: all of a workload up to :data:`MOST_PROBED`, else so
    many spread over it evenly."""
    found: set[Path] = set()
    for one in workloads:
        every = list(pairs(one))
        step = -(-len(every) // MOST_PROBED) if every else 1
        found.update(every[::step])
    return tuple(sorted(found))


_HELD_ELSEWHERE = (
    "initial_cwnd_segments",
    "initial_rwnd_segments",
    "ecn",
    "sack",
    "timestamps",
    "window_scaling",
)
"""Options that no socket holds: they hang on routes, or on what a node's TCP offers."""


def wishing(workloads: Sequence[Workload]) -> Iterator[FlowSpec]:
    """What workloads wish of routes and nodes, as flows would: one there and one back for each of their pairs."""
    for one in workloads:
        tcp = getattr(one, "tcp", None)
        if tcp is None or all(getattr(tcp, name) is None for name in _HELD_ELSEWHERE):
            continue
        for pair in pairs(one):
            for source, target in ((pair.source, pair.target), (pair.target, pair.source)):
                yield FlowSpec(
                    id=f"{one.name}: {source}→{target}",
                    source=source,
                    target=target,
                    flow_class="greedy",
                    tcp=tcp,
                    ipv6=getattr(one, "ipv6", False),
                )


def _missing(place: str, what: str, node: str, known: Sequence[str]) -> Fault:
    near = did_you_mean(node, known) or f"; there are {', '.join(sorted(known)[:8])}{', …' if len(known) > 8 else ''}"
    return Fault(place=place, message=f"{what}: the map has no node {node!r}{near}")
