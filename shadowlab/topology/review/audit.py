"""What is noteworthy about a map that can be used.

In: a network.  Out: counts, findings in words, and the derived values by kind.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from shadowlab.model.network import Derived, Network

_VARIABLE = re.compile(r"'[^']*'|(?<=of node ).*|(?<=attached to )[^;]+|(?<=another one, ).*|\d+(?:\.\d+)?")


@dataclass(frozen=True, kw_only=True)
class Audit:
    """``derived``: by what the value is and where it came from, the values themselves in map order."""

    counts: Mapping[str, int]
    findings: Sequence[str]
    derived: Mapping[str, Sequence[Derived]]


def audit(network: Network) -> Audit:
    """The findings of a network, the same for the same network."""
    kinds = Counter(node.kind for node in network.nodes)
    counts = {
        "instances": kinds["host"],
        "routers": kinds["router"],
        "LANs": kinds["segment"],
        "links": len(network.links),
        "demands": len(network.demands.between),
    }
    grouped: dict[str, list[Derived]] = {}
    for one in network.derived:
        grouped.setdefault(_kind(one), []).append(one)
    shown = {what: count for what, count in counts.items() if count or what not in ("LANs", "demands")}
    return Audit(counts=shown, findings=tuple(_findings(network)), derived=grouped)


def _kind(one: Derived) -> str:
    """``delay, … km along the great circle``: what was derived and how, without names and numbers."""
    what = one.value.split(" ")[0].rstrip(",")
    return f"{what}, {_VARIABLE.sub('…', one.origin)}"


def _findings(network: Network) -> Iterator[str]:
    joined = {end for link in network.links for end in (link.a, link.b)}
    alone = [node.id for node in network.nodes if node.id not in joined]
    if alone:
        yield f"without a link: {', '.join(alone[:5])}{' …' if len(alone) > 5 else ''}"
    if not network.hosts:
        yield "it has no instance: nothing can send or receive; --hosts-per-router attaches some"
    pairs = Counter(frozenset((link.a, link.b)) for link in network.links)
    if parallel := sum(1 for count in pairs.values() if count > 1):
        yield f"parallel links between {parallel} {'pair' if parallel == 1 else 'pairs'} of nodes"
    if unlimited := sum(1 for link in network.links if link.forward.rate_bps is None or link.backward.rate_bps is None):
        yield f"links without a rate: {unlimited}; nothing ever waits there"
    if network.demands.between:
        whole = sum(one.value for one in network.demands.between)
        unit = network.demands.unit or "of an unknown unit, which a scenario must state"
        yield f"demands between {len(network.demands.between)} pairs of nodes, {whole:g} in all, {unit}"
    degree = Counter(end for link in network.links for end in (link.a, link.b))
    idle = [node.id for node in network.nodes if node.kind == "segment" and degree[node.id] < 2]
    if idle:
        yield f"LANs with fewer than two ports: {', '.join(idle[:5])}"
