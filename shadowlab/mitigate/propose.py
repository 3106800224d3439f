"""Candidate cures for a fault domain, as operations.

In: the network as it is now, its routes, the fault domain, what the scenario allows.  Out: candidates, each with the
operations that do it, the operations that undo it, and both in words.  Doing nothing comes first.
Never: an effect, an order of merit: merit is measured by ``rehearse``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from shadowlab.model.fabric import Fabric, Route
from shadowlab.model.network import Link, Network
from shadowlab.model.units import format_rate
from shadowlab.model.verdict import FaultDomain
from shadowlab.shadow.ops import Op, RunScript
from shadowlab.shadow.plan import impair_ops, route_ops
from shadowlab.shadow.transport import keeping_windows
from shadowlab.topology.routing import shortest_routes

CureKind = Literal["nothing", "reroute", "upgrade", "script"]


@dataclass(frozen=True, kw_only=True)
class Allowed:
    """A kind of cure that the scenario lets us try."""

    kind: Literal["reroute", "upgrade", "script"]
    name: str
    factor: float = 1.0
    script_text: str = ""
    timeout_ns: int = 0


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One cure.  ``impossible`` is empty, or says why it cannot be tried here."""

    name: str
    kind: CureKind
    summary: str
    ops: tuple[Op, ...] = ()
    undo: tuple[Op, ...] = ()
    impossible: str = ""


NOTHING = Candidate(name="do nothing", kind="nothing", summary="leave everything as it is")


def propose(
    *,
    network: Network,
    fabric: Fabric,
    routes: Sequence[Route],
    domain: FaultDomain,
    allowed: Sequence[Allowed],
    failed: frozenset[str] = frozenset(),
) -> tuple[Candidate, ...]:
    """Every candidate, doing nothing first.

    ``network`` holds the impairments of this moment, ``failed`` the links that are down: no way leads over those.
    """
    links = tuple(network.links_by_id[link] for link in domain.links)
    found = [NOTHING]
    for one in allowed:
        if one.kind == "reroute":
            found.append(_reroute(one, network, fabric, routes, links, failed))
        elif one.kind == "upgrade":
            found.append(_upgrade(one, network, fabric, links))
        else:
            found.append(_script(one, network, fabric, links))
    return tuple(found)


def _names(links: Sequence[Link]) -> str:
    return " and ".join(link.id for link in links)


def _reroute(
    one: Allowed,
    network: Network,
    fabric: Fabric,
    routes: Sequence[Route],
    links: Sequence[Link],
    failed: frozenset[str],
) -> Candidate:
    summary = f"take the traffic off {_names(links)}: new shortest paths without it"
    try:
        shortest = shortest_routes(network, fabric, avoid=failed | {link.id for link in links})
        around = keeping_windows(shortest, routes)
    except ValueError as error:
        return Candidate(name=one.name, kind="reroute", summary=summary, impossible=str(error))
    return Candidate(
        name=one.name,
        kind="reroute",
        summary=summary,
        ops=route_ops(routes, around),
        undo=route_ops(around, routes),
    )


def _upgrade(one: Allowed, network: Network, fabric: Fabric, links: Sequence[Link]) -> Candidate:
    wider: list[Op] = []
    undo: list[Op] = []
    words = []
    for link in links:
        for direction in link.directions:
            now = link.impairment(direction)
            if now.rate_bps is None:
                continue
            more = now.scaled(1 / one.factor)
            wider.extend(impair_ops(fabric, network, direction, more))
            undo.extend(impair_ops(fabric, network, direction, now))
            words.append(f"{direction} from {format_rate(now.rate_bps)} to {format_rate(more.rate_bps or 0)}")
    if not wider:
        return Candidate(
            name=one.name,
            kind="upgrade",
            summary=f"more bandwidth on {_names(links)}",
            impossible=f"{_names(links)} has no rate to raise: it is unlimited",
        )
    return Candidate(
        name=one.name,
        kind="upgrade",
        summary="pre-scale the bandwidth: " + ", ".join(words),
        ops=tuple(wider),
        undo=tuple(undo),
    )


def _script(one: Allowed, network: Network, fabric: Fabric, links: Sequence[Link]) -> Candidate:
    ops: list[Op] = []
    undo: list[Op] = []
    for link in links:
        for direction in link.directions:
            here = fabric.by_direction[direction]
            now = link.impairment(direction)
            environment = (
                ("SHADOWLAB_DELAY_NS", str(now.delay_ns)),
                ("SHADOWLAB_INTERFACE", here.name),
                ("SHADOWLAB_JITTER_NS", str(now.jitter_ns)),
                ("SHADOWLAB_LIMIT_PACKETS", str(now.limit_packets())),
                ("SHADOWLAB_LINK", link.id),
                ("SHADOWLAB_NODE", here.node),
                ("SHADOWLAB_PEER", here.peer),
                ("SHADOWLAB_RATE_BPS", str(now.rate_bps or 0)),
            )
            if network.nodes_by_id[here.node].kind == "router":
                ops.append(
                    RunScript(
                        node=here.node,
                        name=one.name,
                        text=one.script_text,
                        environment=environment,
                        timeout_ns=one.timeout_ns,
                    )
                )
                undo.extend(impair_ops(fabric, network, direction, now))
    summary = f"run the remediation script {one.name} at both ends of {_names(links)}"
    if not ops:
        return Candidate(
            name=one.name,
            kind="script",
            summary=summary,
            impossible=f"{_names(links)} has no router at its ends to run it on",
        )
    return Candidate(name=one.name, kind="script", summary=summary, ops=tuple(ops), undo=tuple(undo))
