"""A cure by weights: of ways of equal cost those that avoid the fault domain take most of the flows.

In: what is allowed, the situation.  Out: a candidate whose operations replace routes by the same with other weights.
Never: a way that flows do not take already; who has one way only keeps it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import gcd

from shadowlab.mitigate.allowed import ShiftWeights
from shadowlab.mitigate.candidate import EFFORT, Candidate
from shadowlab.mitigate.situation import Situation
from shadowlab.model.cure.action import SetWeights
from shadowlab.model.fabric import Interface, Route
from shadowlab.model.network import MOST_WEIGHT
from shadowlab.shadow.plan import route_ops
from shadowlab.topology.forwarding.candidates import CandidateFinder


def shift_weights(one: ShiftWeights, at: Situation) -> Candidate:
    """A way gets its weight times ``factor`` if nothing that takes it can come to the domain, its weight if everything
    does, and what lies between if a part does: each router knows its own next hops only, but those further on too
    share flows out."""
    made = Candidate(
        name=one.name,
        kind="weights",
        summary=f"{one.factor} flows by ways without {at.where} for each by a way over it",
        effort=EFFORT["weights"],
    )
    if not at.network.ecmp:
        return replace(made, impossible="routers here take one of several equal ways, so there is nothing to weigh")
    shares = _Shares(at, one.factor)
    after = tuple(shares.weighed(route) for route in at.routes)
    ops = route_ops(at.routes, after)
    if not ops:
        return replace(made, impossible=f"no router has equal ways of which some avoid {at.where}")
    return replace(
        made,
        ops=ops,
        undo=route_ops(after, at.routes),
        actions=tuple(_actions(shares, at.routes, after)),
    )


class _Shares:
    """What part of the flows by a next hop comes to the domain."""

    def __init__(self, at: Situation, factor: int) -> None:
        self._finder = CandidateFinder(at.network, avoid=at.failed)
        self._domain = frozenset(at.domain.links)
        self._factor = factor
        self._ends = {(end.node, end.name): end for end in at.fabric.interfaces}
        self._owner = {
            address: end.node for end in at.fabric.interfaces for address in (end.address, end.address6) if address
        }
        self._hosts = {**_turned(at.fabric.node_address), **_turned(at.fabric.node_address6)}
        self._known: dict[tuple[str, str], float] = {}

    def weighed(self, route: Route) -> Route:
        """The route with other weights; the same where all its ways are alike to the domain."""
        target = self.target(route)
        if len(route.hops) < 2 or not target:
            return route
        parts = [self._part(route.node, hop, target) for hop in route.hops]
        if len(set(parts)) < 2:
            return route
        held = route.weights or (1,) * len(parts)
        wanted = [
            weight * max(1, round(self._factor + (1 - self._factor) * part))
            for weight, part in zip(held, parts, strict=True)
        ]
        common, most = gcd(*wanted), max(wanted)
        if most // common > MOST_WEIGHT:
            wanted, common = [max(1, weight * MOST_WEIGHT // most) for weight in wanted], 1
        return route._replace(weights=tuple(weight // common for weight in wanted) if len(set(wanted)) > 1 else ())

    def target(self, route: Route) -> str:
        """The host that the route alone leads to; empty for what has a source or leads to many."""
        return "" if route.source else self._hosts.get(route.destination, "")

    def neighbour(self, node: str, hop: tuple[str, str]) -> str:
        """Who is behind a next hop."""
        return self._owner.get(hop[0], self.end(node, hop).peer)

    def end(self, node: str, hop: tuple[str, str]) -> Interface:
        """The interface a next hop leaves by."""
        return self._ends[node, hop[1]]

    def _part(self, node: str, hop: tuple[str, str], target: str) -> float:
        if self.end(node, hop).link in self._domain:
            return 1.0
        following = self.neighbour(node, hop)
        if (following, target) not in self._known:
            found = self._finder.ways(following, target)
            hit = sum(
                way.probability for way in found.ways if any(step.link in self._domain for step in way.directions)
            )
            listed = sum(way.probability for way in found.ways)
            self._known[following, target] = round(hit / listed, 9) if listed else 0.0
        return self._known[following, target]


def _turned(addresses: Mapping[str, str]) -> dict[str, str]:
    return {address: node for node, address in addresses.items() if address}


def _actions(shares: _Shares, before: tuple[Route, ...], after: tuple[Route, ...]) -> Iterator[SetWeights]:
    """The same by names; of both families once, as both go the same ways."""
    seen: set[tuple[str, str]] = set()
    for old, new in zip(before, after, strict=True):
        key = (new.node, shares.target(new))
        if old != new and key not in seen:
            seen.add(key)
            yield SetWeights(
                node=new.node,
                target=key[1],
                by=tuple(shares.neighbour(new.node, hop) for hop in new.hops),
                links=tuple(shares.end(new.node, hop).link for hop in new.hops),
                before=old.weights or (1,) * len(old.hops),
                after=new.weights or (1,) * len(new.hops),
            )
