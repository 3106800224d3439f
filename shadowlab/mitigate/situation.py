"""The moment for which cures are proposed.

In: the network as it is then, what runs over it, the fault domain.  Out: a frozen value that answers what crosses what.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from shadowlab.model.fabric import Fabric, Route
from shadowlab.model.flow import FlowSpec
from shadowlab.model.network import Direction, Link, Network
from shadowlab.model.traffic.workload import Compute, Workload
from shadowlab.model.verdict import FaultDomain


@dataclass(frozen=True, kw_only=True)
class Situation:
    """``network`` holds the impairments of this moment, ``failed`` the links that are down: no way leads over those.

    ``rates_bps`` is what each path (``source→target``) carried before the fault, in bit/s of packets; ``hops`` the
    directions each path crosses now.
    """

    network: Network
    fabric: Fabric
    routes: tuple[Route, ...]
    domain: FaultDomain
    failed: frozenset[str] = frozenset()
    flows: tuple[FlowSpec, ...] = ()
    workloads: tuple[Workload, ...] = ()
    compute: Mapping[str, Compute] = field(default_factory=dict)
    rates_bps: Mapping[str, float] = field(default_factory=dict)
    hops: Mapping[str, tuple[Direction, ...]] = field(default_factory=dict)

    @cached_property
    def links(self) -> tuple[Link, ...]:
        """Those of the fault domain."""
        return tuple(self.network.links_by_id[link] for link in self.domain.links)

    @property
    def where(self) -> str:
        """The fault domain in words."""
        return " and ".join(self.domain.links)

    def crosses(self, path: str) -> bool:
        """Whether a path leads over the fault domain."""
        links = set(self.domain.links)
        return any(step.link in links for step in self.hops.get(path, ()))

    @cached_property
    def crossing(self) -> tuple[FlowSpec, ...]:
        """The flows that cross it, by their paths."""
        return tuple(flow for flow in self.flows if self.crosses(f"{flow.source}→{flow.target}"))
