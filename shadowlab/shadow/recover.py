"""What a lab that ended badly left behind, found by its ledger and taken away by its mark.

In: a lab's account.  Out: what was removed, and what has the name but not the mark and was left alone.
Never: a decision by name alone; never an object of another lab.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from shadowlab.kernel import named
from shadowlab.kernel.named import NamedSegment, Standing
from shadowlab.kernel.ports import MAIN_TABLE
from shadowlab.shadow.apply import apply
from shadowlab.shadow.ledger import Account, Intent
from shadowlab.shadow.ops import (
    CreateLink,
    CreateNode,
    ImpairEgress,
    ImpairIngress,
    Op,
    RemoveLink,
    RemoveNode,
    RemoveRoute,
    SetNeighbour,
    ingress_device,
)
from shadowlab.shadow.shape import Shape, device_of, does_nothing

OnRemoved = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Removed:
    """``foreign`` are names that the ledger lists and that carry no mark of the lab: somebody else's."""

    nodes: tuple[str, ...]
    foreign: tuple[str, ...]
    programs: int


def remove_named_nodes(account: Account, *, on_step: OnRemoved | None = None) -> Removed:
    """End every program in the lab's namespaces, then take the namespaces away, and their links with them.

    Programs go first: while one lives its namespace does, and without a name nobody would find it again.
    """
    lab = account.begun.lab
    fds = [fd for node in account.nodes if (fd := named.open_name(lab, node)) is not None]
    try:
        programs = named.end_programs(fds)
    finally:
        for fd in fds:
            os.close(fd)
    outcomes: dict[str, str] = {}
    for node in account.nodes:
        outcomes[node] = named.remove_name(lab, node)
        if on_step is not None:
            on_step(node)
    return Removed(
        nodes=tuple(node for node, outcome in outcomes.items() if outcome == "removed"),
        foreign=tuple(named.name_of(lab, node) for node, outcome in outcomes.items() if outcome == "foreign"),
        programs=programs,
    )


def standing_nodes(shape: Shape, more: tuple[Op, ...] = ()) -> dict[str, Standing]:
    """What a segment must know to take up each node of a shape, and those that ``more`` may have made."""
    links = [*shape.links.values(), *(op for op in more if isinstance(op, CreateLink))]
    nodes = dict.fromkeys([*shape.nodes, *(op.node for op in more if isinstance(op, CreateNode))])
    peers: dict[str, dict[str, tuple[str, str]]] = defaultdict(dict)  # also of nodes that are no part of this shape
    neighbours: dict[str, dict[str, dict[str, str]]] = defaultdict(dict)
    for link in links:
        a, b = (link.node_a, link.name_a), (link.node_b, link.name_b)
        peers[a[0]][a[1]], peers[b[0]][b[1]] = b, a
        if not (link.address_a and link.address_b):
            continue  # on a segment: there neighbours have operations of their own
        neighbours[a[0]][a[1]] = dict.fromkeys(filter(None, (link.address_b, link.address6_b)), link.mac_b)
        neighbours[b[0]][b[1]] = dict.fromkeys(filter(None, (link.address_a, link.address6_a)), link.mac_a)
    for known in (*shape.neighbours.values(), *(op for op in more if isinstance(op, SetNeighbour))):
        neighbours[known.node].setdefault(known.interface, {})[known.address] = known.mac
    return {
        node: Standing(
            peers=peers[node],
            neighbours=neighbours[node],
            ifbs={name: ingress_device(name) for name in peers[node]},
        )
        for node in nodes
    }


def finish(
    intent: Intent,
    *,
    nodes: frozenset[str],
    interfaces: frozenset[tuple[str, str]],
    routes: frozenset[tuple[str, str, int]],
    queued: frozenset[tuple[str, str]],
) -> tuple[Op, ...]:
    """What to execute so that a change that was stopped anywhere is carried out whole, given what is there now.

    What it was to make is taken away first, for it may be half made; what it was to take away may be gone already.
    Everything else may be done twice.  ``queued`` are the devices that impair now.
    """
    made = [op for op in intent.ops if isinstance(op, CreateLink) and _ends(op) & interfaces]
    born = [op for op in intent.ops if isinstance(op, CreateNode) and op.node in nodes]
    gone = frozenset().union(*map(_ends, made)) if made else frozenset()
    left = interfaces - gone
    cleared: list[Op] = [
        RemoveLink(link=op.link, node_a=op.node_a, name_a=op.name_a, node_b=op.node_b, name_b=op.name_b) for op in made
    ]
    cleared += [RemoveNode(node=op.node) for op in born]
    standing = nodes - {op.node for op in born}
    for op in intent.ops:
        match op:
            case RemoveLink() if not _ends(op) & left:
                continue
            case RemoveNode() if op.node not in standing:
                continue
            case ImpairEgress() | ImpairIngress() if does_nothing(op.impairment) and (
                (op.node, device_of(op)) not in queued
            ):
                continue
            case RemoveRoute() if not op.source and (op.node, op.destination, op.prefix) not in routes:
                continue
            case _:
                cleared.append(op)
    return tuple(cleared)


def carry_on(segment: NamedSegment, intent: Intent) -> None:
    """Carry out whole what was stopped on the way, in a segment that has taken up what is there."""
    for op in intent.ops:
        if isinstance(op, ImpairIngress):
            segment.clear_half_redirect(op.node, op.interface, op.device)
    nodes = segment.namespaces()
    interfaces = frozenset((node, name) for node in nodes for name in segment.links(node))
    impaired = {(op.node, device_of(op)) for op in intent.ops if isinstance(op, ImpairEgress | ImpairIngress)}
    queued = {
        (node, name)
        for node, name in impaired & interfaces
        if segment.read_netem(node, name) is not None or segment.read_shaper(node, name) is not None
    }
    routes = frozenset(
        (node, one.destination, one.prefix) for node in nodes for one in segment.routes(node) if one.table == MAIN_TABLE
    )
    ops = finish(intent, nodes=frozenset(nodes), interfaces=interfaces, routes=routes, queued=frozenset(queued))
    apply(ops, segment)


def _ends(op: CreateLink | RemoveLink) -> frozenset[tuple[str, str]]:
    return frozenset({(op.node_a, op.name_a), (op.node_b, op.name_b)})
