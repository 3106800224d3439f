"""What the reference methods share: they know one way per flow, links only, and a score per link.

In: observations.  Out: crossings of links by flows, and a localisation from scores.  Where several ways are possible
the first most probable one is taken: these methods have no notion of chance in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from shadowlab.localize.findings import Found, Localisation
from shadowlab.localize.observations import Array, Indices, Observations


@dataclass(frozen=True, kw_only=True, eq=False)
class Crossings:
    """``flow`` and ``link`` list the crossings by flows that sent anything, flow by flow; ``hops`` is per flow."""

    flow: Indices
    link: Indices
    hops: Array
    links: int


def crossings(seen: Observations) -> Crossings:
    """Every flow on its most probable way."""
    first = seen.ways.starts[:-1].copy()
    if not seen.single:
        owner = seen.ways.owners
        order = np.lexsort((np.arange(len(owner)), -seen.shares, owner))
        first = order[seen.ways.starts[:-1]]
    links = np.array([one.kind == "link" for one in seen.components], dtype=bool)
    flows = np.flatnonzero(seen.sent > 0)
    component, place = seen.paths.take(seen.ways.values[first[seen.way[flows]]])
    keep = links[component]
    flow = flows[place[keep]]
    return Crossings(
        flow=flow,
        link=component[keep],
        hops=np.bincount(flow, minlength=seen.flows).astype(np.float64),
        links=len(links),
    )


def localisation(
    method: str, seen: Observations, at: Crossings, scores: Mapping[int, tuple[float, float]]
) -> Localisation:
    """The links named, each with (score, loss).  These methods give no posterior: 0 says so."""
    found = []
    for link, (score, loss) in scores.items():
        flows = at.flow[at.link == link]
        bad = seen.bad[flows]
        found.append(
            Found(
                components=(seen.components[link],),
                fault="loss",
                posterior=0.0,
                score=score,
                loss=loss,
                loss_interval=(loss, loss),
                flows=len(flows),
                flows_bad=int((bad > 0).sum()),
                packets=float(seen.sent[flows].sum()),
                packets_bad=float(bad.sum()),
            )
        )
    found.sort(key=lambda one: (-one.score, one.name))
    return Localisation(method=method, suspects=tuple(found), flows=seen.flows, packets=float(seen.sent.sum()))


def share_lost(seen: Observations, at: Crossings) -> Array:
    """Of the packets that crossed each link, the share lost anywhere on their way."""
    sent = np.bincount(at.link, seen.sent[at.flow], minlength=at.links)
    bad = np.bincount(at.link, seen.bad[at.flow], minlength=at.links)
    result: Array = bad / np.maximum(sent, 1e-12)
    return result
